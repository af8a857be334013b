"""Rankings found block by block: the same as those found at once, in memory that does not grow with the gallery."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.evaluation.feature_rows import FeatureFile, block_rows
from embeddings.evaluation.ranking import num_own, num_rankable, rank_blockwise
from embeddings.evaluation.scoring import FeatureScoring, Metric, l1_normalize, similarity
from embeddings.similarity import l2_normalize


class GivenScores:
    """A table of scores in place of features, read in blocks of any size."""

    def __init__(self, scores, rows_per_block):
        self.scores = np.asarray(scores, dtype=np.float32)
        self.scores.flags.writeable = False
        self.rows_per_block = rows_per_block
        self.num_queries, self.num_gallery = self.scores.shape

    def __call__(self, queries, gallery):
        return self.scores[queries, gallery]


def ids(*numbers):
    return np.array(numbers, dtype=np.int64)


NOBODY = ids(-1, -2)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_nearest_first_and_ties_in_the_order_of_the_gallery(rows):
    """Highest score first; equal scores, zero of either sign included, by position, whatever the blocks."""
    scores = [[0.5, 0.9, 0.5, -0.2, 0.9], [-1.0, 0.0, -0.0, -3.0, -2.0]]
    ranking = rank_blockwise(GivenScores(scores, rows), NOBODY, ids(10, 11, 12, 13, 14), 5)
    assert ranking.tolist() == [[1, 4, 0, 2, 3], [1, 2, 0, 4, 3]]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_query_never_finds_its_own_picture(rows):
    """The first query's picture is in the gallery twice, the second's once: neither is a result."""
    scores = [[0.1, 0.9, 0.8, 0.7, 0.9], [0.4, 0.3, 0.9, 0.2, 0.1]]
    ranking = rank_blockwise(GivenScores(scores, rows), ids(7, 5), ids(3, 7, 5, 4, 7), 3)
    assert ranking.tolist() == [[2, 3, 0], [0, 1, 3]]


def test_what_can_be_ranked_is_told_by_the_worst_off_query():
    """Five images, of which one query's picture takes two, leave three."""
    assert num_own(ids(7, 5, 9), ids(3, 7, 5, 4, 7)).tolist() == [2, 1, 0]
    assert num_rankable(ids(7, 5, 9), ids(3, 7, 5, 4, 7)) == 3
    assert num_rankable(ids(7), ids()) == 0
    assert num_rankable(ids(), ids(7)) == 0
    with pytest.raises(ValueError, match="between 1 and 3"):
        rank_blockwise(GivenScores(np.zeros((1, 5)), 2), ids(7), ids(3, 7, 5, 4, 7), 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    """A network that gives NaN must not be ranked as if it had given scores."""
    with pytest.raises(ValueError, match="finite"):
        rank_blockwise(GivenScores([[0.0, value], [0.0, 0.0]], 2), NOBODY, ids(1, 2), 1)


def test_ids_of_other_images_are_refused():
    """As many ids as images, on both sides."""
    with pytest.raises(ValueError, match="do not fit"):
        rank_blockwise(GivenScores(np.zeros((2, 3)), 2), NOBODY, ids(1, 2), 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 12), st.integers(1, 30))
def test_blocks_change_nothing(seed, rows, num_queries, num_gallery):
    """Against a stable sort of all scores at once; coarse scores, so that many are equal."""
    random = np.random.default_rng(seed)
    scores = random.integers(-3, 4, (num_queries, num_gallery)).astype(np.float32)
    queries, gallery = random.integers(0, 8, num_queries), random.integers(4, 30, num_gallery)
    most = num_rankable(queries, gallery)
    if most < 1:
        return
    ranking = rank_blockwise(GivenScores(scores, rows), queries, gallery, most)
    masked = np.where(queries[:, np.newaxis] == gallery, -np.inf, scores)
    assert ranking.tolist() == np.argsort(-masked, axis=1, kind="stable")[:, :most].tolist()


