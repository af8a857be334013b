"""A search by looks and attributes at once: the nearest by either, in the order of both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, HasId, ScoredPoint, VectorIndex
from catalog.services.galleries.gallery_layout import PROB
from catalog.services.searching.direct_search import Ranking
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranked_search import RankedPoints
from catalog.types import SearchMode, SearchOptions
from embeddings.postprocessing.score_fusion import fuse_scores

PROB_WEIGHT: Final = 0.6
"""Of the attributes, beside 1 − 0.6 for the looks.

Of 400 rendered items among 1,500, IoU of all attributes at 1, 5 and 10: .415, .356, .327; of looks alone .383, .325,
.299; of attributes alone .410, .358, .327. At 0.5 it is .411, .354, .324, at 0.7 .410, .357, .328. Scores standardised
per query gain nothing, .412, .355, .324, and those of different searches could not be compared.
"""


class FusedSearch:
    """(1 − w) · cosine of the looks + w · share of the query's attributes that a hit has in common, Σ min(a, b) / Σa.

    Either is 1 of what is the same as the query, so the scale is that of no other hit. Ranked are the candidates that
    are nearest by looks and those that are nearest by attributes, as many as the options say of each.
    """

    ranks_all = False

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
        self._model = model
        self._query = query
        self._filter = search
        self._options = options
        self.prob: NDArray[np.float32] = query.prob
        self.ranked_by = (model.visual_feature, PROB)

    def first(self, num: int) -> RankedPoints:  # noqa: ARG002 - the candidates decide, however few are wanted.
        """All that the candidates allow."""
        by_looks, by_attributes = self._nearest(SearchMode.VISUAL), self._nearest(SearchMode.NATIVE)
        candidates = self._options.candidates
        # No threshold cuts these, so that fewer than were asked for are all there are.
        leaves_out = max(len(by_looks), len(by_attributes)) >= candidates
        points = by_looks | by_attributes
        looks = by_looks | self._scored(SearchMode.VISUAL, points.keys() - by_looks.keys())
        attributes = by_attributes | self._scored(SearchMode.NATIVE, points.keys() - by_attributes.keys())
        # What was deleted between the questions is in one of the answers alone.
        ids = sorted(looks.keys() & attributes.keys())
        scores = fuse_scores(
            np.array([looks[id].score for id in ids], dtype=np.float32),
            np.array([attributes[id].score for id in ids], dtype=np.float32) / self._query.prob.sum(),
            PROB_WEIGHT,
        )
        ranked = [points[id]._replace(score=float(score)) for id, score in zip(ids, scores, strict=True)]
        threshold = self._options.score_threshold
        kept = [point for point in ranked if threshold is None or point.score >= threshold]
        return RankedPoints(sorted(kept, key=lambda point: (-point.score, point.id)), True, leaves_out)

    def _nearest(self, mode: SearchMode) -> dict[int, ScoredPoint]:
        options = replace(self._options, mode=mode, exact=self._options.compares_all, score_threshold=None)
        return self._asked(Ranking(self._model, self._query, self._filter, options), options.candidates)

    def _scored(self, mode: SearchMode, ids: Collection[int]) -> dict[int, ScoredPoint]:
        if not ids:
            return {}
        options = replace(self._options, mode=mode, exact=True, score_threshold=None)
        these = Filter(must=(HasId(tuple(ids)),))
        return self._asked(Ranking(self._model, self._query, these, options), len(ids))

    def _asked(self, ranking: Ranking, limit: int) -> dict[int, ScoredPoint]:
        points = self._index.search(self._collection, replace(ranking.query(limit), with_payload=False))
        return {point.id: point for point in ranking.scored(points)}
