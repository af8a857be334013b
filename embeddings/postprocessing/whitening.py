"""PCA whitening: fewer components, each of the same variance over the images it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.similarity import l2_normalize

FloatArray = NDArray[np.float32]

DEFAULT_SHRINKAGE: Final = 0.05
"""Measured on photos of dresses and of clothing in general, 64 to 256 components of the compact network's 384: mostly
better than none, most of all where components are many and photos few, and never worse by more than chance."""

_LEAST_DEVIATION: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Takes L2-normalised features to whitened, L2-normalised ones.

    Source: Jégou and Chum, "Negative Evidences and Co-occurrences in Image Retrieval: the Benefit of PCA and
    Whitening", ECCV 2012.

    Args:
        mean: (D,) float32.
        projection: (D, N) float32: a principal direction per column, divided by the standard deviation along it.
    """

    mean: FloatArray
    projection: FloatArray

    @property
    def size(self) -> int:
        """N."""
        return int(self.projection.shape[1])

    def apply(self, features: FloatArray) -> FloatArray:
        """Raw or normalised features (n, D) to (n, N) float32 of unit length."""
        return l2_normalize((l2_normalize(features) - self.mean) @ self.projection)


def fit_whitening(features: FloatArray, size: int, *, shrinkage: float = DEFAULT_SHRINKAGE, seed: int = 0) -> Whitening:
    """Principal directions of L2-normalised features.

    With a shrinkage s, variances λ are first drawn towards the mean variance of all D directions, (1 − s)·λ + s·mean:
    directions of little variance, of which few samples know little, are scaled up less (Ledoit and Wolf, "A
    well-conditioned estimator for large-dimensional covariance matrices", 2004).

    Of n samples no more than n − 1 directions can be known, and directions in which the samples do not differ cannot be
    scaled: the whitening has as many components as there are, which may be fewer than asked for.

    Args:
        features: (n, D) float32, n ≥ 2. Memory is three to seven times this array.
        size: N, at least 1.
        shrinkage: s in [0, 1); 0 gives every component a variance of 1 over the samples.
        seed: Of the randomised decomposition, which large arrays of fewer than D samples get.

    Raises:
        ValueError: there are fewer than two samples, they are all the same, the size is below 1, or the shrinkage
            outside its range.
    """
    # Here because scikit-learn takes a second to import.
    from sklearn.decomposition import PCA

    if size < 1 or features.ndim != 2 or len(features) < 2:
        raise ValueError(f"expected at least two samples and one component, received {features.shape}, size {size}")
    if not 0 <= shrinkage < 1:
        raise ValueError(f"expected a shrinkage in [0, 1), received {shrinkage}")
    # In float64, because a deviation found from the covariance is known to the root of a float's precision: in float32
    # to 3e-4 of the largest, which is more than what many directions have that matter.
    unit = l2_normalize(features).astype(np.float64)
    if not (unit != unit[0]).any():
        raise ValueError("the samples do not differ, so there is no direction to whiten")
    num_samples, num_before = unit.shape
    pca = PCA(
        n_components=min(size, num_samples - 1, num_before),
        # Exact, and less to keep than a decomposition of the samples; where they are fewer than D, that is the smaller.
        svd_solver="covariance_eigh" if num_before <= num_samples else "auto",
        copy=False,
        random_state=seed,
    ).fit(unit)
    deviations = np.sqrt(pca.explained_variance_)
    # Below this share of the largest, a deviation is rounding of the float32 features, and dividing by it would make
    # noise loud.
    usable = deviations > max(deviations[0] * _LEAST_DEVIATION, 1e-7)
    if shrinkage:
        mean_variance = pca.explained_variance_[0] / pca.explained_variance_ratio_[0] / num_before
        deviations = np.sqrt((1 - shrinkage) * pca.explained_variance_ + shrinkage * mean_variance)
    return Whitening(
        mean=pca.mean_.astype(np.float32),
        projection=(pca.components_[usable].T / deviations[usable]).astype(np.float32),
    )
