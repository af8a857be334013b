"""How a feature is scaled before it is compared or stored."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embeddings.similarity import l1_normalize, l2_normalize


class Normalization(StrEnum):
    """By what a vector is divided."""

    L2 = "l2"
    """Its Euclidean length."""
    L1 = "l1"
    """The sum of its components, none of which is negative: a histogram's shares."""


def normalize(x: ArrayLike, normalization: Normalization) -> NDArray[np.float32]:
    """Vectors (..., D) so scaled, float32; a zero vector stays zero.

    Raises:
        ValueError: a component is not finite, or negative where sums are taken.
    """
    return l1_normalize(x) if normalization is Normalization.L1 else l2_normalize(x)


def divisor(x: ArrayLike, normalization: Normalization) -> NDArray[np.float32]:
    """By what ``normalize`` divides each of some finite vectors (..., D): (..., 1) float32, 0 for a zero vector.

    >>> divisor([[3.0, 4.0], [0.0, 0.0]], Normalization.L2).tolist(), divisor([[0.5, 1.0]], Normalization.L1).tolist()
    ([[5.0], [0.0]], [[1.5]])
    """
    vectors = np.asarray(x, dtype=np.float32)
    if normalization is Normalization.L1:
        return np.asarray(vectors.sum(axis=-1, keepdims=True), dtype=np.float32)
    return np.asarray(np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)
