"""The rows of the table: each a feature under a metric, perhaps whitened, expanded or fused, ranked and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.evaluation.feature_rows import (
    FeatureFile,
    FeatureRows,
    FloatArray,
    Positions,
    SelectedRows,
    block_rows,
    blocks,
)
from embeddings.evaluation.ground_truth import GroundTruth, RankingMeasures
from embeddings.evaluation.ranking import rank_blockwise
from embeddings.evaluation.scoring import INTERSECTION_OF, FeatureScoring, Metric, Scoring
from embeddings.manifest import PROBABILITIES
from embeddings.normalization import Normalization
from embeddings.postprocessing.query_expansion import expand_queries
from embeddings.postprocessing.score_fusion import fuse_scores, standardise
from embeddings.postprocessing.whitening import fit_whitening

FEATURES = ("fc6", "fc7", "pool", "bilinear", "scores", PROBABILITIES)
"""What networks put out, in the order of tables; ``scores`` is fc8."""

WHITENABLE = ("fc6", "fc7", "pool", "bilinear")

_KEPT_RANKS = 10
_SAMPLE_ELEMENTS = 2**25
METRIC_NAMES: Mapping[Metric, str] = {
    Metric.EUCLIDEAN: "L2 + Euclidean",
    Metric.COSINE: "cosine",
    Metric.INTERSECTION: "L2 + hist. inter.",
    Metric.INTERSECTION_L1: "L1 + hist. inter.",
    Metric.DOT: "L1 + dot",
}
"""As tables call them."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """A feature fused with prob: (1 − weight) · cosine of the feature + weight · histogram intersection of prob.

    The intersection is the one that searches rank by, of prob as the version scales it.

    Args:
        weight: Of prob, in [0, 1].
        standardised: Whether each query's scores are first put into standard deviations from their mean over the
            gallery; otherwise they are fused as they are.

    Raises:
        ValueError: the weight is outside its range.
    """

    feature: str
    weight: float
    standardised: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"a weight must lie between 0 and 1, received {self.weight}")


@dataclass(frozen=True, slots=True)
class RowOptions:
    """Which rows to compute.

    Args:
        features: Which outputs; None is all that the network has.
        every_metric: Under every metric that a feature allows, not only the paper's for it and what searches rank by.
        whiten: For each size, every feature but scores and prob whitened to it.
        expand: For each number N, every row again with queries expanded by their first N hits.
        fuse: Each a fusion with prob, for networks that have both.
    """

    features: tuple[str, ...] | None = None
    every_metric: bool = False
    whiten: tuple[int, ...] = ()
    expand: tuple[int, ...] = ()
    fuse: tuple[Fusion, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRow:
    """One row of the table.

    Args:
        model: The network.
        feature: What was compared, with what was done to it: ``pool, whitened``.
        size: Components of the compared vectors.
        metric: How they were compared: ``L2 + Euclidean``.
        ranking: (n_q, ranks) gallery positions, nearest first; perhaps fewer ranks than were measured.
        is_engine: Whether the vector engine ranked, as searches of the product do; otherwise every vector was compared.
    """

    model: str
    feature: str
    size: int
    metric: str
    measures: RankingMeasures
    ranking: Positions
    is_engine: bool = False


class NetworkRows:
    """Computes the rows of one network.

    Args:
        model: Its name in tables.
        files: Every output, one row per picture of the ground truth.
        folder: Where whitened and expanded features are put.
        prob_normalization: How the version scales prob, if it does. Its intersection so scaled, which searches rank
            by, has a row beside the paper's.
        on_queries: Told of every ranking how many queries are done.

    Attributes:
        notes: What a reader of the rows computed so far should know.
    """

    def __init__(
        self,
        model: str,
        files: Mapping[str, FeatureRows],
        truth: GroundTruth,
        folder: Path,
        *,
        prob_normalization: Normalization = Normalization.L2,
        on_queries: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._model = model
        self._files = {name: files[name] for name in FEATURES if name in files}
        self._truth = truth
        self._folder = folder
        self._searched_by = INTERSECTION_OF[prob_normalization]
        self._on_queries = on_queries
        self._num_files = 0
        self.notes: list[str] = []

    def rows(self, options: RowOptions) -> Iterator[EvaluatedRow]:
        """The rows that the options ask for and that this network can have, one by one; ``notes`` tells of others."""
        for feature, rows in self._files.items():
            if options.features is not None and feature not in options.features:
                continue
            for metric in self._metrics(feature, every=options.every_metric):
                yield from self._with_expansions(feature, rows, metric, options.expand)
            for size in options.whiten if feature in WHITENABLE else ():
                whitened = self._whitened(feature, rows, size)
                if whitened is not None:
                    yield from self._with_expansions(f"{feature}, whitened", whitened, Metric.EUCLIDEAN, options.expand)
        for fusion in options.fuse:
            missing = [name for name in (fusion.feature, PROBABILITIES) if name not in self._files]
            if missing:
                self.notes.append(f"{self._model} is not fused: it has no {' and no '.join(missing)}.")
            else:
                yield self._fused(fusion)

    def _metrics(self, feature: str, *, every: bool) -> tuple[Metric, ...]:
        """The paper's metric for a feature and the one that searches rank by, or every one that the feature allows."""
        if feature != PROBABILITIES:
            return (Metric.EUCLIDEAN, Metric.COSINE) if every else (Metric.EUCLIDEAN,)
        if every:
            return Metric.INTERSECTION, Metric.INTERSECTION_L1, Metric.COSINE, Metric.DOT
        return tuple(dict.fromkeys((Metric.INTERSECTION, self._searched_by)))

    def _with_expansions(
        self, called: str, rows: FeatureRows, metric: Metric, expand: Sequence[int]
    ) -> Iterator[EvaluatedRow]:
        truth = self._truth
        queries, gallery = SelectedRows(rows, truth.query_ids), SelectedRows(rows, truth.gallery_ids)
        plain = self._row(called, rows.shape[1], METRIC_NAMES[metric], FeatureScoring(queries, gallery, metric))
        yield plain
        for asked in expand:
            num_hits = min(asked, plain.ranking.shape[1])
            expanded = self._expanded(queries, gallery, plain.ranking[:, :num_hits])
            yield self._row(
                f"{called}, expanded by {num_hits}",
                rows.shape[1],
                METRIC_NAMES[metric],
                FeatureScoring(expanded, gallery, metric),
            )

    def _row(self, feature: str, size: int, metric: str, scoring: Scoring) -> EvaluatedRow:
        truth = self._truth
        ranking = rank_blockwise(
            scoring, truth.query_ids, truth.gallery_ids, truth.num_ranks, on_queries=self._on_queries
        )
        return EvaluatedRow(self._model, feature, size, metric, truth.measure(ranking), ranking)

    def _new_file(self, size: int) -> FeatureFile:
        self._num_files += 1
        return FeatureFile(self._folder / f"derived-{self._num_files}.features", size)

    def _whitened(self, feature: str, rows: FeatureRows, size: int) -> FeatureRows | None:
        gallery = np.unique(self._truth.gallery_ids)
        sample = _sample(gallery, max(2, _SAMPLE_ELEMENTS // rows.shape[1]))
        try:
            whitening = fit_whitening(rows[sample], size)
        except ValueError as error:
            self.notes.append(f"{feature} of {self._model} is not whitened: {error}.")
            return None
        if whitening.size < size:
            self.notes.append(
                f"{feature} of {self._model} was whitened to {whitening.size} components, not {size}: "
                f"{len(sample)} gallery images of {rows.shape[1]} components tell no more."
            )
        file = self._new_file(whitening.size)
        for block in blocks(rows.shape[0], block_rows(rows.shape[1])):
            file.append(whitening.apply(rows[block]))
        return file

    def _expanded(self, queries: FeatureRows, gallery: FeatureRows, hits: Positions) -> FeatureRows:
        size = queries.shape[1]
        file = self._new_file(size)
        for block in blocks(len(hits), block_rows(size * (hits.shape[1] + 1))):
            found = gallery[hits[block].ravel()].reshape(-1, hits.shape[1], size)
            file.append(expand_queries(queries[block], found))
        return file

    def _fused(self, fusion: Fusion) -> EvaluatedRow:
        feature, prob = (self._both_sides(self._files[name]) for name in (fusion.feature, PROBABILITIES))
        first: Scoring = FeatureScoring(*feature, Metric.COSINE)
        second: Scoring = FeatureScoring(*prob, self._searched_by)
        if fusion.standardised:
            first, second = (StandardisedScoring(one, self._truth) for one in (first, second))
        way = "standardised per query" if fusion.standardised else "as they are"
        return self._row(
            f"{fusion.feature} + {fusion.weight:g} {PROBABILITIES}",
            feature[0].shape[1] + prob[0].shape[1],
            f"cosine + {METRIC_NAMES[self._searched_by]}, {way}",
            FusedScoring(first, second, fusion.weight),
        )

    def _both_sides(self, rows: FeatureRows) -> tuple[FeatureRows, FeatureRows]:
        return SelectedRows(rows, self._truth.query_ids), SelectedRows(rows, self._truth.gallery_ids)


class StandardisedScoring:
    """Another scoring's scores in standard deviations from each query's mean over the gallery.

    The query's own picture, which is as near as can be, does not count for mean and deviation.
    """

    def __init__(self, scoring: Scoring, truth: GroundTruth) -> None:
        self._scoring = scoring
        self.num_queries, self.num_gallery = scoring.num_queries, scoring.num_gallery
        self.rows_per_block = scoring.rows_per_block
        self._mean = np.zeros(self.num_queries)
        self._deviation = np.zeros(self.num_queries)
        for queries in blocks(self.num_queries, self.rows_per_block):
            ids = truth.query_ids[queries][:, np.newaxis]
            count = np.zeros(len(ids))
            total, squares = np.zeros(len(ids)), np.zeros(len(ids))
            for gallery in blocks(self.num_gallery, self.rows_per_block):
                others = truth.gallery_ids[gallery] != ids
                scores = np.where(others, scoring(queries, gallery).astype(np.float64), 0)
                count += np.count_nonzero(others, axis=1)
                total += scores.sum(axis=1)
                squares += np.square(scores).sum(axis=1)
            self._mean[queries] = total / count
            variance = squares / count - np.square(total / count)
            # Differences of equal sums leave rounding behind, which must not become a scale.
            self._deviation[queries] = np.sqrt(np.where(variance > 1e-12, variance, 0))

    def __call__(self, queries: slice, gallery: slice) -> FloatArray:
        return standardise(self._scoring(queries, gallery), self._mean[queries], self._deviation[queries])


@dataclass(frozen=True, slots=True)
class FusedScoring:
    """Weighted mean of two scorings of the same images."""

    first: Scoring
    second: Scoring
    weight: float

    @property
    def num_queries(self) -> int:
        return self.first.num_queries

    @property
    def num_gallery(self) -> int:
        return self.first.num_gallery

    @property
    def rows_per_block(self) -> int:
        return min(self.first.rows_per_block, self.second.rows_per_block)

    def __call__(self, queries: slice, gallery: slice) -> FloatArray:
        return fuse_scores(self.first(queries, gallery), self.second(queries, gallery), self.weight)


def with_first_results(row: EvaluatedRow) -> EvaluatedRow:
    """The row with as much of its ranking as result sheets show: whole ones add up over many rows."""
    return replace(row, ranking=row.ranking[:, :_KEPT_RANKS].copy())


def _sample(positions: NDArray[np.int64], at_most: int) -> Positions:
    """Evenly spaced ones, in order."""
    if len(positions) <= at_most:
        return positions.astype(np.intp)
    return positions[np.linspace(0, len(positions) - 1, at_most).astype(np.intp)].astype(np.intp)
