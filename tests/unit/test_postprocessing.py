"""Whitening, query expansion and fusion against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.postprocessing.query_expansion import expand_queries
from embeddings.postprocessing.score_fusion import fuse_scores, standardise
from embeddings.postprocessing.whitening import fit_whitening
from embeddings.similarity import l2_normalize


def read_only(values):
    array = np.array(values, dtype=np.float32)
    array.flags.writeable = False
    return array


def test_whitened_components_have_mean_zero_and_variance_one():
    """Before the last normalisation: over the samples, zero mean, unit variance, no correlation."""
    random = np.random.default_rng(6)
    samples = read_only(random.normal(size=(400, 6)) * [9, 5, 3, 2, 1, 0.5] + 4)
    whitening = fit_whitening(samples, 5, shrinkage=0)
    assert whitening.size == 5
    plain = (l2_normalize(samples) - whitening.mean) @ whitening.projection
    assert plain.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-4)
    assert np.cov(plain.T) == pytest.approx(np.eye(5), abs=1e-3)
    whitened = whitening.apply(samples)
    assert np.linalg.norm(whitened, axis=1) == pytest.approx(np.ones(400), abs=1e-5)
    assert whitened[:3] == pytest.approx(whitening.apply(samples[:3] * 7), abs=1e-5)


def test_whitening_makes_a_weak_direction_count():
    """Far apart along one axis and near along another: whitened, both count alike."""
    # Unit vectors (a, b, c) with a ≈ ±0.4, b ≈ ±0.04: whitened, every pair of signs is (±1, ±1) / √2.
    corners = [[a, b, np.sqrt(1 - a * a - b * b)] for a in (-0.4, 0.4) for b in (-0.04, 0.04)]
    whitened = fit_whitening(read_only(corners), 2, shrinkage=0).apply(read_only(corners))
    assert np.abs(whitened) == pytest.approx(np.full((4, 2), np.sqrt(0.5)), abs=1e-3)


def test_shrinkage_draws_variances_towards_their_mean():
    """Of unit vectors with variances λ and their mean m, a component keeps λ / ((1 − s)·λ + s·m)."""
    # (±0.6, 0, 0.8), (±0.6, 0, 0.8) and (0, ±0.28, 0.96) twice each: the third component varies, too.
    samples = read_only([[0.6, 0, 0.8], [-0.6, 0, 0.8], [0, 0.28, 0.96], [0, -0.28, 0.96]] * 2)
    covariance = np.cov(samples.T)
    # No mixed terms: the directions are the axes, with variances 4·.36/7, 4·.0784/7 and 8·.0064/7.
    assert covariance == pytest.approx(np.diag([1.44 / 7, 0.3136 / 7, 0.0512 / 7]), abs=1e-6)
    mean = (1.44 + 0.3136 + 0.0512) / 7 / 3
    for shrinkage in (0.0, 0.25, 0.9):
        whitening = fit_whitening(samples, 3, shrinkage=shrinkage)
        kept = np.cov(((samples - whitening.mean) @ whitening.projection).T)
        expected = [value / ((1 - shrinkage) * value + shrinkage * mean) for value in np.diag(covariance)]
        assert np.diag(kept) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match=r"shrinkage in \[0, 1\), received 1"):
        fit_whitening(samples, 2, shrinkage=1)


def test_no_more_components_than_the_samples_can_tell():
    """Three samples span two directions; samples on a line span one."""
    random = np.random.default_rng(0)
    assert fit_whitening(read_only(random.normal(size=(3, 8))), 8).size == 2
    # On the unit circle two points and their mean: one direction.
    assert fit_whitening(read_only([[1, 0, 0], [0, 1, 0], [1, 0, 0]]), 3).size == 1


def photos(num_photos, size, seed):
    """Features of which the first components vary most, none negative, as pooled ones are."""
    mixing = np.random.default_rng(1).normal(size=(size, size)) / np.arange(1, size + 1)[:, None] ** 0.7
    return np.abs(np.random.default_rng(seed).normal(size=(num_photos, size)) @ mixing) + 1


@pytest.mark.parametrize("times", [1, 10, 20])
def test_photos_that_repeat_tell_no_more_than_once(times):
    """200 photos span 199 directions, however often each is there; none of what is kept is rounding."""
    whitening = fit_whitening(read_only(np.tile(photos(200, 384, 5), (times, 1))), 256)
    assert whitening.size == 199
    new = read_only(photos(50, 384, 6))
    once, now = (fitted.apply(new) for fitted in (fit_whitening(read_only(photos(200, 384, 5)), 199), whitening))
    assert now @ now.T == pytest.approx(once @ once.T, abs=1e-3)


@pytest.mark.parametrize("times", [25, 300])
def test_two_photos_differ_in_one_direction(times):
    """In groups of as many rows as tell covariances from samples: 50 and 600 of 48 components."""
    assert fit_whitening(read_only(np.tile(photos(2, 48, 1), (times, 1))), 4).size == 1


@pytest.mark.parametrize(
    ("samples", "size", "message"),
    [
        (np.ones((1, 3)), 2, "at least two samples"),
        (np.ones((5, 3)), 0, "at least two samples"),
        (np.ones((5, 3)), 2, "do not differ"),
    ],
)
def test_whitening_needs_something_to_go_by(samples, size, message):
    """One sample, no component, or samples that are all the same."""
    with pytest.raises(ValueError, match=message):
        fit_whitening(read_only(samples), size)


def test_an_expanded_query_is_the_mean_direction():
    """(1, 0) with hits (0, 1) and (0, 9): the sum of unit vectors is (1, 2), of length √5."""
    expanded = expand_queries(read_only([[5, 0]]), read_only([[[0, 1], [0, 9]]]))
    assert expanded[0] == pytest.approx([1 / np.sqrt(5), 2 / np.sqrt(5)])


def test_hits_of_other_queries_are_refused():
    """As many lists of hits as queries, of the same size."""
    with pytest.raises(ValueError, match="do not fit"):
        expand_queries(read_only([[5, 0]]), read_only([[[0, 1]], [[0, 1]]]))


def test_fusion_weighs_the_second():
    """.75 · 2 + .25 · 6 = 3."""
    assert fuse_scores(read_only([[2]]), read_only([[6]]), 0.25).tolist() == [[3.0]]
    with pytest.raises(ValueError, match=r"weight in \[0, 1\]"):
        fuse_scores(read_only([[2]]), read_only([[6]]), 1.5)
    with pytest.raises(ValueError, match="equal shapes"):
        fuse_scores(read_only([[2]]), read_only([[6, 7]]), 0.5)


def test_standard_scores_have_no_unit():
    """(4 − 1) / 2 = 1.5; a query whose scores are all the same says nothing."""
    found = standardise(read_only([[4], [4]]), np.array([1.0, 4.0]), np.array([2.0, 0.0]))
    assert found.tolist() == [[1.5], [0.0]]
