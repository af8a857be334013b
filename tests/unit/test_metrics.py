"""precision@k, recall@k, top-k accuracy and attribute IoU@k against arithmetic done by hand, IoU@k also against an
independent library, and the laws they obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import jaccard_score

from embeddings.metrics import attribute_iou_at_k, precision_at_k, recall_at_k, top_k_accuracy


def read_only(values):
    array = np.array(values)
    array.flags.writeable = False
    return array


RELEVANT = read_only(
    [
        [True, False, True, False],
        [False, False, False, True],
        [True, True, True, True],
        [False, False, False, False],
    ]
)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, (1 + 0 + 1 + 0) / 4),
        (2, (1 / 2 + 0 / 2 + 2 / 2 + 0 / 2) / 4),
        (3, (2 / 3 + 0 / 3 + 3 / 3 + 0 / 3) / 4),
        (4, (2 / 4 + 1 / 4 + 4 / 4 + 0 / 4) / 4),
    ],
)
def test_precision_is_relevant_over_k_averaged_over_queries(k, expected):
    """precision@k divides by k, not by the number of relevant items, and averages over queries."""
    assert precision_at_k(RELEVANT, k) == pytest.approx(expected)


@pytest.mark.parametrize(("k", "expected"), [(1, 2 / 4), (2, 2 / 4), (3, 2 / 4), (4, 3 / 4)])
def test_top_k_accuracy_is_the_share_of_queries_with_any_relevant_result(k, expected):
    """One relevant result among the first k is enough for a query; more add nothing."""
    assert top_k_accuracy(RELEVANT, k) == pytest.approx(expected)


def recall_of_what_was_found(relevant, k):
    """recall@k of a gallery whose every relevant item is among the results, but for one more that never is."""
    found = np.count_nonzero(np.asarray(relevant), axis=1) if np.ndim(relevant) == 2 else np.zeros(1, dtype=int)
    return recall_at_k(relevant, found + 1, k)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        # The gallery holds 5, 1, 4 and 7 relevant items.
        (1, (1 / 5 + 0 / 1 + 1 / 4 + 0 / 7) / 4),
        (3, (2 / 5 + 0 / 1 + 3 / 4 + 0 / 7) / 4),
        (4, (2 / 5 + 1 / 1 + 4 / 4 + 0 / 7) / 4),
    ],
)
def test_recall_is_relevant_over_all_relevant_averaged_over_queries(k, expected):
    """recall@k divides by what the gallery holds, not by k."""
    assert recall_at_k(RELEVANT, [5, 1, 4, 7], k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("num_relevant", "message"),
    [
        ([5, 1, 4, 0], "at least one relevant item"),
        ([5, 1, 3, 7], "more relevant results"),
        ([5, 1, 4], "one integer for each of 4 queries"),
        ([5.0, 1.0, 4.0, 7.0], "one integer"),
    ],
)
def test_recall_refuses_counts_that_cannot_be(num_relevant, message):
    """A query without relevant items has no recall, and no more can be found than there are."""
    with pytest.raises(ValueError, match=message):
        recall_at_k(RELEVANT, num_relevant, 2)


@pytest.mark.parametrize("metric", [precision_at_k, top_k_accuracy, recall_of_what_was_found])
class TestRankedRelevance:
    @pytest.mark.parametrize("k", [0, -1, 5])
    def test_k_outside_the_results_is_refused_with_both_numbers(self, metric, k):
        """A k that the results cannot serve is an error that names the k and the number of results."""
        with pytest.raises(ValueError, match=rf"results, 4; received {k}$"):
            metric(RELEVANT, k)

    def test_no_queries_is_refused(self, metric):
        """The mean over no queries has no value."""
        with pytest.raises(ValueError, match="at least one query"):
            metric(np.zeros((0, 4), dtype=bool), 1)

    def test_scores_passed_by_mistake_are_refused(self, metric):
        """Similarities are no relevance judgements."""
        with pytest.raises(ValueError, match="values other than 0 and 1"):
            metric(np.array([[0.9, 0.4]]), 1)

    def test_one_axis_is_refused(self, metric):
        """A single query still needs its axis."""
        with pytest.raises(ValueError, match="2 axes"):
            metric(np.array([True, False]), 1)

    def test_zeros_and_ones_count_as_booleans(self, metric):
        """Integer relevance judgements mean the same as boolean ones."""
        assert metric(RELEVANT.astype(np.int64), 3) == metric(RELEVANT, 3)


# Attributes a, b, c, d. The query has {a, b}.
QUERIES = read_only([[1, 1, 0, 0], [0, 0, 0, 0]]).astype(bool)
HITS = read_only(
    [
        [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]],
        [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
    ]
).astype(bool)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        # First query: {a,b} with {a,b} 2/2, with {a,c} 1/3, with {d} 0/3. Second: ∅ with ∅ 1, with {a} 0/1, with ∅ 1.
        (1, (1 + 1) / 2),
        (2, ((1 + 1 / 3) / 2 + (1 + 0) / 2) / 2),
        (3, ((1 + 1 / 3 + 0) / 3 + (1 + 0 + 1) / 3) / 2),
    ],
)
def test_iou_is_averaged_over_results_then_queries(k, expected):
    """IoU@k averages over the first k results, then over queries; two empty sets agree completely."""
    assert attribute_iou_at_k(QUERIES, HITS, k) == pytest.approx(expected)


@pytest.mark.parametrize("collection", [set, frozenset, list, tuple])
def test_names_and_booleans_give_the_same_iou(collection):
    """Collections of names are another way to write the same sets."""
    queries = [collection("ab"), collection("")]
    hits = [[collection("ab"), collection("ac"), collection("d")], [collection(""), collection("a"), collection("")]]
    for k in (1, 2, 3):
        assert attribute_iou_at_k(queries, hits, k) == attribute_iou_at_k(QUERIES, HITS, k)


def test_names_beyond_the_first_k_do_not_matter():
    """Queries may come with result lists of different lengths as long as each has k."""
    queries = [{"a"}, {"b"}]
    hits = [[{"a"}, {"a"}, {"a"}], [{"a", "b"}]]
    assert attribute_iou_at_k(queries, hits, 1) == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize(
    ("queries", "hits", "k", "message"),
    [
        (QUERIES, HITS, 4, "results, 3; received 4"),
        (QUERIES, HITS, 0, "results, 3; received 0"),
        (QUERIES[:1], HITS, 1, "do not fit"),
        (QUERIES[:, :3], HITS, 1, "do not fit"),
        (QUERIES, HITS[:, 0], 1, "3 axes"),
        (QUERIES[:0], HITS[:0], 1, "at least one query"),
        ([{"a"}], [[{"a"}]], 2, "results, 1; received 2"),
        ([{"a"}, {"b"}], [[{"a"}]], 1, "do not fit"),
        ([], [], 1, "2 axes"),
    ],
)
def test_iou_refuses_what_does_not_fit(queries, hits, k, message):
    """Shapes that do not belong together are errors that say what was received."""
    with pytest.raises(ValueError, match=message):
        attribute_iou_at_k(queries, hits, k)


relevance = arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 8)))


@given(relevance)
def test_top_k_accuracy_never_falls_as_k_grows(relevant):
    """Looking further down the ranking can only find more."""
    values = [top_k_accuracy(relevant, k) for k in range(1, relevant.shape[1] + 1)]
    assert values == sorted(values)


@given(relevance, st.data())
def test_precision_lies_between_accuracy_over_k_and_accuracy(relevant, data):
    """A query with a hit has between 1 and k of them: accuracy/k ≤ precision ≤ accuracy; at k = 1 they are equal."""
    k = data.draw(st.integers(1, relevant.shape[1]))
    accuracy, precision = top_k_accuracy(relevant, k), precision_at_k(relevant, k)
    assert accuracy / k - 1e-12 <= precision <= accuracy + 1e-12


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9], ids=["many empty sets", "some shared", "nearly all shared"])
def test_iou_agrees_with_an_independent_library(share):
    """scikit-learn's Jaccard score of each query with each of its first k results, at every k."""
    random = np.random.default_rng(5)
    attributes = random.random((30, 9)) < share
    ranking = np.stack([random.permutation(30)[:8] for _ in range(12)])
    queries, hits = random.random((12, 9)) < share, attributes[ranking]
    for k in range(1, 9):
        expected = jaccard_score(
            np.repeat(queries, k, axis=0), hits[:, :k].reshape(-1, 9), average="samples", zero_division=1
        )
        assert attribute_iou_at_k(queries, hits, k) == pytest.approx(expected)


@given(arrays.arrays(bool, (3, 5)), arrays.arrays(bool, (3, 4, 5)), st.integers(1, 4))
def test_iou_is_bounded_and_symmetric(queries, hits, k):
    """IoU@k lies in [0, 1], and swapping query and result at one rank changes nothing."""
    assert 0 <= attribute_iou_at_k(queries, hits, k) <= 1
    swapped = attribute_iou_at_k(hits[:, 0], queries[:, np.newaxis], 1)
    assert swapped == pytest.approx(attribute_iou_at_k(queries, hits[:, :1], 1))


@given(arrays.arrays(bool, (3, 5)))
def test_iou_with_itself_is_one(queries):
    """Equal sets, empty ones included, agree completely."""
    assert attribute_iou_at_k(queries, queries[:, np.newaxis], 1) == 1
