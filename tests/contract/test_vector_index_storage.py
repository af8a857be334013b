"""Collections and points come, change and go as promised, and are still there when the index is opened again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.errors import GalleryNotFound, IndexUnavailable, InvalidRequest
from catalog.ports.vector_index import (
    CollectionSpec,
    Distance,
    FieldType,
    Filter,
    Match,
    Point,
    VectorQuery,
    VectorSpec,
)


def test_a_new_point_replaces_the_whole_point_of_its_id(index, empty, make_points):
    """Nothing of the old point stays: neither vectors nor payload fields that the new one lacks."""
    old, new = make_points(1, [5])[0], make_points(2, [5])[0]
    index.upsert(empty, [replace(old, payload={"merchant": "old", "category": "Dress"})])
    index.upsert(empty, [replace(new, payload={"merchant": "new"})])
    (stored,) = index.retrieve(empty, [5], with_vectors=("hist",))
    assert dict(stored.payload) == {"merchant": "new"}
    np.testing.assert_array_equal(stored.vectors["hist"], new.vectors["hist"])
    assert index.count(empty) == 1
    assert index.count(empty, Filter(must=(Match("merchant", ("old",)),))) == 0


def test_the_last_of_several_points_of_one_id_wins(index, empty, make_points):
    """Within one call, too, a later point replaces an earlier one."""
    first, second = make_points(1, [5])[0], make_points(2, [5])[0]
    index.upsert(empty, [first, second])
    (stored,) = index.retrieve(empty, [5], with_vectors=("hist",))
    np.testing.assert_array_equal(stored.vectors["hist"], second.vectors["hist"])


def test_upserting_again_changes_nothing(index, empty, make_points):
    """The same points a second time give the same collection: repeating a write after a failure is safe."""
    points = make_points(3, range(20))
    index.upsert(empty, points)
    before = index.scroll(empty), index.search(empty, VectorQuery("hist", 4, limit=20))
    index.upsert(empty, points)
    assert (index.scroll(empty), index.search(empty, VectorQuery("hist", 4, limit=20))) == before


def test_payload_values_come_back_as_they_were(index, empty, make_points):
    """Text in any script, long integers, fractions, booleans, lists, null: JSON both ways, tuples as lists."""
    payload = {
        "merchant": "läden & søn 株式会社",
        "revision": 2**53 + 1,
        "price": 0.1,
        "available": True,
        "attributes": ("color=red", 'it\'s "quoted"'),
        "category": None,
        "empty": [],
    }
    index.upsert(empty, [replace(make_points(1, [7])[0], payload=payload)])
    (stored,) = index.retrieve(empty, [7])
    assert dict(stored.payload) == {**payload, "attributes": ["color=red", 'it\'s "quoted"']}
    assert stored.payload["available"] is True


def test_vectors_come_back_as_they_were_stored(index, empty, make_points):
    """Manhattan vectors exactly; cosine vectors at length 1, exactly to float32 or to float16 as their spec says."""
    (point,) = make_points(4, [7])
    index.upsert(empty, [point])
    (stored,) = index.retrieve(empty, [7], with_vectors=("pool", "prob", "hist"))
    np.testing.assert_array_equal(stored.vectors["hist"], point.vectors["hist"])
    unit = {name: vector / np.linalg.norm(vector) for name, vector in point.vectors.items()}
    np.testing.assert_allclose(stored.vectors["prob"], unit["prob"], rtol=1e-6)
    np.testing.assert_allclose(stored.vectors["pool"], unit["pool"], rtol=2**-11, atol=2**-24)
    assert index.retrieve(empty, [7])[0].vectors == {}


def test_payloads_stay_in_the_index_where_they_are_not_wanted(index, empty, make_points):
    """With vectors and without."""
    (point,) = make_points(4, [7])
    index.upsert(empty, [point])
    for vectors in ((), ("hist",)):
        (stored,) = index.retrieve(empty, [7], vectors, with_payload=False)
        assert (stored.payload, list(stored.vectors)) == ({}, list(vectors))
        assert index.retrieve(empty, [7], vectors)[0].payload


def test_a_zero_vector_is_stored_as_it_is(index, empty, make_points):
    """A cosine vector without direction stays zero, and has cosine 0 with everything."""
    (point,) = make_points(4, [7])
    index.upsert(empty, [replace(point, vectors={**point.vectors, "prob": np.zeros(6, np.float32)})])
    assert not index.retrieve(empty, [7], with_vectors=("prob",))[0].vectors["prob"].any()
    (hit,) = index.search(empty, VectorQuery("prob", np.ones(6, np.float32), limit=1))
    assert hit.score == 0.0


def test_retrieve_keeps_the_order_asked_for(index, empty, make_points):
    """In the order of the ids, repeats repeated, ids that are not stored or cannot be left out."""
    index.upsert(empty, make_points(5, [1, 2, 3, 4]))
    assert [point.id for point in index.retrieve(empty, [4, 99, 1, -5, 3, 1])] == [4, 1, 3, 1]
    assert index.retrieve(empty, []) == []


def test_deleted_points_are_gone(index, empty, make_points):
    """From searching, counting and reading; ids that are not stored are ignored, as is an empty list."""
    index.upsert(empty, make_points(6, range(10)))
    index.delete(empty, [3, 4, 77, -1])
    index.delete(empty, [])
    index.delete(empty, [77])
    left = [0, 1, 2, 5, 6, 7, 8, 9]
    assert [point.id for point in index.scroll(empty)] == left
    assert index.count(empty) == 8
    assert sorted(hit.id for hit in index.search(empty, VectorQuery("prob", np.ones(6, np.float32), limit=50))) == left


def test_replacing_payloads_leaves_vectors(index, empty, make_points):
    """The whole payload is replaced, the vectors and the other points stay, unknown ids stay unknown."""
    index.upsert(empty, make_points(7, [1, 2, 3]))
    before = index.retrieve(empty, [1, 2, 3], with_vectors=("pool", "prob", "hist"))
    index.replace_payloads(empty, {2: {"merchant": "shop-9"}, 77: {"merchant": "nobody"}, 3: {}, -1: {}})
    index.replace_payloads(empty, {})
    after = index.retrieve(empty, [1, 2, 3], with_vectors=("pool", "prob", "hist"))
    assert [dict(point.payload) for point in after] == [dict(before[0].payload), {"merchant": "shop-9"}, {}]
    for name in ("pool", "prob", "hist"):
        for old, new in zip(before, after, strict=True):
            np.testing.assert_array_equal(old.vectors[name], new.vectors[name])
    assert index.count(empty) == 3
    assert index.facet(empty, "merchant", Filter(must=(Match("merchant", ("shop-9",)),))) == [("shop-9", 1)]


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (lambda point: replace(point, id=-1), "-1"),
        (lambda point: replace(point, id=2**64), str(2**64)),
        (lambda point: replace(point, vectors={"prob": point.vectors["prob"]}), "hist, pool, prob"),
        (lambda point: replace(point, vectors={**point.vectors, "nose": np.ones(2, np.float32)}), "nose"),
        (lambda point: replace(point, vectors={**point.vectors, "hist": np.ones(6, np.float32)}), r"\(6,\)"),
        (lambda point: replace(point, vectors={**point.vectors, "hist": np.ones((1, 7), np.float32)}), r"\(1, 7\)"),
        (lambda point: replace(point, vectors={**point.vectors, "hist": np.full(7, np.inf, np.float32)}), "infinity"),
    ],
)
def test_a_point_that_does_not_fit_refuses_the_whole_call(index, empty, make_points, change, about):
    """The error names what is wrong, and none of the call's points is stored."""
    good, other = make_points(8, [1, 2])
    with pytest.raises(InvalidRequest, match=about):
        index.upsert(empty, [good, change(other)])
    assert index.count(empty) == 0


