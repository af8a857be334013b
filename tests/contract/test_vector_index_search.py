"""Ranking, filters, counts, facets and paging: every vector index answers as NumPy does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.errors import GalleryNotFound, InvalidRequest
from catalog.ports.vector_index import Candidates, Filter, HasId, IsEmpty, Match, Range, VectorQuery

SIZES = {"pool": 16, "prob": 6, "hist": 7}


def query_vector(name: str, seed: int = 0) -> np.ndarray:
    vector = np.random.default_rng(seed).random(SIZES[name]).astype(np.float32)
    vector.setflags(write=False)
    return vector


FILTERS = {
    "match one": Filter(must=(Match("category", ("Dress",)),)),
    "match any": Filter(must=(Match("category", ("Dress", "Shirt", "Hat")),)),
    "match none": Filter(must=(Match("category", ("Hat",)),)),
    "match no values": Filter(must=(Match("category", ()),)),
    "match in a list": Filter(must=(Match("attributes", ("color=red",)),)),
    "match any in a list": Filter(must=(Match("attributes", ("color=red", "color=blue")),)),
    "match all in a list": Filter(must=(Match("attributes", ("color=red",)), Match("attributes", ("color=blue",)))),
    "match a number": Filter(must=(Match("revision", (2,)),)),
    "match any number": Filter(must=(Match("revision", (0, 4)),)),
    "match text or number": Filter(must=(Match("revision", (0, "zero")),)),
    "match tenant": Filter(must=(Match("merchant", ("shop-1",)),)),
    "range closed": Filter(must=(Range("price", 5.0, 12.5),)),
    "range of a point": Filter(must=(Range("price", 10.0, 10.0),)),
    "range from": Filter(must=(Range("price", at_least=15.0),)),
    "range to": Filter(must=(Range("price", at_most=4.5),)),
    "range open": Filter(must=(Range("price"),)),
    "range of integers": Filter(must=(Range("revision", 1, 2.5),)),
    "range inverted": Filter(must=(Range("price", 9.0, 3.0),)),
    "has id": Filter(must=(HasId((3, 9, 12, 4, 1000)),)),
    "has no id": Filter(must=(HasId(()),)),
    "has an impossible id": Filter(must=(HasId((-1, 3)),)),
    "is empty": Filter(must=(IsEmpty("attributes"),)),
    "is empty or null": Filter(must=(IsEmpty("category"),)),
    "is empty everywhere": Filter(must=(IsEmpty("material"),)),
    "should": Filter(should=(Match("category", ("Dress",)), Range("price", at_most=3.0))),
    "must not": Filter(must_not=(Match("category", ("Dress",)), Match("attributes", ("color=red",)))),
    "must not be empty": Filter(must_not=(IsEmpty("price"),)),
    "all three": Filter(
        must=(Match("merchant", ("shop-0",)), Range("price", at_least=2.0)),
        should=(Match("attributes", ("color=green",)), Match("category", ("Shirt",)), HasId((6, 9))),
        must_not=(Match("revision", (3,)), IsEmpty("attributes")),
    ),
    "nothing asked": Filter(),
}


@pytest.mark.parametrize("asked", FILTERS.values(), ids=FILTERS.keys())
def test_filters_count_and_scroll_what_they_describe(filled, asked):
    """A filter selects the same points for counting and for reading, namely those that it describes."""
    expected = filled.reference.scroll(filled.name, asked)
    assert filled.index.count(filled.name, asked) == len(expected)
    found = filled.index.scroll(filled.name, asked)
    assert [(point.id, dict(point.payload)) for point in found] == [(p.id, dict(p.payload)) for p in expected]


@pytest.mark.parametrize("exact", [False, True], ids=["approximate", "exact"])
@pytest.mark.parametrize("using", ["pool", "prob", "hist"])
@pytest.mark.parametrize("asked", FILTERS.values(), ids=FILTERS.keys())
def test_filtered_search_ranks_what_the_filter_leaves(filled, asked, using, exact, assert_same_ranking, tolerances):
    """Every named vector ranks by its own distance, within the filter; scores are that distance."""
    query = VectorQuery(using, query_vector(using), limit=20, filter=asked, exact=exact)
    assert_same_ranking(
        filled.index.search(filled.name, query), filled.reference.search(filled.name, query), tolerances[using]
    )


def test_filters_tell_points_apart(filled):
    """The battery above means something: most filters select some points and leave some."""
    counts = {name: filled.reference.count(filled.name, asked) for name, asked in FILTERS.items()}
    assert sum(0 < count < len(filled.ids) for count in counts.values()) >= 20, counts


@pytest.mark.parametrize("using", ["pool", "prob", "hist"])
def test_search_by_a_stored_point_leaves_that_point_out(filled, using, assert_same_ranking, tolerances):
    """The stored vector is asked with, and the point itself, which would be nearest, is never a result."""
    point_id = filled.ids[10]
    query = VectorQuery(using, point_id, limit=200, exact=True)
    found = filled.index.search(filled.name, query)
    assert {hit.id for hit in found} == set(filled.ids) - {point_id}
    assert_same_ranking(found, filled.reference.search(filled.name, query), tolerances[using])


def test_search_by_a_point_outside_the_filter(filled, assert_same_ranking):
    """The filter is for results; the point that is asked with need not pass it."""
    red = Filter(must=(Match("attributes", ("color=red",)),))
    outside = filled.reference.scroll(filled.name, Filter(must_not=red.must))[0].id
    query = VectorQuery("prob", outside, limit=200, filter=red, exact=True)
    assert_same_ranking(filled.index.search(filled.name, query), filled.reference.search(filled.name, query))


@pytest.mark.parametrize("exact", [False, True], ids=["approximate", "exact"])
@pytest.mark.parametrize("limit", [1, 5, 20, 500])
def test_candidates_limit_what_is_ranked(filled, limit, exact, assert_same_ranking):
    """Only the first stage's nearest are ranked, by the second vector; more candidates than points are all of them."""
    query = VectorQuery(
        "hist",
        query_vector("hist"),
        limit=10,
        candidates=Candidates("prob", query_vector("prob"), limit),
        exact=exact,
    )
    found = filled.index.search(filled.name, query)
    assert len(found) == min(limit, 10)
    assert_same_ranking(found, filled.reference.search(filled.name, query))