def test_features_come_back_as_they_were_stored(tmp_path):
    """Appended in pieces, read by slice and by position; float16 rounds at the fourth digit."""
    rows = np.random.default_rng(3).normal(size=(7, 5)).astype(np.float32)
    whole, half = FeatureFile(tmp_path / "a", 5), FeatureFile(tmp_path / "b", 5, half_precision=True)
    for file in (whole, half):
        assert file[:2].shape == (0, 5)
        file.append(rows[:3])
        file.append(rows[3:])
        assert file.shape == (7, 5)
    assert np.array_equal(whole[2:5], rows[2:5])
    assert np.array_equal(whole[np.array([6, 0])], rows[[6, 0]])
    assert half[:] == pytest.approx(rows, abs=2e-3)
    assert half[:].dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 4)), "expected rows of shape"),
        (np.zeros(5), "expected rows of shape"),
        (np.full((1, 5), np.nan), "finite"),
        (np.full((1, 5), 1e6), "within float16"),
    ],
)
def test_rows_that_cannot_be_stored_are_refused(tmp_path, rows, message):
    """Wrong sizes, NaN, and what float16 cannot hold."""
    with pytest.raises(ValueError, match=message):
        FeatureFile(tmp_path / "rows", 5, half_precision=True).append(rows.astype(np.float32))


def test_metrics_by_hand():
    """(3, 4) and (4, 3) have unit vectors (.6, .8) and (.8, .6), which sum to 7/7 as (3/7, 4/7) and (4/7, 3/7)."""
    query, gallery = np.array([[3.0, 4.0]], np.float32), np.array([[8.0, 6.0], [30.0, 40.0]], np.float32)
    expected = {
        Metric.EUCLIDEAN: [-np.hypot(0.2, 0.2), 0],
        Metric.COSINE: [0.48 + 0.48, 1],
        Metric.INTERSECTION: [0.6 + 0.6, 1.4],
        Metric.INTERSECTION_L1: [6 / 7, 1],
        # 3/7 · 4/7 + 4/7 · 3/7, and of equal ones (3/7)² + (4/7)².
        Metric.DOT: [24 / 49, 25 / 49],
    }
    for metric, scores in expected.items():
        assert similarity(metric, query, gallery)[0] == pytest.approx(scores, abs=1e-6)
    assert l1_normalize(np.array([[0.0, 0.0]])).tolist() == [[0, 0]]


def test_euclidean_is_that_of_unit_vectors():
    """The length of the difference of normalised rows, a zero vector and equal rows among them."""
    random = np.random.default_rng(5)
    queries, gallery = (random.normal(size=(count, 33)).astype(np.float32) for count in (7, 90))
    gallery[3], gallery[4] = 0, queries[2] * 6
    unit_q, unit_g = (l2_normalize(side).astype(np.float64) for side in (queries, gallery))
    expected = np.linalg.norm(unit_q[:, np.newaxis] - unit_g, axis=-1)
    assert -similarity(Metric.EUCLIDEAN, queries, gallery) == pytest.approx(expected, abs=1e-7)


def test_sizes_must_agree():
    """Features of two networks are not compared."""
    with pytest.raises(ValueError, match="sizes differ"):
        FeatureScoring(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32), Metric.COSINE)


@pytest.mark.parametrize(("size", "rows"), [(16, 1024), (4096, 1024), (40960, 102), (2**23, 1)])
def test_blocks_are_bounded_in_bytes(size, rows):
    """16 MiB of float32 at most: 2²² / 40,960 = 102 rows."""
    assert block_rows(size) == rows


def peak_of_ranking(folder, num_gallery, size=512, num_queries=64):
    random = np.random.default_rng(num_gallery)
    gallery, queries = FeatureFile(folder / f"{num_gallery}", size), FeatureFile(folder / "queries", size)
    for _ in range(num_gallery // 1000):
        gallery.append(random.normal(size=(1000, size)).astype(np.float32))
    queries.append(random.normal(size=(num_queries, size)).astype(np.float32))
    scoring = FeatureScoring(queries, gallery, Metric.COSINE)
    query_ids, gallery_ids = np.arange(num_queries), np.arange(num_gallery)
    tracemalloc.start()
    try:
        rank_blockwise(scoring, query_ids, gallery_ids, 50)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_gallery(tmp_path):
    """Ten times the gallery, 40 MB of features instead of 4, with at most a tenth more memory."""
    small, large = peak_of_ranking(tmp_path, 2_000), peak_of_ranking(tmp_path, 20_000)
    assert large < 1.1 * small
    assert large < 16 * 2**20
