"""A search by a changed query: candidates from the index, ranked again by looks, likeness and the change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, ScoredPoint, VectorIndex, VectorQuery
from catalog.services.attribute_queries import ChangedQuery
from catalog.services.gallery_layout import HIST, PROB
from catalog.services.ranked_search import RankedPoints
from catalog.types import SearchMode, SearchOptions
from embeddings.similarity import lift_query

MIN_CANDIDATES: Final = 200
"""Below that, too few of the candidates have what is wanted."""

MOST_CANDIDATES: Final = 1_000
"""Their vectors come out of the index with them: 10,000 of 2,400 numbers take 340 MB and 1.3 s of a core, 1,000 of them
10 MB and 0.1 s."""


class ChangedSearch:
    """Candidates in the order of ``ChangedQuery.scores``.

    As many as the options say, within bounds, on every page: more of them for later pages would be another ranking.
    """

    ranks_all = False

    def __init__(
        self,
        index: VectorIndex,
        collection: str,
        model: ModelDescription,
        query: ChangedQuery,
        search: Filter,
        options: SearchOptions,
    ) -> None:
        self._index = index
        self._collection = collection
        self._model = model
        self._query = query
        self._filter = search
        self._options = options
        self.ranked_by = (model.visual_feature, PROB)

    @property
    def prob(self) -> NDArray[np.float32]:
        """With the attributes as they are wanted."""
        return self._query.changed

    def first(self, num: int) -> RankedPoints:  # noqa: ARG002 - the candidates decide, however few are wanted.
        """All that the candidates allow."""
        limit = min(max(self._options.candidates, MIN_CANDIDATES), MOST_CANDIDATES)
        points = self._index.search(self._collection, self._candidates(limit))
        return RankedPoints(self._ranked(points), are_all=True, leaves_out=len(points) >= limit)

    def _candidates(self, limit: int) -> VectorQuery:
        """The first stage: by cosine of prob (``rerank``), else by histogram intersection."""
        by_cosine = self._options.mode == SearchMode.RERANK
        query = self._query.for_candidates
        return VectorQuery(
            using=PROB if by_cosine else HIST,
            query=query if by_cosine else lift_query(query[np.newaxis])[0],
            limit=limit,
            filter=self._filter,
            exact=self._options.compares_all,
            with_vectors=(HIST, self._model.visual_feature),
            with_payload=False,
        )

    def _ranked(self, points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
        """The candidates with their final scores, best first, ties in the order of ids."""
        if not points:
            return []
        scores = self._query.scores(
            np.stack([point.vectors[self._model.visual_feature] for point in points]),
            np.stack([point.vectors[HIST][:-1] for point in points]),
        )
        threshold = self._options.score_threshold
        scored = [point._replace(score=float(score), vectors={}) for point, score in zip(points, scores, strict=True)]
        kept = [point for point in scored if threshold is None or point.score >= threshold]
        return sorted(kept, key=lambda point: (-point.score, point.id))
