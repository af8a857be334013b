"""The NumPy reference by hand, so that the contract does not merely compare two mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.ports.vector_index import (
    Candidates,
    CollectionSpec,
    Distance,
    Filter,
    HasId,
    IsEmpty,
    Match,
    Point,
    Range,
    VectorQuery,
    VectorSpec,
)


def vector(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.fixture
def reference(numpy_index):
    """Four points in the plane, under two vectors.

    Cosine with (1, 0): 10 → 1, 20 → 0.6, 30 → 0, 40 → 0.8.
    Manhattan distance from (0, 0): 10 → 2, 20 → 7, 30 → 1, 40 → 3.
    """
    spec = CollectionSpec({"angle": VectorSpec(2, Distance.COSINE), "steps": VectorSpec(2, Distance.MANHATTAN)}, {})
    index = numpy_index("plane", spec)
    index.upsert(
        "plane",
        [
            Point(10, {"angle": vector(2, 0), "steps": vector(1, -1)}, {"color": ["red", "blue"], "price": 5}),
            Point(20, {"angle": vector(3, 4), "steps": vector(3, 4)}, {"color": "red", "price": 7.5}),
            Point(30, {"angle": vector(0, 9), "steps": vector(0, 1)}, {"color": [], "price": None}),
            Point(40, {"angle": vector(8, 6), "steps": vector(3, 0)}, {"price": 10}),
        ],
    )
    return index


def ids(hits) -> list[int]:
    return [hit.id for hit in hits]


def test_cosine_ranks_by_angle(reference):
    """1 > 0.8 > 0.6 > 0, whatever the lengths."""
    hits = reference.search("plane", VectorQuery("angle", vector(5, 0), limit=9))
    assert ids(hits) == [10, 40, 20, 30]
    np.testing.assert_allclose([hit.score for hit in hits], [1, 0.8, 0.6, 0], atol=1e-7)


def test_manhattan_ranks_by_steps(reference):
    """1 < 2 < 3 < 7."""
    hits = reference.search("plane", VectorQuery("steps", vector(0, 0), limit=9))
    assert [(hit.id, hit.score) for hit in hits] == [(30, 1), (10, 2), (40, 3), (20, 7)]


def test_stages_pages_thresholds_and_stored_points(reference):
    """Two nearest by angle are 10 and 40, by steps 10 before 40; thresholds keep 0.8 and 3 themselves."""
    asked = vector(0, 0)
    staged = VectorQuery("steps", asked, limit=9, candidates=Candidates("angle", vector(1, 0), 2))
    assert ids(reference.search("plane", staged)) == [10, 40]
    assert ids(reference.search("plane", VectorQuery("steps", asked, limit=2, offset=1))) == [10, 40]
    assert ids(reference.search("plane", VectorQuery("steps", asked, limit=9, score_threshold=3.0))) == [30, 10, 40]
    assert ids(reference.search("plane", VectorQuery("angle", vector(1, 0), limit=9, score_threshold=0.79))) == [10, 40]
    # From (1, −1): 30 is 1 + 2 = 3 away, 40 is 2 + 1 = 3, 20 is 2 + 5 = 7; ties come in order of id.
    assert ids(reference.search("plane", VectorQuery("steps", 10, limit=9))) == [30, 40, 20]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Match("color", ("red",)), [10, 20]),
        (Match("color", ("blue", "green")), [10]),
        (Range("price", 5, 7.5), [10, 20]),
        (Range("price", at_least=7.6), [40]),
        (Range("price"), [10, 20, 40]),
        (HasId((20, 30, 99)), [20, 30]),
        (IsEmpty("color"), [30, 40]),
        (IsEmpty("price"), [30]),
    ],
)
def test_conditions(reference, condition, expected):
    """Alone as must, as the only should, and turned round as must-not."""
    assert ids(reference.scroll("plane", Filter(must=(condition,)))) == expected
    assert ids(reference.scroll("plane", Filter(should=(condition,)))) == expected
    left = [point_id for point_id in [10, 20, 30, 40] if point_id not in expected]
    assert ids(reference.scroll("plane", Filter(must_not=(condition,)))) == left


def test_facets(reference):
    """Red twice, blue once; the empty list and the missing field count for nothing."""
    assert reference.facet("plane", "color") == [("red", 2), ("blue", 1)]


def test_the_comparison_of_rankings_can_fail(reference, assert_same_ranking):
    """A swapped order, a wrong score, a missing and a doubled hit are each found; a tie that swaps is not."""
    hits = reference.search("plane", VectorQuery("steps", vector(0, 0), limit=9))
    for wrong in (
        [hits[1], hits[0], *hits[2:]],
        hits[:-1],
        [hits[0], *hits[:-1]],
        reference.search("plane", VectorQuery("steps", vector(0, 0.01), limit=9)),
    ):
        with pytest.raises(AssertionError):
            assert_same_ranking(wrong, hits)
    tied = reference.search("plane", VectorQuery("steps", 10, limit=2))
    assert_same_ranking([tied[1], tied[0]], tied)
