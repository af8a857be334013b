"""A search by a changed query: candidates from the index, ranked again by looks, likeness and the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, Match, Payload, ScoredPoint, Vector, VectorIndex, VectorQuery
from catalog.services.galleries.gallery_layout import HIST, PROB
from catalog.services.searching.ranked_search import RankedPoints
from catalog.types import SearchMode, SearchOptions
from embeddings.similarity import lift_query

MIN_CANDIDATES: Final = 200
"""Below that, too few of the candidates have what is wanted."""

MOST_CANDIDATES: Final = 1_000
"""Their vectors come out of the index with them: 10,000 of 2,400 numbers take 340 MB and 1.3 s of a core, 1,000 of them
10 MB and 0.1 s."""

TOLD_SHARE: Final = 8
"""For so many candidates there is one more of those whose feed says that they have what is wanted.

Among 3,000 and 6,000 rendered items, one for four gives the same figures; each takes time to come out of the index.
"""


class AttributeQuery(Protocol):
    """What is asked for, and how near candidates are to it: ``ChangedQuery``, or ``WordsQuery``."""

    @property
    def has_looks(self) -> bool:
        """Whether the visual feature counts."""

    @property
    def changed(self) -> NDArray[np.float32]:
        """(K,): prob with the attributes as they are wanted."""

    @property
    def rest(self) -> NDArray[np.float32]:
        """(K,): prob of all else that a hit shall have; 0 at what is wanted."""

    @property
    def for_candidates(self) -> NDArray[np.float32]:
        """(K,) to search candidates with."""

    @property
    def each_wanted(self) -> list[tuple[str, ...]]:
        """Of each a hit shall have one."""

    def scores(
        self, visual: NDArray[np.float32], prob: NDArray[np.float32], said: Sequence[Sequence[str]]
    ) -> NDArray[np.float32]:
        """(n,): higher is nearer, of (n, V), (n, K) and the attributes of the products' feeds."""


class ChangedSearch:
    """Candidates in the order of the query's scores: the nearest, and the nearest in all else of those whose feed
    says that they have what is wanted.

    As many as the options say, and an eighth more of the latter (as many again where words are all there is), within
    bounds, on every page: more of them for later pages would be another ranking.
    """

    ranks_all = False

    def __init__(
        self,
        index: VectorIndex,
        collection: str,
        model: ModelDescription,
        query: AttributeQuery,
        search: Filter,
        options: SearchOptions,
    ) -> None:
        self._index = index
        self._collection = collection
        self._model = model
        self._query = query
        self._filter = search
        self._options = options
        self._features = (HIST, model.visual_feature) if query.has_looks else (HIST,)
        self.ranked_by = (model.visual_feature, PROB) if query.has_looks else (PROB,)

    @property
    def prob(self) -> NDArray[np.float32]:
        """With the attributes as they are wanted."""
        return self._query.changed

    def first(self, num: int) -> RankedPoints:  # noqa: ARG002 - the candidates decide, however few are wanted.
        """All that the candidates allow."""
        limit = min(max(self._options.candidates, MIN_CANDIDATES), MOST_CANDIDATES)
        points = list(self._nearest(self._query.for_candidates, limit, self._filter, self._features))
        leaves_out = len(points) >= limit
        if leaves_out and self._query.each_wanted:
            told = (Match("attributes", names) for names in self._query.each_wanted)
            search = replace(self._filter, must=(*self._filter.must, *told))
            # Where nothing stays but what is wanted, there is no direction to search in but that.
            query = self._query.rest if self._query.rest.any() else self._query.for_candidates
            found = {point.id for point in points}
            # Most are among the nearest already, and only the vectors of the others have to come out.
            num_told = limit // TOLD_SHARE if self._query.has_looks else limit
            more = [point.id for point in self._nearest(query, num_told, search) if point.id not in found]
            if more:
                stored = self._index.retrieve(self._collection, more, self._features)
                points += [ScoredPoint(point.id, 0.0, point.payload, point.vectors) for point in stored]
        return RankedPoints(self._ranked(points), are_all=True, leaves_out=leaves_out)

    def _nearest(
        self, query: Vector, limit: int, search: Filter, features: tuple[str, ...] = ()
    ) -> Sequence[ScoredPoint]:
        """Candidates by cosine of prob (``rerank``), else by histogram intersection.

        Args:
            features: What comes with them, and then what their feed says; else their ids alone.
        """
        by_cosine = self._options.mode == SearchMode.RERANK
        candidates = VectorQuery(
            using=PROB if by_cosine else HIST,
            query=query if by_cosine else lift_query(query[np.newaxis])[0],
            limit=limit,
            filter=search,
            exact=self._options.compares_all,
            with_vectors=features,
            with_payload=bool(features),
        )
        return self._index.search(self._collection, candidates)

    def _ranked(self, points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
        """The candidates with their final scores, best first, ties in the order of ids."""
        if not points:
            return []
        prob = np.stack([point.vectors[HIST][:-1] for point in points])
        visual = np.zeros((len(points), 0), dtype=np.float32)
        if self._query.has_looks:
            visual = np.stack([point.vectors[self._model.visual_feature] for point in points])
        scores = self._query.scores(visual, prob, [told_attributes(point.payload) for point in points])
        threshold = self._options.score_threshold
        scored = [
            point._replace(score=float(score), vectors={}, payload={})
            for point, score in zip(points, scores, strict=True)
        ]
        kept = [point for point in scored if threshold is None or point.score >= threshold]
        return sorted(kept, key=lambda point: (-point.score, point.id))


def told_attributes(payload: Payload) -> tuple[str, ...]:
    """The attributes of a product's feed, as its points carry them."""
    said = payload.get("attributes")
    return tuple(map(str, said)) if isinstance(said, (list, tuple)) else ()
