"""Searches that one query of the index answers: by looks, or by histogram intersection, over all or over candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Candidates, Filter, ScoredPoint, VectorIndex, VectorQuery
from catalog.services.galleries.gallery_layout import HIST, PROB, intersection_bound
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranked_search import RankedPoints, first_points
from catalog.types import SearchMode, SearchOptions
from embeddings.similarity import intersection_from_distance, lift_query

_BY_DISTANCE: Final[Callable[[ScoredPoint], tuple[float, int]]] = attrgetter("score", "id")


def _by_similarity(point: ScoredPoint) -> tuple[float, int]:
    return -point.score, point.id


class Ranking:
    """One search in the index's terms, and the index's answers in the search's terms."""

    def __init__(self, model: ModelDescription, query: QueryVectors, search: Filter, options: SearchOptions) -> None:
        self._model = model
        self._query = query
        self._filter = search
        self._options = options
        self._sum = float(query.prob.sum())
        self._bound = intersection_bound(model.feature_sizes[PROB])

    def query(self, limit: int) -> VectorQuery:
        """What to ask the index for the first ``limit`` results."""
        options = self._options
        threshold = options.score_threshold
        if options.mode == SearchMode.VISUAL:
            return VectorQuery(
                using=self._model.visual_feature,
                query=self._query.visual,
                limit=limit,
                filter=self._filter,
                exact=options.compares_all,
                score_threshold=threshold,
            )
        candidates = None
        if options.mode == SearchMode.RERANK:
            candidates = Candidates(PROB, self._query.prob, options.candidates)
        return VectorQuery(
            using=HIST,
            query=lift_query(self._query.prob[np.newaxis])[0],
            limit=limit,
            filter=self._filter,
            candidates=candidates,
            exact=options.compares_all,
            # HI = ½(Σa + S − d) ≥ t is d ≤ Σa + S − 2t.
            score_threshold=None if threshold is None else self._sum + self._bound - 2 * threshold,
        )

    @property
    def place(self) -> Callable[[ScoredPoint], tuple[float, int]]:
        """Smaller is earlier: the index's own order, with ties in the order of ids."""
        return _by_similarity if self._options.mode == SearchMode.VISUAL else _BY_DISTANCE

    def scored(self, points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
        """The same points with scores of which higher is nearer: cosine, or histogram intersection."""
        if self._options.mode == SearchMode.VISUAL:
            return list(points)
        distances = np.array([point.score for point in points], dtype=np.float64)
        scores: list[float] = intersection_from_distance(distances, self._sum, self._bound).tolist()
        return [
            ScoredPoint(point.id, score, point.payload, point.vectors)
            for point, score in zip(points, scores, strict=True)
        ]


class DirectSearch:
    """A ranking of a gallery."""

    def __init__(
        self,
        index: VectorIndex,
        collection: str,
        model: ModelDescription,
        query: QueryVectors,
        search: Filter,
        options: SearchOptions,
    ) -> None:
        self._index = index
        self._collection = collection
        self._options = options
        self._ranking = Ranking(model, query, search, options)
        self.prob: NDArray[np.float32] = query.prob
        self.ranked_by = (model.visual_feature,) if options.mode == SearchMode.VISUAL else (PROB,)
        self.ranks_all = options.mode != SearchMode.RERANK and options.score_threshold is None

    def first(self, num: int) -> RankedPoints:
        """The best points. Of candidates always all: they are one ranking, and how many they are is worth knowing."""
        if self._options.mode == SearchMode.RERANK:
            candidates = self._options.candidates
            points = sorted(self._ask(candidates), key=self._ranking.place)
            # Those that a threshold leaves out of the candidates hide how many there were.
            leaves_out = len(points) >= candidates or self._options.score_threshold is not None
            return RankedPoints(self._ranking.scored(points), are_all=True, leaves_out=leaves_out)
        found = first_points(self._ask, self._ranking.place, num)
        return replace(found, points=self._ranking.scored(found.points))

    def _ask(self, limit: int) -> list[ScoredPoint]:
        return self._index.search(self._collection, replace(self._ranking.query(limit), with_payload=False))


class UnrankedSearch:
    """Everything that passes a filter, in the order of ids, all with a score of 0: words that only filter."""

    ranked_by: tuple[str, ...] = ()

    def __init__(
        self, index: VectorIndex, collection: str, prob: NDArray[np.float32], search: Filter, options: SearchOptions
    ) -> None:
        self._index = index
        self._collection = collection
        self._filter = search
        self._threshold = options.score_threshold
        self.prob = prob
        self.ranks_all = options.score_threshold is None

    def first(self, num: int) -> RankedPoints:
        """The points of the lowest ids."""
        if self._threshold is not None and self._threshold > 0:
            return RankedPoints([], are_all=True)
        points = self._index.scroll(self._collection, self._filter, limit=num + 1)
        return RankedPoints(
            [ScoredPoint(point.id, 0.0, point.payload, {}) for point in points], are_all=len(points) <= num
        )
