"""Searches by changed queries: how many candidates they take."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.ports.vector_index import Filter, ScoredPoint
from catalog.services.attribute_queries import ChangedQuery
from catalog.services.changed_ranking import ChangedSearch
from catalog.types import AttributeChanges, SearchOptions
from tests.fakes import ColorModels

MODEL = ColorModels().describe("colors-1")


class EverythingAlike:
    """As many points as are asked for, up to 1,200, each with a vector of ones."""

    def search(self, _collection, query):
        sizes = {"pool": MODEL.feature_sizes["pool"], "hist": MODEL.feature_sizes["prob"] + 1}
        ones = {name: np.ones(sizes[name], dtype=np.float32) for name in query.with_vectors}
        return [ScoredPoint(id, 0.0, {}, ones) for id in range(min(query.limit, 1_200))]


@pytest.mark.parametrize(("wanted", "taken"), [(1, 200), (300, 300), (1_000, 1_000), (10_000, 1_000)])
def test_candidates_are_bounded_both_ways(wanted, taken):
    """Fewer have too little of what is wanted; of more, the vectors would take the memory of the process."""
    visual, prob = (np.ones(MODEL.feature_sizes[name], dtype=np.float32) for name in ("pool", "prob"))
    changes = AttributeChanges(("color=blue",))
    query = ChangedQuery(visual, prob, changes, MODEL.taxonomy, fashion_vocabulary(), MODEL.prob_normalization)
    search = ChangedSearch(EverythingAlike(), "c", MODEL, query, Filter(), SearchOptions(candidates=wanted))
    ranking = search.first(10)
    assert (len(ranking.points), ranking.leaves_out) == (taken, True)
