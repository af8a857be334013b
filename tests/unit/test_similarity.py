"""Cosine, Euclidean distance and histogram intersection, with the arithmetic of what is expected."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings import similarity
from embeddings.similarity import (
    cosine_similarity,
    euclidean_distance,
    histogram_intersection,
    intersection_from_distance,
    intersection_shares,
    l2_normalize,
    lift_gallery,
    lift_query,
)


def read_only(rows) -> np.ndarray:
    array = np.array(rows, dtype=np.float32)
    array.setflags(write=False)
    return array


def test_unit_length_keeps_direction_and_leaves_zero_rows_zero():
    """A row is divided by its Euclidean length; a zero row stays zero instead of becoming NaN."""
    unit = l2_normalize(read_only([[3, 4], [0, 0], [-5, 0]]))
    # 3/5 and 4/5; nothing to scale; −5/5.
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [-1, 0]], atol=1e-7)
    assert unit.dtype == np.float32


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1.0, 1e30, 1e38])
def test_unit_length_survives_squares_that_would_overflow_or_vanish(scale):
    """Components whose squares leave float32's range are still scaled to length 1."""
    # (s, s) / (s·√2) = (1/√2, 1/√2) for every s; 1e-44 is seven units of the smallest float32.
    np.testing.assert_allclose(l2_normalize(read_only([scale, scale])), [2**-0.5, 2**-0.5], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.bool_])
def test_unit_length_takes_any_number_type_and_any_rank(dtype):
    """The result is float32 of the same shape, whatever the numbers came as."""
    unit = l2_normalize(np.ones((2, 3, 4), dtype=dtype))
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, np.full((2, 3, 4), 0.5), rtol=1e-6)  # 1/√4


def test_unit_length_of_no_rows_is_no_rows():
    """An empty batch is an answer, not an error."""
    assert l2_normalize(np.empty((0, 5))).shape == (0, 5)


@pytest.mark.parametrize("bad", [[[np.nan, 1.0]], [[np.inf, 1.0]], np.empty((3, 0)), 1.0])
def test_unit_length_refuses_what_has_no_direction(bad):
    """NaN, infinity and vectors without components are refused rather than stored."""
    with pytest.raises(ValueError, match=r"finite|component"):
        l2_normalize(bad)


def test_cosine_of_known_angles():
    """Cosine ignores length; with a zero vector it is 0."""
    cosine = cosine_similarity(read_only([[1, 0], [0, 0]]), read_only([[7, 0], [1, 1], [0, 3], [-2, 0], [0, 0]]))
    # Angles 0°, 45°, 90°, 180°, none.
    np.testing.assert_allclose(cosine, [[1, 2**-0.5, 0, -1, 0], [0, 0, 0, 0, 0]], atol=1e-7)
    assert cosine.dtype == np.float32


def test_cosine_never_leaves_its_range():
    """A vector compared with itself scores at most 1, whatever the rounding."""
    vectors = np.random.default_rng(1).normal(size=(200, 333)).astype(np.float32)
    assert cosine_similarity(vectors, vectors).max() <= 1.0


def test_euclidean_distance_of_known_points():
    """Length of the difference: a 3-4-5 triangle, its half, and none."""
    distance = euclidean_distance(read_only([[0, 0], [3, 4]]), read_only([[3, 4], [0, 4], [0, 0]]))
    # From (0,0): √(9+16), √16, 0. From (3,4): 0, √9, √25.
    np.testing.assert_allclose(distance, [[5, 4, 0], [0, 3, 5]], atol=1e-6)
    assert distance.dtype == np.float32


def test_euclidean_distance_keeps_small_differences_of_large_vectors():
    """Two vectors of length 10⁴·√2 that differ by 10⁻² are 10⁻² apart; in float32 their squares would not differ."""
    # float32 near 1e4 steps by 2⁻¹⁰, so the stored difference is 10/1024 = 0.009765625 exactly.
    distance = euclidean_distance(read_only([[1e4, 1e4]]), read_only([[1e4 + 10 / 1024, 1e4]]))
    np.testing.assert_allclose(distance, [[10 / 1024]], rtol=1e-4)


def test_euclidean_order_is_cosine_order_on_unit_vectors():
    """‖q − g‖² = 2 − 2⟨q, g⟩ for unit vectors, so the nearest by one are the nearest by the other."""
    rng = np.random.default_rng(2)
    queries, gallery = l2_normalize(rng.normal(size=(3, 16))), l2_normalize(rng.normal(size=(50, 16)))
    np.testing.assert_allclose(
        euclidean_distance(queries, gallery) ** 2, 2 - 2 * cosine_similarity(queries, gallery), atol=1e-6
    )


def test_histogram_intersection_by_hand():
    """The smaller of each pair of components, added up."""
    intersection = histogram_intersection(
        read_only([[0.5, 0.25, 0.25], [0, 0, 0]]), read_only([[0.25, 0.5, 0], [1, 1, 1], [0, 0, 0]])
    )
    # 0.25 + 0.25 + 0; 0.5 + 0.25 + 0.25; 0. With the zero query everything is 0.
    np.testing.assert_array_equal(intersection, [[0.5, 1.0, 0], [0, 0, 0]])
    assert intersection.dtype == np.float32


