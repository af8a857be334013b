"""The projection is fitted to independent components of a bounded sample, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.training.config import Projection
from embeddings.training.projection_fitting import fit_projection, sample_locations, sample_size


def mixture(num_samples=4000, num_channels=12, seed=0):
    """Three independent, spiky sources mixed into twelve channels with a little noise, and the sources."""
    random = np.random.default_rng(seed)
    sources = random.laplace(size=(num_samples, 3)) * [3, 1, 2] + [5, 0, 1]
    mixing = random.normal(size=(3, num_channels))
    noise = random.normal(scale=0.01, size=(num_samples, num_channels))
    sample = (sources @ mixing + noise).astype(np.float32)
    sample.flags.writeable = False
    return sample, sources


def test_independent_components_are_found():
    """Each source is one projected column, up to its sign and its mean; every column has unit variance."""
    sample, sources = mixture()
    fitted = fit_projection(sample, 3, Projection.ICA, seed=1)
    assert (fitted.kind, fitted.warning) == (Projection.ICA, "")
    assert fitted.basis.shape == (12, 3)
    assert fitted.basis.dtype == np.float32
    projected = sample @ fitted.basis
    np.testing.assert_allclose(projected.std(axis=0), 1, rtol=1e-2)
    correlation = np.abs(np.corrcoef(projected.T, sources.T)[:3, 3:])
    assert sorted(correlation.argmax(axis=1)) == [0, 1, 2]
    assert correlation.max(axis=1).min() > 0.99


def test_principal_components_are_uncorrelated_and_of_unit_variance():
    """The covariance of the projected sample is the identity; of the mixture's directions, the first are the widest."""
    sample, _ = mixture()
    fitted = fit_projection(sample, 3, Projection.PCA, seed=0)
    assert fitted.kind is Projection.PCA
    np.testing.assert_allclose(np.cov((sample @ fitted.basis).T), np.eye(3), atol=1e-2)


def relu_like(deviations, num_samples=2000, num_channels=64, seed=6):
    """Independent sources of these deviations, mixed into 64 channels by an orthonormal basis, about a mean of 10."""
    random = np.random.default_rng(seed)
    sources = random.laplace(scale=np.sqrt(0.5), size=(num_samples, len(deviations))) * deviations
    mixing, _ = np.linalg.qr(random.normal(size=(num_channels, len(deviations))))
    sample = (sources @ mixing.T + random.uniform(5, 15, num_channels)).astype(np.float32)
    sample.flags.writeable = False
    return sample


@pytest.mark.parametrize("kind", [Projection.ICA, Projection.PCA])
def test_rounding_is_no_direction(kind):
    """Three directions of variance 1 about a mean of 10: differences of float32 squares of it would have more."""
    sample = relu_like([1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="as many directions, received 3"):
        fit_projection(sample, 5, kind, seed=0)
    assert fit_projection(sample, 3, kind, seed=0).warning == ""


@pytest.mark.parametrize("kind", [Projection.ICA, Projection.PCA])
def test_small_directions_about_a_large_mean_are_kept(kind):
    """Deviations of 0.01 and 0.003 beside 1 (variances 1e-4 and 9e-6 of the widest) become columns of unit variance."""
    sample = relu_like([1.0, 0.5, 0.3, 0.01, 0.003])
    fitted = fit_projection(sample, 5, kind, seed=0)
    assert (fitted.kind, fitted.warning) == (kind, "")
    # In float64, so that what is measured is the basis and not the rounding of the product.
    projected = sample.astype(np.float64) @ fitted.basis.astype(np.float64)
    np.testing.assert_allclose(np.cov(projected.T), np.eye(5), atol=2e-2)
    # No column needs more than 1 / 0.003 of any channel.
    assert np.abs(fitted.basis).max() < 1.1 / 0.003


def test_the_same_seed_fits_the_same_basis():
    """Bit for bit, so that a training can be made again."""
    sample, _ = mixture(500)
    first, same = (fit_projection(sample, 3, Projection.ICA, seed=4).basis for _ in range(2))
    np.testing.assert_array_equal(first, same)


def test_what_does_not_converge_is_said(monkeypatch):
    """Two iterations are too few: the last basis is kept and the warning says so."""
    monkeypatch.setattr("embeddings.training.projection_fitting._MOST_ITERATIONS", 1)
    random = np.random.default_rng(0)
    fitted = fit_projection(random.normal(size=(400, 12)).astype(np.float32), 8, Projection.ICA, seed=0)
    assert fitted.kind is Projection.ICA
    assert "did not converge in 1 iterations" in fitted.warning


def test_where_ica_fails_principal_components_take_its_place(monkeypatch):
    """Said in the warning; the basis is that of PCA."""

    def fail(*_):
        raise np.linalg.LinAlgError("no such matrix")

    monkeypatch.setattr("sklearn.decomposition.FastICA.fit", fail)
    sample, _ = mixture(500)
    fitted = fit_projection(sample, 3, Projection.ICA, seed=0)
    assert fitted.kind is Projection.PCA
    assert "no such matrix" in fitted.warning
    np.testing.assert_array_equal(fitted.basis, fit_projection(sample, 3, Projection.PCA, seed=0).basis)


@pytest.mark.parametrize(
    ("sample", "rank", "kind", "said"),
    [
        (np.ones((10, 4), np.float32), 5, Projection.ICA, "received 4 channels and 10 locations"),
        (np.ones((3, 4), np.float32), 3, Projection.PCA, "received 4 channels and 3 locations"),
        (np.ones((10, 4), np.float32), 2, Projection.ICA, "as many directions, received 0"),
        (np.full((1000, 4), 0.1, np.float32), 2, Projection.PCA, "as many directions, received 0"),
        (np.ones((10, 4), np.float32), 2, Projection.ORTHONORMAL, "is not fitted"),
    ],
    ids=["more columns than channels", "too few locations", "nothing varies", "nor but for rounding", "not fitted"],
)
def test_impossible_projections_are_refused(sample, rank, kind, said):
    """A basis of directions that do not exist would be noise."""
    with pytest.raises(ValueError, match=said):
        fit_projection(sample, rank, kind, seed=0)


@given(st.integers(1, 5000), st.integers(1, 900), st.integers(1, 10_000))
def test_a_sample_is_never_larger_than_asked_for(num_images, per_map, most):
    """And takes no more images, and no more locations of each, than there are."""
    looked_at, per_image = sample_size(num_images, per_map, most)
    assert 1 <= looked_at <= num_images
    assert 1 <= per_image <= per_map
    assert looked_at * per_image <= most


def test_locations_are_those_of_the_images():
    """Every row of the sample is a location of its image; none is taken twice; the seed decides which."""
    maps = np.arange(5 * 6, dtype=np.float32).reshape(5, 2, 3, 1)

    def draw(seed):
        return sample_locations(
            lambda batch: maps[batch.start : batch.stop], 5, (2, 3, 1), most_locations=15, seed=seed, batch_size=2
        )

    # 15 locations of at most 6 per image: two whole images.
    assert sorted(draw(0)[:, 0]) == list(range(12))
    few = sample_locations(
        lambda batch: maps[batch.start : batch.stop], 5, (2, 3, 1), most_locations=4, seed=1, batch_size=2
    )
    assert few.shape == (4, 1)
    assert len(set(few[:, 0])) == 4
    np.testing.assert_array_equal(draw(3), draw(3))
