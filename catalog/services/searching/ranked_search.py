"""The order of a search's hits, as far as it is asked for, whatever the mode.

This is the seam between ranking and paging: a page is cut from what a ``RankedSearch`` puts first, and what changes the
order (for diversity, or to prefer some items) is a ``RankedSearch`` around another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.ports.vector_index import ScoredPoint

FIRST_TRANCHE: Final = 128
"""Results that an approximate search finds with one and the same beam, however few of them are asked for."""
TRANCHE_GROWTH: Final = 4
MOST_TIES: Final = 1_000
"""A catalog may hold thousands of equal scores (nothing in common); from some number on, their order is not settled."""


@dataclass(frozen=True, slots=True)
class RankedPoints:
    """What a search puts first.

    Args:
        points: Best first. Their scores are final: higher is nearer. They carry no vectors.
        are_all: The search has no others to offer.
        leaves_out: Points that pass the filter were never compared, because only candidates are.
    """

    points: Sequence[ScoredPoint]
    are_all: bool
    leaves_out: bool = False


class RankedSearch(Protocol):
    """One search of one gallery.

    What it ranks is one order: ``first(20)`` begins with what ``first(10)`` gave, so that pages neither repeat nor miss
    anything.
    """

    @property
    def prob(self) -> NDArray[np.float32]:
        """(K,): what the reasons of hits are shares of."""

    @property
    def ranked_by(self) -> tuple[str, ...]:
        """Names of the features that rank."""

    @property
    def ranks_all(self) -> bool:
        """Whether everything that passes the filter is a hit: neither candidates nor a threshold leave any out."""

    def first(self, num: int) -> RankedPoints:
        """The best ``num`` points or more; fewer where there are no more."""


def first_points(
    ask: Callable[[int], Sequence[ScoredPoint]], place: Callable[[ScoredPoint], tuple[float, int]], num: int
) -> RankedPoints:
    """The first of a ranking that an index walks to find.

    What such a walk finds depends on its beam, and so on how much is asked for. Up to ``FIRST_TRANCHE`` results that
    beam is one; beyond, it grows by fixed steps, and each step's finds follow those of the steps before. Equal scores
    come in any order from an engine; those at the end of a step are left for the next, which knows them all.

    Args:
        ask: The index's answer to a limit; scores in the index's own terms.
        place: Smaller is earlier; the score, then the id.
        num: At least this many are wanted.
    """
    ranked: dict[int, ScoredPoint] = {}
    tranche = FIRST_TRANCHE
    limit = min(num + 1, tranche)
    while True:
        points = sorted(ask(limit), key=place)
        are_all = len(points) < limit
        if not are_all and limit < MOST_TIES:
            points = [point for point in points if point.score != points[-1].score]
        found = ranked | {point.id: point for point in points if point.id not in ranked}
        if are_all or len(found) >= num:
            return RankedPoints(list(found.values()), are_all)
        if limit < tranche:
            limit = min(2 * limit, tranche)
        else:
            ranked = found
            limit = tranche = tranche * TRANCHE_GROWTH
