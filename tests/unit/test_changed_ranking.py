"""Searches by changed queries: which candidates they take, and how many."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.ports.vector_index import Filter, Match, ScoredPoint, StoredPoint
from catalog.services.queries.attribute_queries import ChangedQuery
from catalog.services.searching.changed_ranking import ChangedSearch
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


class Catalog:
    """Points 0 to 299 alike in all the network sees; what their feeds say, by id, filters and comes with them."""

    def __init__(self, said):
        self.said = said
        self.asked = []

    def search(self, _collection, query):
        self.asked.append(query)
        wanted = [match.values for match in query.filter.must]
        sizes = {"pool": MODEL.feature_sizes["pool"], "hist": MODEL.feature_sizes["prob"] + 1}
        ones = {name: np.ones(sizes[name], dtype=np.float32) for name in query.with_vectors}
        said = ((id, self.said.get(id, [])) for id in range(300))
        passing = [(id, names) for id, names in said if all(set(values) & set(names) for values in wanted)]
        return [ScoredPoint(id, 0.0, {"attributes": names}, ones) for id, names in passing[: query.limit]]

    def retrieve(self, _collection, ids, with_vectors):
        sizes = {"pool": MODEL.feature_sizes["pool"], "hist": MODEL.feature_sizes["prob"] + 1}
        ones = {name: np.ones(sizes[name], dtype=np.float32) for name in with_vectors}
        return [StoredPoint(id, {"attributes": self.said.get(id, [])}, ones) for id in ids]


def test_what_feeds_say_is_wanted_comes_first_from_beyond_the_nearest():
    """Point 250 is not of the nearest 200, but said to be blue; 3, said to be red, comes behind those not said of.

    So it is on every page, whose parts are of one order: all 200 and the one beyond.
    """
    index = Catalog({3: ["color=red"], 7: ["color=blue"], 250: ["color=blue", "fabric=lace"]})
    visual, prob = (np.ones(MODEL.feature_sizes[name], dtype=np.float32) for name in ("pool", "prob"))
    changes = AttributeChanges(("color=blue",))
    query = ChangedQuery(visual, prob, changes, MODEL.taxonomy, fashion_vocabulary(), MODEL.prob_normalization)
    search = ChangedSearch(index, "c", MODEL, query, Filter(), SearchOptions())
    ids = [point.id for point in search.first(10).points]
    assert ids[:3] == [7, 250, 0]
    assert (ids[-1], len(ids), len(set(ids))) == (3, 201, 201)
    assert [point.id for point in search.first(201).points] == ids
    # Of the 300 only those that are said to be blue are asked for a second time.
    assert [one.filter.must for one in index.asked[:2]] == [(), (Match("attributes", ("color=blue",)),)]
