"""The vector engine's own answers to a data set's queries, so that what the index loses can be measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Point, VectorIndex
from catalog.services.galleries.gallery_layout import PROB, collection_name, collection_spec, point_vectors
from catalog.services.queries.search_filter import search_filter
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranking_modes import ranked_search
from catalog.types import SearchFilters, SearchMode, SearchOptions
from embeddings.evaluation.feature_rows import FeatureRows, Positions, SelectedRows, block_rows, blocks
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.ranking import num_own
from embeddings.normalization import normalize
from embeddings.similarity import l2_normalize

_MERCHANT = 1


class EngineRankings:
    """A data set's gallery in a vector index, laid out and searched as the product does it.

    Args:
        index: Where a collection is made; to be thrown away afterwards.
        model: The version whose features these are.
        visual, prob: Its features of every picture of the ground truth, raw or normalised.
        on_points: Told how many gallery images are stored.
    """

    def __init__(
        self,
        index: VectorIndex,
        model: ModelDescription,
        visual: FeatureRows,
        prob: FeatureRows,
        truth: GroundTruth,
        *,
        on_points: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._index = index
        self._model = model
        self._truth = truth
        self._queries = SelectedRows(visual, truth.query_ids), SelectedRows(prob, truth.query_ids)
        self._collection = collection_name(model.version)
        index.create_collection(self._collection, collection_spec(model))
        gallery = SelectedRows(visual, truth.gallery_ids), SelectedRows(prob, truth.gallery_ids)
        rows_per_block = block_rows(visual.shape[1] + 2 * prob.shape[1])
        for block in blocks(len(truth.gallery_ids), rows_per_block):
            features = {
                model.visual_feature: l2_normalize(gallery[0][block]),
                PROB: normalize(gallery[1][block], model.prob_normalization),
            }
            payload = {"merchant": str(_MERCHANT)}
            numbered = enumerate(point_vectors(model, features), start=block.start)
            index.upsert(self._collection, [Point(number, vectors, payload) for number, vectors in numbered])
            on_points(block.stop)
        index.optimize(self._collection)

    def rank(self, mode: SearchMode, *, on_queries: Callable[[int], None] = lambda _: None) -> Positions:
        """For each query the gallery positions that a search in this mode finds, its own picture left out.

        Returns:
            (n_q, ranks) with as many ranks as the ground truth looks at; fewer where the engine finds fewer.
        """
        truth = self._truth
        own = num_own(truth.query_ids, truth.gallery_ids)
        options = SearchOptions(mode=mode, limit=truth.num_ranks)
        anything = search_filter(_MERCHANT, SearchFilters())
        found: list[list[int]] = []
        visual, prob = self._queries
        for block in blocks(len(truth.query_ids), block_rows(visual.shape[1])):
            pairs = zip(
                l2_normalize(visual[block]), normalize(prob[block], self._model.prob_normalization), strict=True
            )
            for number, vectors in enumerate(pairs, start=block.start):
                query = QueryVectors(*vectors)
                search = ranked_search(self._index, self._collection, self._model, query, anything, options)
                # The query's own picture takes a place that would be another's.
                points = search.first(truth.num_ranks + int(own[number])).points
                others = [point.id for point in points if truth.gallery_ids[point.id] != truth.query_ids[number]]
                found.append(others[: truth.num_ranks])
            on_queries(block.stop)
        num_ranks = min(map(len, found))
        return np.array([ids[:num_ranks] for ids in found], dtype=np.intp).reshape(len(found), num_ranks)
