"""Fusion: one score out of two, such as of looks and of attributes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def fuse_scores(first: FloatArray, second: FloatArray, weight: float) -> FloatArray:
    """(1 − weight) · first + weight · second, elementwise, float32.

    Raises:
        ValueError: the weight lies outside [0, 1], or the shapes differ.

    >>> fuse_scores(np.array([[1.0, 0.0]]), np.array([[0.0, 0.5]]), weight=0.25).tolist()
    [[0.75, 0.125]]
    """
    if not 0 <= weight <= 1 or first.shape != second.shape:
        raise ValueError(
            f"expected a weight in [0, 1] and equal shapes, received {weight}, {first.shape}, {second.shape}"
        )
    return np.asarray((1 - weight) * first + weight * second, dtype=np.float32)


def standardise(scores: FloatArray, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> FloatArray:
    """A query's scores in standard deviations from their mean; where they do not differ, 0.

    Args:
        scores: (n, m).
        mean: (n,) of each query's scores over the whole gallery.
        deviation: (n,) likewise, ≥ 0.

    >>> standardise(np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([2.0, 5.0]), np.array([1.0, 0.0])).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    scale = np.where(deviation > 0, deviation, 1)[:, np.newaxis]
    return np.asarray((scores - mean[:, np.newaxis]) / scale, dtype=np.float32)
