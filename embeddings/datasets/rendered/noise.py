"""Smooth random fields: wrinkles, plaster, grain."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from embeddings.datasets.rendered.curves import Floats

_TILE = 512


@lru_cache(maxsize=16)
def smooth_tile(seed: int, cells: int) -> Floats:
    """A field that repeats without a seam, (512, 512) float32, mean about 0, within [-1, 1].

    Args:
        seed: What it is random by.
        cells: How many bumps fit along an edge.
    """
    coarse = np.random.default_rng([seed, cells]).uniform(-1, 1, (cells, cells)).astype(np.float32)
    wrapped = np.pad(coarse, 4, mode="wrap")
    scale = _TILE / cells
    size = round(wrapped.shape[0] * scale)
    large = Image.fromarray(wrapped).resize((size, size), Image.Resampling.BICUBIC)
    start = round(4 * scale)
    tile = np.ascontiguousarray(np.asarray(large, dtype=np.float32)[start : start + _TILE, start : start + _TILE])
    tile.setflags(write=False)
    return tile
