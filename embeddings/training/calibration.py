"""Puts scores on a scale on which their sigmoid is a probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NUM_NEWTON_STEPS = 50


def fit_calibration(scores: NDArray[np.floating], targets: NDArray[np.floating]) -> tuple[float, float]:
    """The scale a > 0 and shift b for which sigmoid(a·score + b) is most likely, one pair for all attributes.

    The LSEP loss compares scores of one image with each other and so says nothing about their common level: adding a
    constant to all changes nothing. Their sigmoid, which histogram intersection compares, depends on it: at too high a
    level every absent attribute keeps a part of the sum, and nothing tells items apart. This is Platt's calibration
    with one pair for all attributes, which leaves the order of every image's scores as it was.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.

    Args:
        scores: (n, K), finite.
        targets: (n, K) in {0, 1}.

    Returns:
        (a, b); (1, 0) where all targets are the same or high scores go with false ones, so that there is no such pair.

    Raises:
        ValueError: the shapes differ.
    """
    if scores.shape != targets.shape:
        raise ValueError(f"scores of shape {scores.shape} do not fit targets of shape {targets.shape}")
    x = np.asarray(scores, dtype=np.float64).ravel()
    y = np.asarray(targets, dtype=np.float64).ravel()
    if not len(x) or y.min() == y.max():
        return 1.0, 0.0
    center, spread = x.mean(), max(x.std(), 1e-12)
    x = (x - center) / spread
    # Of a slope of zero, the likeliest shift is the log odds of the base rate: a start from which Newton converges.
    weights = np.array([0.0, np.log(y.mean() / (1 - y.mean()))])
    design = np.stack([x, np.ones_like(x)])
    # A faint pull towards zero keeps the slope finite where the scores separate the targets without an error.
    pull = np.array([1e-6, 0.0])
    for _ in range(_NUM_NEWTON_STEPS):
        probabilities = 1 / (1 + np.exp(-np.clip(weights @ design, -60, 60)))
        gradient = design @ (probabilities - y) / len(x) + pull * weights
        curvature = (design * (probabilities * (1 - probabilities))) @ design.T / len(x) + np.diag(pull + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        # Bounded, because far from the optimum the curvature promises more than it keeps.
        weights = weights - step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    scale = float(weights[0] / spread)
    return (scale, float(weights[1] - scale * center)) if scale > 0 else (1.0, 0.0)