def test_large_upserts_arrive_whole(index, opened, spec):
    """More components than one request or one crossing takes are cut up without losing or doubling a point."""
    wide = CollectionSpec({"pool": VectorSpec(4096, Distance.COSINE)}, {"merchant": FieldType.TENANT})
    index.create_collection(opened.name, wide)
    vector = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    # 2^20 components per batch hold 256 such points: 300 = 256 + 44.
    index.upsert(opened.name, [Point(i, {"pool": vector}, {"merchant": f"shop-{i}"}) for i in range(300)])
    assert [point.payload["merchant"] for point in index.scroll(opened.name)] == [f"shop-{i}" for i in range(300)]


def test_ids_may_be_as_large_as_the_engine_takes(index, empty, make_points):
    """Sixty-four bits, without losing the last digit on the way."""
    ids = [0, 2**53 + 1, 2**63 - 1]
    index.upsert(empty, make_points(9, ids))
    assert [point.id for point in index.scroll(empty)] == ids
    assert [point.id for point in index.scroll(empty, after=2**53)] == ids[1:]
    assert 2**53 + 1 not in {hit.id for hit in index.search(empty, VectorQuery("hist", 2**53 + 1, limit=5))}


def test_creating_again_keeps_the_collection(index, empty, spec, make_points):
    """The same spec, in whatever order its names come, leaves an existing collection as it is."""
    index.upsert(empty, make_points(10, [1]))
    again = CollectionSpec(dict(reversed(spec.vectors.items())), dict(reversed(spec.fields.items())))
    index.create_collection(empty, again)
    assert index.count(empty) == 1


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (lambda s: replace(s, vectors={**s.vectors, "prob": VectorSpec(8, Distance.COSINE)}), "vectors.prob"),
        (lambda s: replace(s, vectors={**s.vectors, "prob": VectorSpec(6, Distance.MANHATTAN)}), "vectors.prob"),
        (lambda s: replace(s, vectors={**s.vectors, "pool": VectorSpec(16, Distance.COSINE)}), "vectors.pool"),
        (lambda s: replace(s, vectors={"pool": s.vectors["pool"]}), "vectors.hist, vectors.prob"),
        (lambda s: replace(s, fields={**s.fields, "price": FieldType.INTEGER}), "fields.price"),
    ],
)
def test_creating_with_another_spec_is_refused(index, empty, spec, make_points, change, about):
    """What differs is named, and the existing collection stays as it is."""
    index.upsert(empty, make_points(10, [1]))
    with pytest.raises(InvalidRequest, match=about):
        index.create_collection(empty, change(spec))
    assert index.count(empty) == 1


