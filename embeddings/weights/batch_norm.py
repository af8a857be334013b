"""Folds batch normalisation into the convolution before it: the same function with one operation less."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# What every network here adds to the variance: the constant of Keras's ResNet-50, with which its published weights were
# trained. It is not stored in weights files, so folding must know it.
BATCH_NORM_EPSILON: Final = 1.001e-5

_CONVOLUTION = "_conv"
_NORM = "_bn"


def norm_of(convolution: str) -> str | None:
    """Name of the batch normalisation that follows a convolution by the networks' naming, or None for other layers.

    >>> norm_of("conv2_block1_1_conv")
    'conv2_block1_1_bn'
    """
    return convolution.removesuffix(_CONVOLUTION) + _NORM if convolution.endswith(_CONVOLUTION) else None


def folded_into_convolution(
    convolution: tuple[NDArray[np.float32], ...], norm: tuple[NDArray[np.float32], ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of the one convolution that equals convolution and batch normalisation in inference.

    γ (k∗x + b − μ) / √(σ² + ε) + β = (k s)∗x + β + (b − μ) s with s = γ / √(σ² + ε), per output channel.

    Args:
        convolution: Kernel (height, width, in, out) and, if it has one, bias (out,).
        norm: γ, β, μ, σ², each (out,).

    Returns:
        Kernel (height, width, in, out) and bias (out,), float32; computed in float64.
    """
    kernel = convolution[0].astype(np.float64)
    bias = convolution[1].astype(np.float64) if len(convolution) > 1 else 0.0
    gamma, beta, mean, variance = (array.astype(np.float64) for array in norm)
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    return (kernel * scale).astype(np.float32), (beta + (bias - mean) * scale).astype(np.float32)
