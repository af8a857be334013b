"""Query expansion: asking again with the mean of a query and what it found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embeddings.similarity import l2_normalize

FloatArray = NDArray[np.float32]


def expand_queries(queries: FloatArray, hits: FloatArray) -> FloatArray:
    """Mean of each query and its first hits, all of unit length, scaled to unit length again.

    Source: Chum et al., "Total Recall: Automatic Query Expansion with a Generative Feature Model for Object Retrieval",
    ICCV 2007 ("average query expansion").

    Args:
        queries: (n, D) float32.
        hits: (n, N, D) float32: features of each query's first N hits, its own picture not among them.

    Returns:
        (n, D) float32.

    Raises:
        ValueError: the shapes do not fit each other.

    >>> expand_queries(np.array([[1.0, 0.0]]), np.array([[[0.0, 2.0]]])).round(3).tolist()
    [[0.7070000171661377, 0.7070000171661377]]
    """
    if hits.ndim != 3 or queries.shape != (hits.shape[0], hits.shape[2]):
        raise ValueError(f"hits of shape {hits.shape} do not fit queries of shape {queries.shape}")
    total = l2_normalize(queries) + l2_normalize(hits).sum(axis=1)
    return l2_normalize(total)
