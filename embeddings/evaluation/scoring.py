"""How near gallery images are to queries, block by block: features under a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from embeddings.evaluation.feature_rows import FeatureRows, FloatArray, block_rows
from embeddings.normalization import Normalization
from embeddings.similarity import (
    cosine_similarity,
    euclidean_distance,
    histogram_intersection,
    l1_normalize,
    l2_normalize,
)


class Scoring(Protocol):
    """Scores of some queries against some of the gallery, higher is nearer."""

    @property
    def num_queries(self) -> int: ...

    @property
    def num_gallery(self) -> int: ...

    @property
    def rows_per_block(self) -> int:
        """How many rows of either side to ask for at once."""

    def __call__(self, queries: slice, gallery: slice) -> FloatArray:
        """(queries, gallery) float32, finite."""


class Metric(StrEnum):
    """How two vectors of a feature are compared."""

    EUCLIDEAN = "euclidean"
    """Euclidean distance of L2-normalised vectors; the paper's."""
    COSINE = "cosine"
    """The same order as ``euclidean`` but for rounding."""
    INTERSECTION = "intersection"
    """Histogram intersection of L2-normalised vectors; the paper's for prob."""
    INTERSECTION_L1 = "intersection-l1"
    """Histogram intersection of vectors that sum to 1."""
    DOT = "dot"
    """Dot product of vectors that sum to 1: of two softmaxes, how likely both images are of the same class, if the
    class of each depends on its photo alone."""


INTERSECTION_OF: Mapping[Normalization, Metric] = {
    Normalization.L2: Metric.INTERSECTION,
    Normalization.L1: Metric.INTERSECTION_L1,
}
"""By how a version scales prob: the intersection that searches of it rank by."""


def similarity(metric: Metric, queries: FloatArray, gallery: FloatArray) -> FloatArray:
    """Scores (n_q, n_g) float32 of raw features (n_q, D) and (n_g, D), higher is nearer; distances are negated.

    Raises:
        ValueError: a histogram intersection of negative components.
    """
    return _SIMILARITIES[metric](queries, gallery)


_SIMILARITIES: dict[Metric, Callable[[FloatArray, FloatArray], FloatArray]] = {
    Metric.EUCLIDEAN: lambda q, g: -euclidean_distance(l2_normalize(q), l2_normalize(g)),
    Metric.COSINE: cosine_similarity,
    Metric.INTERSECTION: lambda q, g: histogram_intersection(l2_normalize(q), l2_normalize(g)),
    Metric.INTERSECTION_L1: lambda q, g: histogram_intersection(l1_normalize(q), l1_normalize(g)),
    Metric.DOT: lambda q, g: l1_normalize(q) @ l1_normalize(g).T,
}


@dataclass(frozen=True, slots=True)
class FeatureScoring:
    """One feature of queries and gallery under a metric.

    Raises:
        ValueError: the two sides differ in size.
    """

    queries: FeatureRows
    gallery: FeatureRows
    metric: Metric

    def __post_init__(self) -> None:
        if self.queries.shape[1] != self.gallery.shape[1]:
            raise ValueError(f"sizes differ: queries {self.queries.shape}, gallery {self.gallery.shape}")

    @property
    def num_queries(self) -> int:
        return self.queries.shape[0]

    @property
    def num_gallery(self) -> int:
        return self.gallery.shape[0]

    @property
    def rows_per_block(self) -> int:
        return block_rows(self.queries.shape[1])

    def __call__(self, queries: slice, gallery: slice) -> FloatArray:
        return similarity(self.metric, self.queries[queries], self.gallery[gallery])
