"""A search by a changed query: candidates from the index, ranked again by looks, likeness and the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, ScoredPoint, VectorQuery
from catalog.services.attribute_queries import ChangedQuery
from catalog.services.gallery_layout import HIST, PROB
from catalog.types import SearchMode, SearchOptions
from embeddings.similarity import lift_query


class ChangedRanking:
    """One search in the index's terms, and the index's answers in the order of ``ChangedQuery.scores``."""

    def __init__(self, model: ModelDescription, query: ChangedQuery, search: Filter, options: SearchOptions) -> None:
        self._model = model
        self._query = query
        self._filter = search
        self._options = options

    def candidates(self, limit: int) -> VectorQuery:
        """The first stage: by cosine of prob (``rerank``), or by histogram intersection (``native``)."""
        by_cosine = self._options.mode == SearchMode.RERANK
        query = self._query.for_candidates
        return VectorQuery(
            using=PROB if by_cosine else HIST,
            query=query if by_cosine else lift_query(query[np.newaxis])[0],
            limit=limit,
            filter=self._filter,
            exact=self._options.exact,
            with_vectors=(HIST, self._model.visual_feature),
        )

    def ranked(self, points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
        """The candidates with their final scores, best first, ties in the order of ids."""
        if not points:
            return []
        scores = self._query.scores(
            np.stack([point.vectors[self._model.visual_feature] for point in points]),
            np.stack([point.vectors[HIST][:-1] for point in points]),
        )
        threshold = self._options.score_threshold
        scored = [replace(point, score=float(score)) for point, score in zip(points, scores, strict=True)]
        kept = [point for point in scored if threshold is None or point.score >= threshold]
        return sorted(kept, key=lambda point: (-point.score, point.id))
