"""Bilinear pooling: how the channels of a feature map occur together, against a small fixed basis."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from embeddings.networks.convolutions import DATA_FORMAT

_PROJECTION = "projection"
_FEATURE_MAP = "feature_map"
# Slope of the signed root at 0 is 1/√ε = 100: bounded, since a dead channel is exactly 0 for every image.
_ROOT_EPSILON = 1e-4
_NORM_EPSILON = 1e-12


@keras.saving.register_keras_serializable(package="drape")
class BilinearPooling(keras.layers.Layer):
    """Σ over locations of α ⊗ β, then signed square root, then L2 normalisation.

    Takes a feature map α (n, H, W, C) and its projection β (n, H, W, R); gives (n, C·R) float32, entry c·R + r, of
    unit length (zero where the map is zero). The signed root and the L2 norm keep a few strong channels from drowning
    the rest, as bilinear networks usually do; the root is smoothed at zero: x / √(|x| + ε).

    Source: Lin, RoyChowdhury and Maji, "Bilinear CNN Models for Fine-grained Visual Recognition", ICCV 2015.

    Args:
        normalize: False leaves out both and gives the mean over locations instead of the sum: the sum itself, up to
            a constant that keeps the numbers independent of the input's size.
    """

    def __init__(self, *, normalize: bool = True, **kwargs: object) -> None:
        # Sums over hundreds of locations need more bits than bfloat16 has.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.normalize = normalize

    def call(self, inputs: tuple[keras.KerasTensor, keras.KerasTensor]) -> keras.KerasTensor:
        maps, projected = inputs
        _, height, width, channels = maps.shape
        rank = projected.shape[-1]
        maps = ops.reshape(maps, (-1, height * width, channels))
        projected = ops.reshape(projected, (-1, height * width, rank))
        products = ops.matmul(ops.transpose(maps, (0, 2, 1)), projected)
        flat = ops.reshape(products, (-1, channels * rank))
        if not self.normalize:
            return flat / (height * width)
        rooted = flat * ops.rsqrt(ops.abs(flat) + _ROOT_EPSILON)
        length_squared = ops.sum(ops.square(rooted), axis=-1, keepdims=True)
        return rooted * ops.rsqrt(ops.maximum(length_squared, _NORM_EPSILON))

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        (batch, _, _, channels), (_, _, _, rank) = input_shape
        return (batch, channels * rank if channels and rank else None)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "normalize": self.normalize}


def bilinear_descriptor(
    feature_map: keras.KerasTensor, rank: int, *, trainable: bool, normalize: bool
) -> keras.KerasTensor:
    """(n, C·rank) float32 descriptor of a feature map (n, H, W, C).

    The projection starts as an orthonormal basis drawn from a fixed seed, and stays fixed unless ``trainable``;
    ``set_projection`` puts a fitted basis in its place.
    """
    feature_map = layers.Identity(dtype="float32", name=_FEATURE_MAP)(feature_map)
    projected = layers.Conv2D(
        rank,
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Orthogonal(seed=20),
        trainable=trainable,
        data_format=DATA_FORMAT,
        dtype="float32",
        name=_PROJECTION,
    )(feature_map)
    return BilinearPooling(normalize=normalize, name="bilinear")((feature_map, projected))


def feature_map_network(model: keras.Model) -> keras.Model:
    """The part of a bilinear network up to its feature map (n, H, W, C) float32, sharing the layers.

    What a projection is fitted on.

    Raises:
        ValueError: the network has no bilinear head.
    """
    _require_bilinear(model)
    return keras.Model(model.input, model.get_layer(_FEATURE_MAP).output, name=_FEATURE_MAP)


def projection(model: keras.Model) -> NDArray[np.float32]:
    """The basis of a bilinear network, (C, rank) float32, one direction per column.

    Raises:
        ValueError: the network has no bilinear head.
    """
    _require_bilinear(model)
    kernel = model.get_layer(_PROJECTION).kernel.numpy()
    return np.asarray(kernel[0, 0], dtype=np.float32)


def set_projection(model: keras.Model, basis: NDArray[np.floating]) -> None:
    """Put a fitted basis, (C, rank) with one direction per column, in place of the network's own.

    Raises:
        ValueError: the network has no bilinear head, or the basis has another shape or holds NaN or infinity.
    """
    expected = projection(model).shape
    received = np.asarray(basis)
    if received.shape != expected:
        raise ValueError(
            f"the projection needs a basis of shape {expected} (channels × rank), received {received.shape}"
        )
    if not np.isfinite(received).all():
        raise ValueError("the projection needs finite numbers, received NaN or infinity")
    model.get_layer(_PROJECTION).kernel.assign(received.reshape(1, 1, *expected).astype(np.float32))


def _require_bilinear(model: keras.Model) -> None:
    names = {layer.name for layer in model.layers}
    if not {_PROJECTION, _FEATURE_MAP} <= names:
        raise ValueError(
            f"the network {model.name!r} has no bilinear head; build it with head='bilinear' to have a projection"
        )
