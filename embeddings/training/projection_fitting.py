"""Fits the basis that a bilinear head projects its feature map onto."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.training.config import Projection

FloatArray = NDArray[np.float32]

_MOST_PER_IMAGE = 64
_MOST_ITERATIONS = 400
_TOLERANCE = 1e-3
_LOCATION_STREAM = 3
_BLOCK_ELEMENTS = 2**22
_LEAST_VARIANCE = 1e-7


@dataclass(frozen=True, slots=True)
class FittedProjection:
    """A basis and how it came about.

    Args:
        basis: (C, rank) float32, one direction per column, scaled so that the projected sample has unit variance.
        kind: What it is in the end.
        warning: What a person should know of the fit; empty where it went as it should.
    """

    basis: FloatArray
    kind: Projection
    warning: str = ""


def sample_size(num_images: int, locations_per_image: int, most_locations: int) -> tuple[int, int]:
    """How many images are looked at, and how many locations of each, for a bounded sample.

    Few locations of many images rather than all of few, as neighbouring locations are alike; but not so few that
    most of the time goes into images of which one location is taken.

    >>> sample_size(num_images=10_000, locations_per_image=196, most_locations=200_000)
    (3125, 64)
    >>> sample_size(num_images=100, locations_per_image=49, most_locations=200_000)
    (100, 49)
    """
    spread = max(most_locations // num_images, _MOST_PER_IMAGE)
    per_image = min(locations_per_image, spread, most_locations)
    return min(num_images, max(most_locations // per_image, 1)), per_image


def sample_locations(
    feature_maps: Callable[[range], FloatArray],
    num_images: int,
    map_shape: tuple[int, int, int],
    *,
    most_locations: int,
    seed: int,
    batch_size: int = 32,
    on_images: Callable[[int, int], None] = lambda _done, _total: None,
) -> FloatArray:
    """Descriptors of single locations of feature maps, (n, C) float32 with n ≤ ``most_locations``.

    Memory: 4·n·C bytes for the sample and one batch of feature maps beside it.

    Args:
        feature_maps: Gives the maps (m, H, W, C) of m images, by their position in a sample of ``num_images``.
        num_images: How many images there are to look at.
        map_shape: (H, W, C).
        most_locations: At least 1.
        seed: Decides which locations.
        batch_size: Images per call.
        on_images: Told after every batch how many images are done, and of how many.
    """
    height, width, channels = map_shape
    looked_at, per_image = sample_size(num_images, height * width, most_locations)
    generator = np.random.default_rng([seed, _LOCATION_STREAM])
    sample = np.empty((looked_at * per_image, channels), dtype=np.float32)
    for start in range(0, looked_at, batch_size):
        batch = range(start, min(start + batch_size, looked_at))
        maps = feature_maps(batch).reshape(len(batch), height * width, channels)
        for position, locations in zip(batch, maps, strict=True):
            chosen = np.sort(generator.permutation(height * width)[:per_image])
            sample[position * per_image : (position + 1) * per_image] = locations[chosen]
        on_images(batch.stop, looked_at)
    return sample


def fit_projection(sample: FloatArray, rank: int, kind: Projection, *, seed: int) -> FittedProjection:
    """The basis of independent (or principal) components of a sample of descriptors.

    A descriptor times the basis is what FastICA calls sources, but for their mean, which is not taken off: a
    projection is linear. Each has unit variance over the sample, so that none drowns the others in the bilinear layer.
    Where FastICA does not converge, its last iterate is kept and the result says so; where it fails outright,
    principal components take its place, and the result says that.

    Means and products of the centred sample are taken in float64: of maps whose mean is well above what they vary by,
    as after ReLU, float32 would leave rounding where nothing varies, and a basis of that.

    Source: Hyvärinen and Oja, "Independent Component Analysis: Algorithms and Applications", Neural Networks 2000.

    Args:
        sample: (n, C) float32, finite. Memory on top of it: a few times 4·n·rank bytes while ICA is fitted, matrices
            of C × C, and a block of 32 MiB.
        rank: Columns, at most C and below n.
        kind: ``ICA`` or ``PCA``.
        seed: Decides where ICA starts. The same sample and seed give the same basis on the same machine.

    Raises:
        ValueError: the sample has fewer dimensions than ``rank`` columns need (directions with less than 1e-7 of the
            widest one's variance, or less than rounding to float32 makes, do not count), or ``kind`` is not fitted to
            data.
    """
    num_samples, num_channels = sample.shape
    if kind is Projection.ORTHONORMAL:
        raise ValueError("an orthonormal projection is not fitted, expected ica or pca")
    if not 1 <= rank <= num_channels or rank >= num_samples:
        raise ValueError(
            f"a projection of rank {rank} needs at least {rank} channels and more locations than that, "
            f"received {num_channels} channels and {num_samples} locations"
        )
    mean = sample.mean(axis=0, dtype=np.float64)
    principal, directions = _principal_components(sample, mean, rank)
    if directions < rank:
        raise ValueError(
            f"a projection of rank {rank} needs feature maps that vary in as many directions, received {directions}"
        )
    if kind is Projection.PCA:
        return FittedProjection(principal.astype(np.float32), Projection.PCA)
    # Imported here, because it takes a second and only bilinear heads need it.
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    # FastICA would whiten in float32, by a product of the sample with its mean still in it.
    whitened = np.concatenate([block @ principal for block in _centred(sample, mean)], dtype=np.float32)
    ica = FastICA(whiten=False, max_iter=_MOST_ITERATIONS, tol=_TOLERANCE, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            basis = (principal @ ica.fit(whitened).components_.T).astype(np.float32)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            return FittedProjection(
                principal.astype(np.float32),
                Projection.PCA,
                f"FastICA failed ({error}): principal components take its place.",
            )
    if not np.isfinite(basis).all():
        return FittedProjection(
            principal.astype(np.float32),
            Projection.PCA,
            "FastICA gave no finite numbers: principal components take its place.",
        )
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        return FittedProjection(
            basis,
            Projection.ICA,
            f"FastICA did not converge in {_MOST_ITERATIONS} iterations: its last basis is used. "
            "More locations or a smaller rank may help.",
        )
    return FittedProjection(basis, Projection.ICA)


def _principal_components(sample: FloatArray, mean: NDArray[np.float64], rank: int) -> tuple[NDArray[np.float64], int]:
    """The first ``rank`` directions, scaled to unit variance, and how many of them the sample varies in."""
    num_channels = sample.shape[1]
    product = np.zeros((num_channels, num_channels))
    for block in _centred(sample, mean):
        product += block.T @ block
    variances, vectors = np.linalg.eigh(product / len(sample))
    variances, vectors = variances[::-1][:rank], vectors[:, ::-1][:, :rank]
    # The sample itself was rounded to float32, which is variance of a kind.
    rounding = np.square(float(np.finfo(np.float32).eps) * np.abs(mean).max())
    alive = variances > max(float(variances[0]) * _LEAST_VARIANCE, rounding)
    # An eigenvector's sign is the library's choice; the largest component is made positive.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(rank)])
    return vectors * signs / np.sqrt(np.where(alive, variances, 1.0)), int(alive.sum())


def _centred(sample: FloatArray, mean: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The sample less its mean, in float64, block by block."""
    num_rows = max(1, _BLOCK_ELEMENTS // sample.shape[1])
    for start in range(0, len(sample), num_rows):
        yield sample[start : start + num_rows] - mean
