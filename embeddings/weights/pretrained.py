"""Starts a network from the weights of another: ImageNet's, or those of another taxonomy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.weights.assignment import assign, layers_with_weights, norms_to_fold, read_checked, wrong_network
from embeddings.weights.digest import require_sha256
from embeddings.weights.stored import StoredLayers, open_stored

if TYPE_CHECKING:
    import keras

# The head's layers that a file may fill, with the names they may have in it. The layer of scores belongs to one
# taxonomy and always starts anew.
_HEAD_NAMES = {"fc6": ("fc6", "fc1"), "fc7": ("fc7", "fc2"), "projection": ("projection",)}
_ALWAYS_NEW = "scores"
# A kernel with this many axes is a convolution's.
_CONVOLUTION_AXES = 4


@dataclass(frozen=True, slots=True)
class PretrainedLayers:
    """What ``load_pretrained`` did, by names of the network's layers.

    Args:
        loaded: Filled from the file.
        untouched: Left as they were built, so random in a new network: always ``scores``, and ``fc6``, ``fc7`` where
            the file has no top.
    """

    loaded: tuple[str, ...]
    untouched: tuple[str, ...]


def load_pretrained(model: keras.Model, path: Path, *, sha256: str | None = None) -> PretrainedLayers:
    """Fill a network's trunk, and fc6, fc7 and the projection where the file has them, from a weights file.

    Takes Keras's published VGG16 and ResNet-50, with or without top, ``.weights.h5`` files of
    ``keras.applications.VGG16`` and ``ResNet50``, and files of ``save_weights``, whatever their number of attributes.
    Layers are matched by name. A network built with ``folded=True`` gets the file's batch normalisation folded in.
    Preprocessing is not in such files: build the network with the one its weights were trained with.

    Args:
        model: A network of ``embeddings.networks.build``; unchanged if this raises.
        path: The file.
        sha256: What the file must hash to, if known.

    Raises:
        UnusableWeights: the file is missing, truncated, damaged, altered, or made for another network.
    """
    if sha256 is not None:
        require_sha256(path, sha256)
    layers = layers_with_weights(model)
    with open_stored(path) as stored:
        sources = _sources(stored, tuple(layers), model.name)
        arrays = read_checked(stored, sources, layers, model.name)
    assign(arrays, layers)
    return PretrainedLayers(loaded=tuple(arrays), untouched=tuple(name for name in layers if name not in arrays))


def _sources(stored: StoredLayers, layer_names: tuple[str, ...], network: str) -> dict[str, str]:
    sources: dict[str, str] = {}
    missing: list[str] = []
    for name in layer_names:
        if name == _ALWAYS_NEW:
            continue
        names_in_file = _HEAD_NAMES.get(name, (name,))
        found = next((candidate for candidate in names_in_file if candidate in stored.shapes), None)
        if found is not None:
            sources[name] = found
        elif name not in _HEAD_NAMES:
            missing.append(name)
    if missing:
        raise wrong_network(
            stored,
            f"no layer {missing[0]!r}" + (f" and {len(missing) - 1} more missing" if len(missing) > 1 else ""),
            f"the {len(layer_names)} layers of {network}",
            network,
        )
    # A deeper relative has every layer of this trunk, of the same shape, and more: its first layers alone would load
    # without complaint and compute nonsense.
    used = {*sources.values(), *norms_to_fold(stored, sources).values(), *_HEAD_NAMES}
    surplus = [
        name
        for name, shapes in stored.shapes.items()
        if name not in used and any(len(shape) == _CONVOLUTION_AXES for shape in shapes)
    ]
    if surplus:
        raise wrong_network(
            stored,
            f"{len(surplus)} convolutions that {network} does not have, such as {surplus[0]!r}",
            f"the {len(layer_names)} layers of {network}",
            network,
        )
    return sources
