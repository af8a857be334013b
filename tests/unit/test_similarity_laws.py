"""Laws that hold for every non-negative vector: the lifted Manhattan order is the histogram intersection order.

Tolerance. The reference sums in float64. A float32 vector of K + 1 components whose Manhattan distance is at most
Σa + S is summed with an error below (K + 1)·ε·(Σa + S) in the worst order of addition, ε = 2⁻²⁴; the stored slack adds
S·ε once. Scores are half of the distance. So scores may differ by (K + 2)·ε·(Σa + S)/2, and two results may swap
places only where their exact scores are nearer than twice that.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from embeddings.similarity import (
    euclidean_distance,
    histogram_intersection,
    intersection_from_distance,
    intersection_shares,
    l2_normalize,
    lift_gallery,
    lift_query,
)

EPSILON = 2.0**-24


def score_tolerance(num_components: int, query_sum: float, bound: float) -> float:
    return (num_components + 2) * EPSILON * (query_sum + bound) / 2


def exact_intersection(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Σ min in float64, by the definition and nothing else."""
    return np.minimum(queries[:, None, :].astype(np.float64), gallery[None, :, :].astype(np.float64)).sum(axis=-1)


@st.composite
def queries_and_gallery(draw) -> tuple[np.ndarray, np.ndarray, float]:
    """Non-negative tables and a bound on the gallery's sums: raw, L1- or L2-normalised, sparse, with zero rows."""
    num_components = draw(st.integers(1, 40))
    shape = (draw(st.integers(1, 4)) + draw(st.integers(1, 12)), num_components)
    values = draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32, allow_subnormal=False)))
    if draw(st.booleans()):
        values = values * draw(arrays.arrays(np.bool_, shape))
    kept_rows = draw(arrays.arrays(np.bool_, shape[0]))
    values = values * kept_rows[:, None]
    num_queries = draw(st.integers(1, shape[0] - 1))
    match draw(st.sampled_from(["raw", "l1", "l2"])):
        case "raw":
            bound = float(num_components)
        case "l1":
            sums = values.sum(axis=1, keepdims=True, dtype=np.float64)
            values = (values / np.where(sums > 0, sums, 1)).astype(np.float32)
            bound = 1.0
        case _:
            values = l2_normalize(values)
            bound = num_components**0.5
    values = values.astype(np.float32)
    values.setflags(write=False)
    return values[:num_queries], values[num_queries:], bound


@settings(max_examples=150, deadline=None)
@given(queries_and_gallery())
def test_lifted_manhattan_ranks_and_scores_as_histogram_intersection(tables):
    """The nearest by lifted Manhattan distance are the largest intersections, and the scores agree."""
    queries, gallery, bound = tables
    exact = exact_intersection(queries, gallery)
    lifted_queries, lifted_gallery = lift_query(queries), lift_gallery(gallery, bound)
    for row, query in enumerate(lifted_queries):
        distance = np.abs(lifted_gallery - query).sum(axis=1)
        query_sum = float(queries[row].sum(dtype=np.float64))
        tolerance = score_tolerance(queries.shape[1], query_sum, bound)
        np.testing.assert_allclose(
            intersection_from_distance(distance, query_sum, bound), exact[row], atol=tolerance, rtol=0
        )
        ranked = exact[row][np.argsort(distance, kind="stable")]
        assert (np.diff(ranked) <= 2 * tolerance).all()


@settings(max_examples=100, deadline=None)
@given(queries_and_gallery())
def test_histogram_intersection_is_its_definition(tables):
    """The blockwise float32 answer is the float64 definition, symmetric, and at most either side's sum."""
    queries, gallery, _ = tables
    answer = histogram_intersection(queries, gallery)
    # Each of at most K additions of non-negative numbers rounds by ε of a sum that the answer bounds.
    exact = exact_intersection(queries, gallery)
    np.testing.assert_allclose(answer, exact, rtol=queries.shape[1] * 2 * EPSILON, atol=1e-37)
    np.testing.assert_array_equal(answer.T, histogram_intersection(gallery, queries))
    np.testing.assert_allclose(
        np.diagonal(histogram_intersection(gallery, gallery)), gallery.sum(axis=1, dtype=np.float64), rtol=1e-5
    )


@settings(max_examples=100, deadline=None)
@given(queries_and_gallery(), st.sampled_from([1e-6, 1.0, -1e6]), st.floats(-10, 10, width=32))
def test_euclidean_distance_is_its_definition(tables, scale, shift):
    """The product of float64 gives the length of the difference, whatever the vectors' length, and is symmetric."""
    queries, gallery = ((table * scale + shift * scale).astype(np.float32) for table in tables[:2])
    answer = euclidean_distance(queries, gallery)
    wide_q, wide_g = queries.astype(np.float64), gallery.astype(np.float64)
    exact = np.linalg.norm(wide_q[:, None] - wide_g[None], axis=-1)
    # ‖q‖² + ‖g‖² − 2⟨q, g⟩ is four sums of at most D terms, each wrong by at most D·2⁻⁵³ of ‖q‖² + ‖g‖²; its root is
    # wrong by the root of that where the distance is 0, and by less elsewhere. The answer is rounded to float32.
    squares = (wide_q**2).sum(axis=1)[:, None] + (wide_g**2).sum(axis=1)[None]
    error = np.sqrt(4 * (queries.shape[1] + 2) * 2.0**-53 * squares)
    assert (np.abs(answer - exact) <= error + EPSILON * exact + 1e-37).all()
    np.testing.assert_allclose(answer.T, euclidean_distance(gallery, queries), atol=2 * error.max(initial=0))


@settings(max_examples=100, deadline=None)
@given(queries_and_gallery())
def test_shares_sum_to_one_or_to_nothing(tables):
    """Shares are parts of a whole wherever there is a whole, and lie in [0, 1]."""
    queries, gallery, _ = tables
    shares = intersection_shares(queries[:1], gallery)
    exact = exact_intersection(queries[:1], gallery)[0]
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(shares.sum(axis=1), (exact > 0).astype(np.float64), atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(queries_and_gallery())
def test_normalising_twice_changes_nothing(tables):
    """A unit vector stays where it is, to float32 accuracy, and lengths are 1 or 0."""
    _, gallery, _ = tables
    unit = l2_normalize(gallery)
    np.testing.assert_allclose(l2_normalize(unit), unit, rtol=1e-6, atol=1e-37)
    lengths = np.linalg.norm(unit.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, (gallery.max(axis=1) > 0).astype(np.float64), atol=1e-6)
