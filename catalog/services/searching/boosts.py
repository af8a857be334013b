"""What lifts hits beside their score: whether they can be bought, and how new they are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.types import Boosts

HALF_LIFE: Final = datetime.timedelta(days=30)
"""A product that came this much earlier than the newest candidate counts as half as new."""


def boosted(
    relevance: NDArray[np.float32],
    in_stock: NDArray[np.bool_],
    first_seen: Sequence[datetime.datetime],
    boosts: Boosts,
) -> NDArray[np.float32]:
    """(n,) from 0 to 1: (relevance + s · is in stock + t · newness) / (1 + s + t).

    s and t are the boosts. At 1 a boost is worth as much as the whole way from the last candidate to the best, at 0.1 a
    tenth of it, whatever the scale of the scores. The quotient changes no order and keeps the range.

    Args:
        relevance: (n,) from 0, the last candidate's, to 1, the best one's.
        in_stock: (n,).
        first_seen: When each came into the catalog.

    >>> times = [datetime.datetime(2026, 3, 1)] * 2
    >>> relevance, in_stock = np.array([1.0, 0.75], dtype=np.float32), np.array([False, True])
    >>> boosted(relevance, in_stock, times, Boosts(in_stock=0.5)).round(3).tolist()
    [0.6669999957084656, 0.8330000042915344]
    """
    if not boosts:
        return relevance
    lifted = relevance + boosts.in_stock * in_stock + boosts.newer * newness(first_seen)
    return np.asarray(lifted / (1.0 + boosts.in_stock + boosts.newer), dtype=np.float32)


def newness(first_seen: Sequence[datetime.datetime]) -> NDArray[np.float32]:
    """(n,) from 0 to 1: 1 for the newest, halved for each ``HALF_LIFE`` that another came earlier.

    By each other and not by the clock, so that no page is of another order than the one before it.

    >>> newness([datetime.datetime(2026, 3, 1), datetime.datetime(2026, 1, 30)]).tolist()
    [1.0, 0.5]
    """
    if not first_seen:
        return np.zeros(0, dtype=np.float32)
    newest = max(first_seen)
    half_lives = np.array([(newest - one) / HALF_LIFE for one in first_seen])
    return np.asarray(np.exp2(-half_lives), dtype=np.float32)
