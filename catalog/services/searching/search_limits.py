"""What the options of a search may be."""

from __future__ import annotations

import math
from typing import Final

from catalog.errors import InvalidRequest
from catalog.types import SearchMode, SearchOptions

MAX_LIMIT: Final = 100
MAX_PAGE: Final = 99
MAX_CANDIDATES: Final = 10_000


def checked(options: SearchOptions | None) -> SearchOptions:
    """The options, or the usual ones.

    Raises:
        InvalidRequest: a number lies outside its range.
    """
    options = options or SearchOptions()
    ranges: list[tuple[str, float, int, int]] = [
        ("limit", options.limit, 1, MAX_LIMIT),
        ("page", options.page, 0, MAX_PAGE),
        ("candidates", options.candidates, options.limit, MAX_CANDIDATES),
        ("diversity", options.diversity, 0, 1),
        ("the boost in_stock", options.boosts.in_stock, 0, 1),
        ("the boost newer", options.boosts.newer, 0, 1),
    ]
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise InvalidRequest(f"{name} is out of range", received=str(value), expected=f"{low} to {high}")
    threshold = options.score_threshold
    if threshold is not None and not math.isfinite(threshold):
        raise InvalidRequest("The score threshold is no number", received=str(threshold), expected="a finite number")
    return options


def refuse_visual(options: SearchOptions, subject: str) -> None:
    """Refuse to rank by looks alone what has other attributes than its looks.

    Raises:
        InvalidRequest: the mode is ``visual``.
    """
    if options.mode == SearchMode.VISUAL:
        raise InvalidRequest(
            f"Looks alone cannot be searched by {subject}",
            received=f"mode {options.mode}",
            expected=", ".join(mode for mode in SearchMode if mode != SearchMode.VISUAL),
            remedy="choose one of these modes, or leave the mode out",
        )