def test_candidates_obey_the_filter_before_their_limit(filled, assert_same_ranking):
    """The first stage takes its nearest among those that pass, not those that pass among its nearest."""
    rare = Filter(must=(Match("revision", (2,)), Match("attributes", ("color=red",))))
    query = VectorQuery(
        "hist", query_vector("hist"), limit=3, candidates=Candidates("prob", query_vector("prob"), 3), filter=rare
    )
    assert filled.reference.count(filled.name, rare) >= 3
    found = filled.index.search(filled.name, query)
    assert len(found) == 3
    assert_same_ranking(found, filled.reference.search(filled.name, query))


def test_candidates_by_stored_points_leave_those_points_out(filled, assert_same_ranking):
    """Points that either stage asks with are results of neither, even where the stages ask with different ones."""
    first, second = filled.ids[4], filled.ids[5]
    query = VectorQuery("hist", first, limit=100, candidates=Candidates("prob", second, 30), exact=True)
    found = filled.index.search(filled.name, query)
    assert not {first, second} & {hit.id for hit in found}
    assert len(found) == 30
    assert_same_ranking(found, filled.reference.search(filled.name, query))


@pytest.mark.parametrize("candidates", [None, Candidates("prob", query_vector("prob"), 43)], ids=["one", "two stages"])
@pytest.mark.parametrize("using", ["pool", "prob", "hist"])
def test_pages_partition_the_ranking(filled, using, candidates):
    """Pages of 7 put together are the whole ranking: no result twice, none left out, the last page short, then none."""
    whole = filled.index.search(filled.name, VectorQuery(using, query_vector(using), limit=200, candidates=candidates))
    pages = [
        filled.index.search(
            filled.name, VectorQuery(using, query_vector(using), limit=7, offset=offset, candidates=candidates)
        )
        for offset in range(0, 70, 7)
    ]
    assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]
    # 60 points or 43 candidates: 60 = 8·7 + 4 and 43 = 6·7 + 1, so the tenth page is beyond the end of both.
    assert len(whole) == (60 if candidates is None else 43)
    assert pages[9] == []


