"""Moves stored arrays into a network's layers: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import UnusableWeights
from embeddings.weights.batch_norm import folded_into_convolution, norm_of
from embeddings.weights.stored import Shape, StoredLayers

if TYPE_CHECKING:
    import keras

Arrays = tuple[NDArray[np.float32], ...]


def layers_with_weights(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The network's layers that have weights, by name, in order."""
    return {layer.name: layer for layer in model.layers if layer.weights}


def shapes_of(layer: keras.layers.Layer) -> tuple[Shape, ...]:
    return tuple(tuple(weight.shape) for weight in layer.weights)


def norms_to_fold(stored: StoredLayers, layer_names: Iterable[str]) -> dict[str, str]:
    """For each convolution of the network whose batch normalisation only the file has: that normalisation's name."""
    names = frozenset(layer_names)
    norms = {name: norm for name in names if (norm := norm_of(name)) is not None}
    return {name: norm for name, norm in norms.items() if norm in stored.shapes and norm not in names}


def read_checked(
    stored: StoredLayers, sources: Mapping[str, str], layers: Mapping[str, keras.layers.Layer], network: str
) -> dict[str, Arrays]:
    """The arrays for the network's layers, with batch normalisation folded in where the network has none.

    Args:
        stored: The open file.
        sources: For each layer of the network to fill, the layer of the file that fills it; all of them are there.
        layers: The network's layers with weights.
        network: The network's name, for messages.

    Raises:
        UnusableWeights: a shape differs or an array is damaged. Shapes are checked before any array is read.
    """
    norms = norms_to_fold(stored, sources)
    for name, source in sources.items():
        expected = shapes_of(layers[name])
        received = stored.shapes[source]
        if name in norms:
            # The convolution may come without a bias; the batch normalisation then supplies it.
            filters = expected[0][-1]
            agree = received in (expected, expected[:1]) and stored.shapes[norms[name]] == ((filters,),) * 4
        else:
            agree = received == expected
        if not agree:
            raise wrong_shape(stored, source, received, expected, network)
    return {name: _read_one(stored, source, norms.get(name)) for name, source in sources.items()}


def assign(arrays: Mapping[str, Arrays], layers: Mapping[str, keras.layers.Layer]) -> None:
    """Put checked arrays into the layers."""
    for name, values in arrays.items():
        for weight, value in zip(layers[name].weights, values, strict=True):
            weight.assign(value)


def wrong_shape(
    stored: StoredLayers, layer: str, received: tuple[Shape, ...], expected: tuple[Shape, ...], network: str
) -> UnusableWeights:
    """The error for a layer of the right name and the wrong size, in the terms of what differs."""
    if layer == "scores" and received and expected and received[0][:-1] == expected[0][:-1]:
        return UnusableWeights(
            f"the weights file {stored.path} was made for another taxonomy",
            received=f"K = {received[0][-1]} attributes",
            expected=f"K = {expected[0][-1]} attributes",
            remedy="build the network with the taxonomy of the file's model version",
        )
    remedy = "build the network as the one the file was made with"
    if layer in ("fc1", "fc6"):
        remedy = "fc6 depends on the input size: build the network with that of the file (224 for published VGG16)"
    return UnusableWeights(
        f"the weights file {stored.path} does not fit the network {network}",
        received=f"layer {layer!r} with shapes {_listed(received)}",
        expected=f"shapes {_listed(expected)}",
        remedy=remedy,
    )


def wrong_network(stored: StoredLayers, reason: str, expected: str, network: str) -> UnusableWeights:
    """The error for a file of another network."""
    return UnusableWeights(
        f"the weights file {stored.path} was made for another network than {network}",
        received=f"{reason}; the file has {_named(stored.shapes)}",
        expected=expected,
        remedy="give the weights of this network, or build the network of these weights",
    )


def _read_one(stored: StoredLayers, source: str, norm: str | None) -> Arrays:
    if norm is None:
        return stored.read(source)
    return folded_into_convolution(stored.read(source), stored.read(norm))


def _named(layers: Mapping[str, object]) -> str:
    names = list(layers)
    shown = ", ".join(names[:4])
    return f"{len(names)} layers: {shown}" + (", …" if len(names) > 4 else "")


def _listed(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(str(shape) for shape in shapes) or "none"
