"""Looking up a square tile that covers an endless plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.rendered.curves import Floats


def sample_tile(tile: NDArray[Any], x: Floats, y: Floats, edge: float = 1.0) -> Floats:
    """The tile's values at points of a plane, float32, of the shape of ``x`` and the tile's channels.

    Args:
        tile: (n, n) or (n, n, channels), n a power of two.
        x, y: Coordinates within 64 edges of the origin, of one shape.
        edge: Length of the tile's edge in the plane.
    """
    size = tile.shape[0]
    # 64 tiles are added so that no coordinate is negative: rounding towards zero is then rounding down.
    scale, start = np.float32(size / edge), np.float32(64 * size)
    columns = (x * scale + start).astype(np.int32) & (size - 1)
    rows = (y * scale + start).astype(np.int32) & (size - 1)
    found: NDArray[Any] = tile.reshape(size * size, *tile.shape[2:])[rows * size + columns]
    return found.astype(np.float32, copy=False)