@pytest.mark.parametrize("compare", [cosine_similarity, euclidean_distance, histogram_intersection])
def test_blocks_change_nothing(compare, monkeypatch):
    """The answer does not depend on how the work is cut up, including last blocks that are not full."""
    rng = np.random.default_rng(3)
    queries, gallery = rng.random((5, 7)), rng.random((23, 7))
    whole = compare(queries, gallery)
    for limit in ("_BLOCK_ELEMENTS", "_PRODUCT_ELEMENTS"):
        monkeypatch.setattr(similarity, limit, 28)  # 28 // 7 components = 4 rows, and 23 = 5·4 + 3.
    np.testing.assert_allclose(compare(queries, gallery), whole, rtol=1e-6)


@pytest.mark.parametrize("compare", [cosine_similarity, euclidean_distance, histogram_intersection])
def test_comparing_with_nothing_gives_an_empty_table(compare):
    """No queries or no gallery give (0, n_g) or (n_q, 0)."""
    assert compare(np.empty((0, 3)), np.ones((4, 3))).shape == (0, 4)
    assert compare(np.ones((2, 3)), np.empty((0, 3))).shape == (2, 0)


@pytest.mark.parametrize("compare", [cosine_similarity, euclidean_distance, histogram_intersection])
@pytest.mark.parametrize(("q", "g"), [((2, 3), (4, 2)), ((3,), (4, 3)), ((2, 3), (1, 4, 3)), ((2, 0), (4, 0))])
def test_comparing_needs_two_tables_of_the_same_width(compare, q, g):
    """Other shapes are refused with both shapes named, instead of being broadcast."""
    with pytest.raises(ValueError, match="received"):
        compare(np.ones(q), np.ones(g))


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_histogram_intersection_is_for_finite_non_negative_vectors(bad):
    """Negative, NaN and infinite components are refused, on either side and before lifting."""
    good, wrong = np.ones((1, 2)), np.array([[0.5, bad]])
    for call in (
        lambda: histogram_intersection(wrong, good),
        lambda: histogram_intersection(good, wrong),
        lambda: lift_gallery(wrong, 2.0),
        lambda: lift_query(wrong),
        lambda: intersection_shares(good, wrong),
    ):
        with pytest.raises(ValueError, match="non-negative"):
            call()


def test_lifted_gallery_holds_what_is_missing_to_the_bound():
    """The added component is S − Σb, so that every stored row has the same sum."""
    lifted = lift_gallery(read_only([[0.25, 0.5], [0, 0], [1, 1]]), bound=2.0)
    np.testing.assert_array_equal(lifted, [[0.25, 0.5, 1.25], [0, 0, 2], [1, 1, 0]])
    assert lifted.dtype == np.float32


def test_lifted_query_gets_a_zero():
    """A query has no slack of its own; one vector is lifted as well as a table of them."""
    np.testing.assert_array_equal(lift_query(read_only([0.25, 0.5])), np.float32([0.25, 0.5, 0]))
    assert lift_query(np.empty((0, 2))).shape == (0, 3)
    assert lift_gallery(np.empty((0, 2)), 1.0).shape == (0, 3)


def test_a_sum_beyond_the_bound_by_a_rounding_is_clamped():
    """The uniform unit vector reaches √K; its float32 sum may be a little more, which is stored as 0, not refused."""
    uniform = np.full((1, 110), np.nextafter(np.float32(110**-0.5), np.float32(1)), dtype=np.float32)
    assert float(uniform.sum(dtype=np.float64)) > 110**0.5
    assert lift_gallery(uniform, bound=110**0.5)[0, -1] == 0.0


def test_a_sum_beyond_the_bound_is_refused():
    """1.0 + 0.5 exceeds 1.4 by more than rounding: ranking would silently be wrong, so it is an error."""
    with pytest.raises(ValueError, match=r"sums to 1\.5.*at most the bound 1\.4"):
        lift_gallery(read_only([[1.0, 0.5]]), bound=1.4)


def test_intersection_from_distance_by_hand():
    """a = (1, 0), b = (¼, ½), S = 2: d = ¾ + ½ + (2 − ¾) = 2½, and ½(1 + 2 − 2½) = ¼ = min(1, ¼) + min(0, ½)."""
    a, b = read_only([[1, 0]]), read_only([[0.25, 0.5]])
    distance = np.abs(lift_query(a) - lift_gallery(b, 2.0)).sum()
    assert distance == 2.5
    np.testing.assert_array_equal(intersection_from_distance([distance], 1.0, 2.0), np.float32([0.25]))
    np.testing.assert_array_equal(histogram_intersection(a, b), [[0.25]])


def test_intersection_from_distance_broadcasts_query_sums_and_is_never_negative():
    """One sum per query row; a distance rounded up past Σa + S counts as no intersection."""
    scores = intersection_from_distance([[1.0, 3.0], [2.0, 4.5]], query_sum=[[1.0], [2.0]], bound=2.0)
    # ½(1+2−1), ½(1+2−3); ½(2+2−2), ½(2+2−4.5) = −0.25 → 0.
    np.testing.assert_array_equal(scores, np.float32([[1.0, 0.0], [1.0, 0.0]]))
    assert scores.dtype == np.float32


def test_shares_by_hand():
    """Shares of ¼ + ¼ are a half each; nothing in common gives zeros, not NaN."""
    shares = intersection_shares(read_only([0.5, 0.25, 0.25]), read_only([[0.25, 0.5, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(shares, np.float32([[0.5, 0.5, 0], [0, 0, 0]]))
    assert shares.dtype == np.float32


def test_shares_need_the_same_attributes():
    """Vectors of two taxonomies have no shares, and one of a single component is not spread over the other."""
    with pytest.raises(ValueError, match="same number of components"):
        intersection_shares(np.ones(3), np.ones((2, 1)))
