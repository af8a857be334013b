"""How many images a network takes at once where nobody says: as many as make it faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from embeddings.errors import OutOfMemory

USUAL_BATCH_SIZE: Final = 32
"""Where nothing was measured."""

SIZES: Final = (8, 16, 32, 64, 128, 256)
_GAIN: Final = 1.05


def fastest_batch_size(rate: Callable[[int], float], sizes: Sequence[int] = SIZES) -> int:
    """The smallest size after which a larger one is no longer faster by a twentieth.

    >>> fastest_batch_size({8: 20.0, 16: 30.0, 32: 33.0, 64: 34.0}.__getitem__)
    32

    Args:
        rate: Measures a size, in images/s; raises OutOfMemory where it does not fit.
        sizes: To be tried, in ascending order.

    Raises:
        OutOfMemory: the first of them does not fit.
    """
    best, best_rate = sizes[0], rate(sizes[0])
    for size in sizes[1:]:
        try:
            found = rate(size)
        except OutOfMemory:
            break
        if found < best_rate * _GAIN:
            break
        best, best_rate = size, found
    return best
