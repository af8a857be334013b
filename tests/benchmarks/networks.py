"""Model versions for benchmarks, published as training would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.images import decode_image, prepare
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.networks import build
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import LabelActivation
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.weights import load_pretrained, load_weights

NUM_ATTRIBUTES = 110


def benchmark_version(name: str, store: ModelStore, shared_folder: Path) -> ModelVersion:
    """A version by name: one of those below, which are made, or one that comes with Drape."""
    match name:
        case "vgg16-random":
            return vgg16_version(store)
        case "resnet50-imagenet":
            return resnet50_version(store, shared_folder)
        case _:
            return store.open(name)


def prepared_photos(shared_folder: Path, count: int, input_size: int) -> NDArray[np.uint8]:
    """Real photos of clothing, (count, input_size, input_size, 3) uint8."""
    photos = sorted((shared_folder / "data" / "clothing" / "images").glob("*.jpg"))[:count]
    return prepared_files(photos, input_size)


def prepared_files(paths: Sequence[str | Path], input_size: int) -> NDArray[np.uint8]:
    """Photos as a network takes them, (n, input_size, input_size, 3) uint8."""
    photos = (decode_image(Path(path).read_bytes(), max_pixels=10**8, min_edge=input_size) for path in paths)
    return np.stack([prepare(photo, input_size) for photo in photos])


def vgg16_version(store: ModelStore) -> ModelVersion:
    """VGG16 with random weights, for speed alone, named ``vgg16-random``."""
    model = build("vgg16", "multiattrib", NUM_ATTRIBUTES)
    network = TrainedNetwork(
        model, "vgg16", "multiattrib", "caffe", LabelActivation("sigmoid"), Normalization.L1, None, 224
    )
    return _publish(store, "vgg16-random", network)


def resnet50_version(store: ModelStore, shared_folder: Path) -> ModelVersion:
    """ResNet-50 with real ImageNet weights and untrained attribute scores, named ``resnet50-imagenet``."""
    model = build("resnet50", "multiattrib", NUM_ATTRIBUTES, preprocessing="torch")
    load_pretrained(model, shared_folder / "weights" / "resnet50_imagenet.weights.h5")
    network = TrainedNetwork(
        model, "resnet50", "multiattrib", "torch", LabelActivation("sigmoid"), Normalization.L1, None, 224
    )
    return _publish(store, "resnet50-imagenet", network)


def plain_network(version: ModelVersion) -> keras.Model:
    """The version's only network as Keras runs it in float32: batch norm in place, weights as variables."""
    manifest = version.manifest
    (spec,) = manifest.networks
    model = build(
        spec.trunk,
        spec.head,
        len(manifest.taxonomy),
        input_size=manifest.input_size,
        preprocessing=spec.preprocessing,
        activation=spec.activation,
    )
    load_weights(model, version.weights_path(spec))
    return model


def _publish(store: ModelStore, version: str, network: TrainedNetwork) -> ModelVersion:
    taxonomy = Taxonomy(tuple(f"number={number}" for number in range(NUM_ATTRIBUTES)))
    publication = Publication(store, version, "none", "a benchmark", Precision.BFLOAT16)
    return publish(network, taxonomy, publication, num_images=0, settings={}, scores={})