def test_fields_that_came_later_are_indexed(opened, index, empty, spec, make_points):
    """Of points that are there already, too; whoever knows fewer fields leaves the collection as it is."""
    sizes = {1: ["s", "m"], 2: ["m"], 3: []}
    index.upsert(empty, [replace(one, payload={"size": sizes[one.id]}) for one in make_points(10, [1, 2, 3])])
    small = Filter(must=(Match("size", ("s",)),))
    # Until then they filter slowly, but they do.
    assert [one.id for one in index.search(empty, VectorQuery("prob", np.ones(6, np.float32), 5, filter=small))] == [1]
    wider = replace(spec, fields={**spec.fields, "size": FieldType.KEYWORD})
    for asked in (wider, spec, wider):
        index.create_collection(empty, asked)
        assert index.facet(empty, "size") == [("m", 2), ("s", 1)]
    index.close()
    again = opened.reopen()
    again.upsert(empty, [replace(one, payload={"size": ["s"]}) for one in make_points(11, [3])])
    assert again.facet(empty, "size") == [("m", 2), ("s", 2)]
    assert again.count(empty, small) == 2
    with pytest.raises(InvalidRequest, match=r"fields\.size"):
        again.create_collection(empty, replace(spec, fields={"size": FieldType.INTEGER}))


def test_collections_are_listed_and_dropped(index, opened, spec, make_points):
    """A dropped collection is gone with its points; dropping it again is no error; its name is free again."""
    name = opened.name
    assert name not in index.list_collections()
    index.create_collection(name, spec)
    index.upsert(name, make_points(1, [1]))
    assert name in index.list_collections()
    assert index.list_collections() == sorted(index.list_collections())
    index.drop_collection(name)
    index.drop_collection(name)
    assert name not in index.list_collections()
    with pytest.raises(GalleryNotFound):
        index.count(name)
    index.create_collection(name, CollectionSpec({"other": VectorSpec(3, Distance.COSINE)}, {}))
    assert index.count(name) == 0
    index.upsert(name, [Point(1, {"other": np.ones(3, np.float32)}, {})])
    assert index.count(name) == 1


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a b", "a\n", "ü", "x" * 201, "../outside"])
def test_names_that_are_no_plain_names_are_refused(index, spec, name):
    """A collection's name is a folder's name and part of a URL."""
    for use in (
        lambda: index.create_collection(name, spec),
        lambda: index.drop_collection(name),
        lambda: index.count(name),
    ):
        with pytest.raises(InvalidRequest, match="name"):
            use()


@pytest.mark.parametrize(
    "impossible",
    [
        CollectionSpec({}, {}),
        CollectionSpec({"pool": VectorSpec(0, Distance.COSINE)}, {}),
        CollectionSpec({"pool": VectorSpec(2, Distance.COSINE)}, {"a.b": FieldType.KEYWORD}),
    ],
    ids=["no vectors", "no components", "a path as a field"],
)
def test_specs_that_cannot_be_are_refused(index, opened, impossible):
    """Nothing is created."""
    with pytest.raises(InvalidRequest):
        index.create_collection(opened.name, impossible)
    assert opened.name not in index.list_collections()


def test_everything_is_there_after_reopening(opened, index, empty, spec, make_points, numpy_index, assert_same_ranking):
    """Points, replaced payloads, deletions and the spec survive closing, with and without optimizing before."""
    reference = numpy_index(empty, spec)
    for target in (index, reference):
        target.upsert(empty, make_points(11, range(40)))
        target.replace_payloads(empty, {3: {"merchant": "shop-3"}})
        target.delete(empty, [4, 5])
    for optimized in (False, True):
        if optimized:
            index.optimize(empty)
        index.close()
        index = opened.reopen()
        assert empty in index.list_collections()
        assert index.scroll(empty) == reference.scroll(empty)
        query = VectorQuery("hist", 7, limit=50)
        assert_same_ranking(index.search(empty, query), reference.search(empty, query))
        index.create_collection(empty, spec)
        with pytest.raises(InvalidRequest):
            index.create_collection(empty, replace(spec, fields={**spec.fields, "revision": FieldType.KEYWORD}))


def test_a_closed_index_says_so(index, empty):
    """Closing twice is fine; using it afterwards is a clear error, not a crash."""
    index.close()
    index.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        index.count(empty)
    with pytest.raises(IndexUnavailable, match="closed"):
        index.list_collections()


def test_optimizing_changes_no_answer(index, empty, spec, make_points, numpy_index, assert_same_ranking):
    """The ranking of a small gallery is the same before and after, and points can still be added."""
    reference = numpy_index(empty, spec)
    points = make_points(12, range(50))
    for part in (points[:30], points[30:]):
        for target in (index, reference):
            target.upsert(empty, part)
        index.optimize(empty)
        query = VectorQuery("prob", np.ones(6, np.float32), limit=50)
        assert_same_ranking(index.search(empty, query), reference.search(empty, query))
