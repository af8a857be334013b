"""What the layers with weights get as inputs: means and covariances over sampled images and locations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras

# Enough locations of one image: neighbouring ones are much alike.
_LOCATIONS_PER_EDGE: Final = 8
LARGEST_COVARIANCE: Final = 4608
"""Inputs of ResNet-50's and VGG16's widest convolutions. VGG16's fc6 has 25,088: its covariance would take 2.5 GB."""

_IMAGES_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class LayerInputs:
    """The inputs of one layer.

    Args:
        mean: (n,) float32, in the order of the kernel's rows (height, width, channel).
        covariance: (n, n) float32, or None where there are more than ``LARGEST_COVARIANCE`` inputs.
    """

    mean: NDArray[np.float32]
    covariance: NDArray[np.float32] | None


def layers_with_weights(network: keras.Model) -> list[keras.Layer]:
    """The network's convolutions and fully connected layers, in its own order."""
    return [layer for layer in network.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))]


def measure_inputs(network: keras.Model, images: NDArray[np.uint8]) -> dict[str, LayerInputs]:
    """Inputs of every convolution and fully connected layer, by the layer's name.

    Takes as much memory as all covariances together: 0.5 GB for ResNet-50.

    Args:
        network: As ``embeddings.networks.build`` makes it.
        images: (n, S, S, 3) uint8, prepared; n ≥ 1.
    """
    layers = layers_with_weights(network)
    sampled = keras.Model(network.input, [_sampled(layer) for layer in layers])
    sizes = [tensor.shape[-1] for tensor in sampled.outputs]
    counts = [0] * len(layers)
    sums = [np.zeros(size, np.float64) for size in sizes]
    squares = [np.zeros((size, size), np.float32) if size <= LARGEST_COVARIANCE else None for size in sizes]
    for first in range(0, len(images), _IMAGES_AT_ONCE):
        found = sampled.predict_on_batch(images[first : first + _IMAGES_AT_ONCE].astype(np.float32))
        for which, inputs in enumerate(found if len(layers) > 1 else [found]):
            rows = np.asarray(inputs, np.float32).reshape(-1, sizes[which])
            counts[which] += len(rows)
            sums[which] += rows.sum(axis=0, dtype=np.float64)
            square = squares[which]
            if square is not None:
                square += rows.T @ rows
    return {layer.name: _of_sums(counts[which], sums[which], squares[which]) for which, layer in enumerate(layers)}


def _sampled(layer: keras.Layer) -> keras.KerasTensor:
    """The layer's inputs at some locations, evenly spread: (n, …, size of the kernel's rows)."""
    if isinstance(layer, keras.layers.Dense):
        return layer.input
    edge = max(1, layer.output.shape[1])
    apart = max(1, round(edge / _LOCATIONS_PER_EDGE))
    return keras.ops.image.extract_patches(
        layer.input,
        layer.kernel_size,
        strides=tuple(apart * stride for stride in layer.strides),
        padding=layer.padding,
        data_format=layer.data_format,
    )


def _of_sums(count: int, sums: NDArray[np.float64], squares: NDArray[np.float32] | None) -> LayerInputs:
    mean = sums / count
    if squares is None:
        return LayerInputs(mean.astype(np.float32), None)
    # In place, because there are hundreds of megabytes of them.
    squares /= np.float32(count)
    squares -= np.outer(mean, mean).astype(np.float32)
    return LayerInputs(mean.astype(np.float32), squares)
