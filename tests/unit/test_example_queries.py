"""Queries of several examples: Rocchio's arithmetic, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalog.errors import InvalidRequest
from catalog.services.searching.example_queries import checked_examples, query_of_examples
from catalog.services.searching.query_vectors import QueryVectors
from catalog.types import Examples
from embeddings.normalization import Normalization

L1, L2 = Normalization.L1, Normalization.L2


def _vectors(visual: list[float], prob: list[float]) -> QueryVectors:
    both = QueryVectors(np.float32(visual), np.float32(prob))
    both.visual.setflags(write=False)
    both.prob.setflags(write=False)
    return both


def test_one_example_is_searched_with_as_it_is():
    """No arithmetic touches it."""
    one = _vectors([0.6, 0.8], [0.1, 0.9])
    assert query_of_examples([one], [], L1) is one


def test_the_mean_of_several_is_scaled():
    """Unit (1, 0) and (0, 1), the second given twice as long: mean (½, ½), at length 1 (0.7071, 0.7071)."""
    query = query_of_examples([_vectors([1, 0], [1, 0]), _vectors([0, 2], [0, 1])], [], L2)
    np.testing.assert_allclose(query.visual, [0.7071, 0.7071], atol=1e-4)
    np.testing.assert_allclose(query.prob, [0.7071, 0.7071], atol=1e-4)


def test_what_is_unlike_is_taken_off():
    """(½, ½, 0) − ½·(0, 0.6, 0.8) = (0.5, 0.2, −0.4), of length 0.6708; as shares, cut at 0: (0.5, 0.2, 0)/0.7."""
    like = [_vectors([1, 0, 0], [1, 0, 0]), _vectors([0, 1, 0], [0, 1, 0])]
    query = query_of_examples(like, [_vectors([0, 0.6, 0.8], [0, 0.6, 0.4])], L1, unlike_weight=0.5)
    np.testing.assert_allclose(query.visual, np.array([0.5, 0.2, -0.4]) / 0.6708, atol=1e-4)
    # Of prob: (½, ½, 0) − ½·(0, 0.6, 0.4) = (0.5, 0.2, −0.2).
    np.testing.assert_allclose(query.prob, [0.5 / 0.7, 0.2 / 0.7, 0.0], atol=1e-4)


def test_what_would_leave_nothing_takes_nothing():
    """Ten examples of an attribute each, and one of all ten, which is longer than their mean: it does not count."""
    like = [_vectors(row, row) for row in np.eye(10).tolist()]
    everything = _vectors([1.0] * 10, [1.0] * 10)
    # Each component: 1/10 − ⅓·(1/√10 = 0.316) = −0.005, so cut off.
    query = query_of_examples(like, [everything], L2)
    np.testing.assert_allclose(query.prob, [10**-0.5] * 10, atol=1e-5)


@given(
    rows=arrays(np.float32, st.tuples(st.integers(2, 8), st.just(5)), elements=st.floats(0, 1, width=16)),
    num_unlike=st.integers(0, 6),
    normalization=st.sampled_from(Normalization),
)
def test_queries_are_scaled_as_the_version_scales(rows, num_unlike, normalization):
    """Length or sum 1, or zero where all examples are; prob never below 0; the order of examples does not matter."""
    examples = [_vectors(row, row) for row in rows.tolist()]
    num_unlike = min(num_unlike, len(examples) - 2)
    unlike, like = examples[:num_unlike], examples[num_unlike:]
    query = query_of_examples(like, unlike, normalization)
    length = query.prob.sum() if normalization is L1 else np.linalg.norm(query.prob)
    assert length == pytest.approx(1.0 if any(one.prob.any() for one in like) else length, abs=1e-3)
    assert query.prob.min() >= 0
    turned = query_of_examples(like[::-1], unlike[::-1], normalization)
    np.testing.assert_allclose(turned.prob, query.prob, atol=1e-3)


def test_examples_are_checked():
    """Repeats count once; the product that is searched with is one already."""
    assert checked_examples(None) == Examples()
    assert checked_examples(Examples(("a", "b", "a"), ("c", "c"))) == Examples(("a", "b"), ("c",))
    assert checked_examples(Examples(("a", "b")), "a") == Examples(("b",))
    with pytest.raises(InvalidRequest, match="b in unlike and in like"):
        checked_examples(Examples(("a", "b"), ("b",)))
    with pytest.raises(InvalidRequest, match="a in unlike and in product_id"):
        checked_examples(Examples((), ("a",)), "a")
    with pytest.raises(InvalidRequest, match="21 products"):
        checked_examples(Examples(tuple(map(str, range(10))), tuple(map(str, range(10, 21)))))