@pytest.mark.parametrize("using", ["pool", "prob", "hist"])
def test_score_threshold_cuts_the_far_end(filled, using, assert_same_ranking, tolerances):
    """Lower similarities, or larger distances, are left out; the nearer part of the ranking stays as it was."""
    whole = filled.reference.search(filled.name, VectorQuery(using, query_vector(using), limit=200))
    # Halfway between two neighbours, so that rounding decides nothing.
    threshold = (whole[24].score + whole[25].score) / 2
    assert abs(whole[24].score - whole[25].score) > tolerances[using]
    query = VectorQuery(using, query_vector(using), limit=200, score_threshold=threshold, exact=True)
    found = filled.index.search(filled.name, query)
    assert len(found) == 25
    assert_same_ranking(found, whole[:25], tolerances[using])


def test_score_threshold_of_a_two_stage_search_is_for_its_ranking(filled, assert_same_ranking):
    """The threshold is a distance of the vector that ranks, not a similarity of the one that chose the candidates."""
    query = VectorQuery("hist", query_vector("hist"), limit=50, candidates=Candidates("prob", query_vector("prob"), 30))
    whole = filled.reference.search(filled.name, query)
    threshold = (whole[9].score + whole[10].score) / 2
    query = VectorQuery(
        "hist", query.query, limit=50, candidates=query.candidates, score_threshold=threshold, exact=True
    )
    found = filled.index.search(filled.name, query)
    assert len(found) == 10
    assert_same_ranking(found, whole[:10])


@pytest.mark.parametrize("names", [(), ("hist",), ("prob", "pool", "hist")])
def test_search_returns_the_vectors_that_are_named(filled, names, tolerances):
    """Asked-for vectors come back as float32 arrays, cosine ones at length 1; others do not come back."""
    query = VectorQuery("prob", query_vector("prob"), limit=3, with_vectors=names)
    found, expected = filled.index.search(filled.name, query), filled.reference.search(filled.name, query)
    for hit, wanted in zip(found, expected, strict=True):
        assert set(hit.vectors) == set(names)
        for name in names:
            assert hit.vectors[name].dtype == np.float32
            np.testing.assert_allclose(hit.vectors[name], wanted.vectors[name], atol=tolerances[name])


def test_search_returns_payloads_unless_they_are_not_wanted(filled):
    """Without payloads the same points come back, each with an empty one."""
    query = VectorQuery("prob", query_vector("prob"), limit=3)
    found = filled.index.search(filled.name, query)
    assert all("merchant" in hit.payload for hit in found)
    bare = filled.index.search(filled.name, replace(query, with_payload=False))
    assert [(hit.id, hit.payload) for hit in bare] == [(hit.id, {}) for hit in found]


@pytest.mark.parametrize("field", ["merchant", "category", "attributes"])
@pytest.mark.parametrize("asked", [None, *FILTERS.values()], ids=["no filter", *FILTERS.keys()])
def test_facets_count_each_value_among_the_matching(filled, field, asked):
    """Most frequent first, then by value; missing, null and empty count for nothing; values of no point are absent."""
    assert filled.index.facet(filled.name, field, asked) == filled.reference.facet(filled.name, field, asked)


def test_facets_stop_at_their_limit(filled):
    """The limit keeps the most frequent values."""
    assert filled.index.facet(filled.name, "attributes", limit=2) == filled.reference.facet(
        filled.name, "attributes", limit=2
    )


