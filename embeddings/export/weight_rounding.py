"""Weights in eight bits: the step of every output channel, and which way each weight is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LARGEST: Final = 127
"""Weights lie in -127..127, so that no product of two int8 numbers overflows where kernels add them in pairs."""

# Of any whole number up to 127 a multiple lies in 64..127, so that larger steps would find no more grids. Of 128 steps,
# as two's complement has them below zero, the last is cut off.
_STEPS_TO_LARGEST_WEIGHT: Final = range(LARGEST + 1, 63, -1)
_SAMPLED_WEIGHTS: Final = 1024
# Of so many steps one or the other suits some weights a little better by chance.
_CLEARLY_BETTER: Final = 0.5
# Share of the mean variance that is added to every variance: directions that few samples show are not trusted.
_DAMPING: Final = 0.01
_BLOCK: Final = 128


@dataclass(frozen=True, slots=True)
class RoundedWeights:
    """A layer's weights in int8.

    Args:
        rows: (out, n) int8.
        steps: (out,) float32; rows times steps are the weights.
        bias: (out,) float32.
    """

    rows: NDArray[np.int8]
    steps: NDArray[np.float32]
    bias: NDArray[np.float32]


def round_layer(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    mean: NDArray[np.float32],
    covariance: NDArray[np.float32] | None,
) -> RoundedWeights:
    """A layer in int8 whose outputs, on inputs like those measured, have the same mean and vary nearly as before.

    What rounding does to the outputs' means is taken out of the biases. Source: Nagel, van Baalen, Blankevoort and
    Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, with measured means.

    Args:
        weights: (out, n) float32.
        bias: (out,) float32.
        mean: (n,) float32 of the layer's inputs.
        covariance: (n, n) float32 of the same; None rounds each weight to its nearest.

    Raises:
        ValueError: the covariance has another shape, or numbers that are not finite.
    """
    steps = channel_steps(weights)
    rows = round_to_nearest(weights, steps) if covariance is None else round_to_keep_outputs(weights, steps, covariance)
    lost = weights - rows * steps[:, None]
    return RoundedWeights(rows, steps, (bias + lost @ mean).astype(np.float32))


def channel_steps(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The step of each output channel's grid: (out,) float32, above 0.

    The largest weight becomes 127 steps, unless another number of steps makes the rounding clearly smaller. That
    happens to weights that were in eight bits (or fewer) before: whole multiples of a step that the largest weight
    alone does not tell. They lose nothing then.

    Args:
        weights: (out, n) float32, n ≥ 1.
    """
    largest = np.abs(weights).max(axis=1).astype(np.float64)
    largest[largest == 0] = LARGEST
    # Evenly spaced ones are enough to tell a grid from none, and bound the work on large layers.
    sampled = weights[:, :: max(1, weights.shape[1] // _SAMPLED_WEIGHTS)].astype(np.float64)
    steps = largest / LARGEST
    smallest = _squared_error(sampled, steps)
    for number in _STEPS_TO_LARGEST_WEIGHT:
        candidates = largest / number
        error = _squared_error(sampled, candidates)
        better = error < _CLEARLY_BETTER * smallest
        steps = np.where(better, candidates, steps)
        smallest = np.where(better, error, smallest)
    found: NDArray[np.float32] = steps.astype(np.float32)
    return found


def round_to_nearest(weights: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.int8]:
    """(out, n) int8: each weight's nearest multiple of its channel's step, at most 127.

    Args:
        weights: (out, n) float32.
        steps: (out,) float32, above 0.
    """
    rounded: NDArray[np.int8] = np.clip(np.rint(weights / steps[:, None]), -LARGEST, LARGEST).astype(np.int8)
    return rounded


def round_to_keep_outputs(
    weights: NDArray[np.float32], steps: NDArray[np.float32], covariance: NDArray[np.float32]
) -> NDArray[np.int8]:
    """(out, n) int8: weights rounded so that the layer's outputs vary as before, not each weight for itself.

    One input after the other is rounded, and what that changes in the outputs is made up for, as far as inputs vary
    together, by the weights that are not rounded yet. Source: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ: Accurate
    Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023, with the covariance in place of the
    second moments, because the mean is the bias's to correct. Weights on the grid stay as they are.

    Args:
        weights: (out, n) float32.
        steps: (out,) float32, above 0.
        covariance: (n, n) float32 of the layer's inputs.

    Raises:
        ValueError: the covariance has another shape, or numbers that are not finite.
    """
    num_inputs = weights.shape[1]
    if covariance.shape != (num_inputs, num_inputs) or not np.isfinite(covariance).all():
        raise ValueError(f"expected a finite covariance of {num_inputs} inputs, received {covariance.shape}")
    variances = np.diagonal(covariance)
    mean_variance = float(variances.mean())
    if mean_variance == 0:
        return round_to_nearest(weights, steps)
    # The inputs that matter most come first, while there are most others to make up for them.
    order = np.argsort(-variances, kind="stable")
    damped = covariance[np.ix_(order, order)] + np.float32(_DAMPING * mean_variance) * np.eye(
        num_inputs, dtype=np.float32
    )
    # With covariance = R Rᵀ, R upper triangular, U = R⁻¹ gives the inverse as Uᵀ U. Reversing rows and columns makes
    # the lower triangle that NumPy computes an upper one.
    upper = np.linalg.inv(np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1])
    left = weights[:, order].astype(np.float32)
    rounded = np.empty(weights.shape, np.int8)
    for first in range(0, num_inputs, _BLOCK):
        last = min(first + _BLOCK, num_inputs)
        errors = np.empty((len(weights), last - first), np.float32)
        for position in range(first, last):
            column = round_to_nearest(left[:, position : position + 1], steps)[:, 0]
            rounded[:, order[position]] = column
            errors[:, position - first] = (left[:, position] - column * steps) / upper[position, position]
            left[:, position + 1 : last] -= np.outer(errors[:, position - first], upper[position, position + 1 : last])
        left[:, last:] -= errors @ upper[first:last, last:]
    return rounded


def _squared_error(weights: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded = np.clip(np.rint(weights / steps[:, None]), -LARGEST, LARGEST)
    error: NDArray[np.float64] = ((rounded * steps[:, None] - weights) ** 2).sum(axis=1)
    return error
