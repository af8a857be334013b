"""Model versions for benchmarks, published as training would."""

from __future__ import annotations

from pathlib import Path

from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.networks import build
from embeddings.taxonomy import Taxonomy
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.weights import load_pretrained

NUM_ATTRIBUTES = 110


def vgg16_version(store: ModelStore) -> ModelVersion:
    """VGG16 with random weights, for speed alone, named ``vgg16-random``."""
    model = build("vgg16", "multiattrib", NUM_ATTRIBUTES)
    network = TrainedNetwork(model, "vgg16", "multiattrib", "caffe", "sigmoid", None, 224)
    return _publish(store, "vgg16-random", network)


def resnet50_version(store: ModelStore, shared_folder: Path) -> ModelVersion:
    """ResNet-50 with real ImageNet weights and untrained attribute scores, named ``resnet50-imagenet``."""
    model = build("resnet50", "multiattrib", NUM_ATTRIBUTES, preprocessing="torch")
    load_pretrained(model, shared_folder / "weights" / "resnet50_imagenet.weights.h5")
    network = TrainedNetwork(model, "resnet50", "multiattrib", "torch", "sigmoid", None, 224)
    return _publish(store, "resnet50-imagenet", network)


def _publish(store: ModelStore, version: str, network: TrainedNetwork) -> ModelVersion:
    taxonomy = Taxonomy(tuple(f"number={number}" for number in range(NUM_ATTRIBUTES)))
    publication = Publication(store, version, "none", "a benchmark", Precision.BFLOAT16)
    return publish(network, taxonomy, publication, num_images=0, settings={}, scores={})