def test_scrolling_in_steps_reads_every_point_once(filled):
    """Each step continues after the last id of the step before, in ascending order, until nothing is left."""
    read: list[int] = []
    after = None
    while step := filled.index.scroll(filled.name, limit=7, after=after):
        read += [point.id for point in step]
        after = step[-1].id
    assert read == list(filled.ids)
    assert filled.index.scroll(filled.name, limit=7, after=-1)[0].id == filled.ids[0]


def test_a_zero_query_is_as_near_to_everything(filled):
    """A zero vector has cosine 0 with every point, and its Manhattan distance is each point's own sum."""
    hits = filled.index.search(filled.name, VectorQuery("prob", np.zeros(6, np.float32), limit=100, exact=True))
    assert [hit.score for hit in hits] == [0.0] * 60


@pytest.mark.parametrize(
    ("query", "about"),
    [
        (VectorQuery("prob", query_vector("prob"), limit=0), "limit"),
        (VectorQuery("prob", query_vector("prob"), limit=-1), "limit"),
        (VectorQuery("prob", query_vector("prob"), limit=1, offset=-1), "offset"),
        (VectorQuery("prob", query_vector("hist"), limit=1), "shape"),
        (VectorQuery("prob", np.ones((1, 6), np.float32), limit=1), "shape"),
        (VectorQuery("prob", np.full(6, np.nan, np.float32), limit=1), "NaN"),
        (VectorQuery("nose", query_vector("prob"), limit=1), "nose"),
        (VectorQuery("prob", query_vector("prob"), limit=1, with_vectors=("nose",)), "nose"),
        (VectorQuery("prob", 4, limit=1), "point 4"),
        (VectorQuery("prob", -3, limit=1), "-3"),
        (
            VectorQuery("prob", query_vector("prob"), limit=1, candidates=Candidates("hist", query_vector("hist"), 0)),
            "candidates",
        ),
        (VectorQuery("prob", query_vector("prob"), limit=1, candidates=Candidates("hist", 4, 5)), "point 4"),
    ],
)
def test_searches_without_a_meaning_are_refused(filled, query, about):
    """The error says what cannot be, before the engine is asked, and in the same words by every index."""
    with pytest.raises(InvalidRequest, match=about):
        filled.index.search(filled.name, query)


def test_other_requests_without_a_meaning_are_refused(filled):
    """Facets of fields that are no keywords, and limits of nothing."""
    with pytest.raises(InvalidRequest, match="keyword"):
        filled.index.facet(filled.name, "price")
    with pytest.raises(InvalidRequest, match="facet"):
        filled.index.facet(filled.name, "category", limit=0)
    with pytest.raises(InvalidRequest, match="scroll"):
        filled.index.scroll(filled.name, limit=0)
    with pytest.raises(InvalidRequest, match="nose"):
        filled.index.retrieve(filled.name, [3], with_vectors=("nose",))


def test_an_empty_collection_answers_with_nothing(index, empty):
    """Before the first upsert every question has an empty answer, not an error."""
    assert index.search(empty, VectorQuery("prob", query_vector("prob"), limit=5)) == []
    two_stages = VectorQuery(
        "hist", query_vector("hist"), limit=5, candidates=Candidates("prob", query_vector("prob"), 50)
    )
    assert index.search(empty, two_stages) == []
    assert index.count(empty) == 0
    assert index.facet(empty, "category") == []
    assert index.scroll(empty) == []
    assert index.retrieve(empty, [1, 2]) == []
    index.optimize(empty)


def test_a_collection_that_is_not_there_is_named(index):
    """Every method that needs the collection says which one is missing."""
    for ask in (
        lambda: index.search("nowhere", VectorQuery("prob", query_vector("prob"), limit=1)),
        lambda: index.upsert("nowhere", []),
        lambda: index.replace_payloads("nowhere", {1: {}}),
        lambda: index.delete("nowhere", [1]),
        lambda: index.retrieve("nowhere", [1]),
        lambda: index.count("nowhere"),
        lambda: index.facet("nowhere", "category"),
        lambda: index.scroll("nowhere"),
        lambda: index.optimize("nowhere"),
    ):
        with pytest.raises(GalleryNotFound, match="nowhere"):
            ask()
