"""Puts scores on a scale on which their sigmoid is a probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_UNSEEN = 100
"""With fewer held-out images, training images tell more; with fewer that have one label of a softmax, nothing does."""

_NUM_NEWTON_STEPS = 50
_LARGEST_SCALE = 100.0


def fit_scales(
    scores: NDArray[np.floating],
    targets: NDArray[np.floating],
    softmax_spans: Sequence[tuple[int, int]],
    *,
    unseen: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift of every attribute's score, by what becomes of it.

    Attributes that share a softmax get the scale that ``fit_temperature`` finds for it, and no shift; all others the
    pair of ``fit_calibration``.

    Args:
        scores: (n, K), finite.
        targets: (n, K) in {0, 1}.
        softmax_spans: First and one past the last position of the attributes of each softmax.
        unseen: Whether the network was not trained on these images. On images it was trained on it is surer than it may
            be, so scores that share a softmax then stay as they are; so do those of a softmax of which fewer than
            ``FEWEST_UNSEEN`` images have exactly one. Of the others LSEP leaves the very level open.

    Returns:
        Scales, above 0, and shifts, (K,) each.
    """
    scales = np.ones(scores.shape[1], dtype=np.float32)
    shifts = np.zeros(scores.shape[1], dtype=np.float32)
    alone = np.ones(scores.shape[1], dtype=bool)
    for start, stop in softmax_spans:
        if unseen and (targets[:, start:stop].sum(axis=1) == 1).sum() >= FEWEST_UNSEEN:
            scales[start:stop] = fit_temperature(scores[:, start:stop], targets[:, start:stop])
        alone[start:stop] = False
    if alone.any():
        scales[alone], shifts[alone] = fit_calibration(scores[:, alone], targets[:, alone])
    return scales, shifts


def fit_temperature(scores: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """The scale a for which softmax(a · scores) is most likely, over the rows with exactly one true label.

    A network that has seen its training images dozens of times is surer of others than it may be; then a < 1. The order
    of the scores stays.

    Scores that are right on every one of n rows would become certainties. So, as Laplace's rule of succession counts
    one failure more, each row counts once more with a label drawn by lot and a weight of 1 / n. That keeps the
    likelihood concave and gives it one maximum, which Newton's method finds.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017 (a = 1 / T).

    Args:
        scores: (n, K), finite.
        targets: (n, K) in {0, 1}.

    Returns:
        a in [0.01, 100]; 1 where no row has exactly one true label, or scores do not differ.

    Raises:
        ValueError: the shapes differ.

    >>> two_of_three_right = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]), np.array([[1, 0], [1, 0], [0, 1]])
    >>> round(fit_temperature(*two_of_three_right), 4)  # As if 2.5 of 4 were right: ln(2.5 / 1.5) / 2.
    0.2554
    """
    if scores.shape != targets.shape:
        raise ValueError(f"scores of shape {scores.shape} do not fit targets of shape {targets.shape}")
    single = (targets > 0).sum(axis=1) == 1
    x = np.asarray(scores, dtype=np.float64)[single]
    x = x - x.mean(axis=1, keepdims=True) if len(x) else x
    if not len(x) or np.ptp(x) == 0:
        return 1.0
    true = x[targets[single] > 0]
    counted = 1 + 1 / len(x)
    scale = 1.0
    for _ in range(_NUM_NEWTON_STEPS):
        powers = np.exp(scale * (x - x.max(axis=1, keepdims=True)))
        shares = powers / powers.sum(axis=1, keepdims=True)
        means = (shares * x).sum(axis=1)
        # Labels by lot add nothing to the true scores: their mean is 0, since every row is centred.
        slope = counted * means.mean() - true.mean()
        curvature = counted * (shares * np.square(x - means[:, np.newaxis])).sum(axis=1).mean()
        # At most doubled or halved: far from the maximum the curvature promises more than it keeps.
        step = np.clip(-slope / max(curvature, 1e-12), -scale / 2, scale)
        scale = float(np.clip(scale + step, 1 / _LARGEST_SCALE, _LARGEST_SCALE))
        if abs(step) < 1e-8 * scale:
            break
    return scale


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
