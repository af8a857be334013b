"""Networks as an evaluation sees them: prepared images in, every named output out. The one module here with Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.evaluation.feature_rows import FloatArray
from embeddings.evaluation.untrained import UntrainedNetwork
from embeddings.evaluation.unusable_features import require_finite
from embeddings.keras_embedder import compile_networks, load_network
from embeddings.manifest import Precision
from embeddings.model_store import ModelVersion
from embeddings.networks import build, default_input_size, default_preprocessing
from embeddings.postprocessing.stored_whitening import load_whitening
from embeddings.postprocessing.whitening import Whitening
from embeddings.weights import download_published, file_sha256, load_pretrained
from embeddings.weights.expected_preprocessing import preprocessing_for

_RANDOM_SEED = 0


class EvaluatedNetwork:
    """One network with what tables and reports say about it.

    Args:
        name: What it is called in tables.
        model: A network of ``embeddings.networks.build``.
        outputs: Which of its outputs, at least one.
        facts: What the report says about it, JSON-serialisable.
        batch_size: Images per call; fewer are filled up, so that the network is compiled once.
        whitened: An output that is whitened after the network, and how.

    Attributes:
        input_size: Edge of the square input in pixels.
        sizes: Number of components of each output.
    """

    def __init__(
        self,
        name: str,
        model: keras.Model,
        outputs: tuple[str, ...],
        facts: Mapping[str, object],
        *,
        batch_size: int = 32,
        whitened: tuple[str, Whitening] | None = None,
    ) -> None:
        self.name = name
        self.facts = facts
        self.batch_size = batch_size
        self.input_size = int(model.input.shape[1])
        sizes = {output: int(model.output[output].shape[-1]) for output in outputs}
        self._whitened = whitened
        self.sizes: Mapping[str, int] = sizes if whitened is None else {**sizes, whitened[0]: whitened[1].size}
        self._run = compile_networks([(model, outputs)], batch_size, self.input_size)

    def compute(self, images: NDArray[np.uint8]) -> dict[str, FloatArray]:
        """Every output: (n, size) float32 each, of n ≤ ``batch_size`` prepared images (n, S, S, 3) uint8.

        Raw, but for what is whitened.

        Raises:
            UnusableFeatures: what is to be whitened holds NaN or infinity.
        """
        filled = np.zeros((self.batch_size, *images.shape[1:]), dtype=np.uint8)
        filled[: len(images)] = images
        outputs = {name: np.asarray(values)[: len(images)] for name, values in self._run(filled).items()}
        if self._whitened is not None:
            name, whitening = self._whitened
            require_finite(self.name, name, outputs[name])
            outputs[name] = whitening.apply(outputs[name])
        return outputs


def networks_of(version: ModelVersion, precision: Precision | None, *, batch_size: int) -> list[EvaluatedNetwork]:
    """The networks of a model version, with all of their outputs, not only those that are features of the version.

    Args:
        precision: What to compute in; None is the version's own.

    Raises:
        UnusableModel, UnusableWeights: the version is damaged.
    """
    manifest = version.manifest
    computed_in = manifest.precision if precision is None else precision
    name = manifest.version_in(computed_in)
    whitening = load_whitening(version)
    found = []
    for network in manifest.networks:
        model = load_network(version, network, manifest, computed_in)
        called = name if len(manifest.networks) == 1 else f"{name} ({network.trunk} + {network.head})"
        facts: dict[str, object] = {
            "trunk": network.trunk,
            "head": network.head,
            "activation": network.activation,
            "preprocessing": network.preprocessing,
            "input_size": manifest.input_size,
            "precision": computed_in.value,
            "weights_sha256": network.sha256,
            "trained_on": manifest.provenance.data,
        }
        whitened = None
        if whitening is not None and manifest.whitening is not None and manifest.visual_feature in network.features:
            whitened = (manifest.visual_feature, whitening)
            facts["whitening_sha256"] = manifest.whitening.sha256
        found.append(
            EvaluatedNetwork(called, model, tuple(model.output), facts, batch_size=batch_size, whitened=whitened)
        )
    return found


def untrained_network(
    network: UntrainedNetwork, precision: Precision | None, *, batch_size: int
) -> tuple[EvaluatedNetwork, tuple[str, ...]]:
    """A trunk without attributes and notes on it: fc6 and fc7 of VGG16 where its weights have them, else pool.

    Raises:
        UnusableWeights: the weights file is missing, damaged, or of another network.
    """
    computed_in = Precision.FLOAT32 if precision is None else precision
    weights = network.weights
    if weights is None and not network.is_random:
        weights = download_published(network.trunk, with_top=network.trunk == "vgg16")
    notes: tuple[str, ...] = ()
    if weights is not None:
        default = default_preprocessing(network.trunk)
        taken = preprocessing_for(network.trunk, weights, network.preprocessing, default)
        network = replace(network, preprocessing=taken.mode)
        notes = (f"{network.name}: {taken.note}",)
    model, untouched = _built(network, "multiattrib", computed_in, weights)
    if {"fc6", "fc7"} & set(untouched) and weights is not None:
        # A file without top knows the convolutions alone; what they end in is then all there is to compare.
        model, _ = _built(network, "bilinear", computed_in, weights)
        notes = (*notes, f"The weights of {network.name} have no fc6 and fc7, so its pool is evaluated instead.")
    outputs = tuple(name for name in model.output if name in ("fc6", "fc7", "pool"))
    facts = {
        "trunk": network.trunk,
        "weights": None if weights is None else weights.name,
        "weights_sha256": None if weights is None else file_sha256(weights),
        "preprocessing": network.preprocessing or default_preprocessing(network.trunk),
        "input_size": network.input_size or default_input_size(network.trunk),
        "precision": computed_in.value,
        "trained_on": "nothing: random weights" if weights is None else "no attributes: the trunk's own weights",
    }
    return EvaluatedNetwork(network.name, model, outputs, facts, batch_size=batch_size), notes


def _built(
    network: UntrainedNetwork, head: str, precision: Precision, weights: Path | None
) -> tuple[keras.Model, tuple[str, ...]]:
    """The network, and the layers that no weights were found for."""
    if weights is None:
        keras.utils.set_random_seed(_RANDOM_SEED)
    model = build(
        network.trunk,
        head,
        1,
        input_size=network.input_size,
        preprocessing=network.preprocessing,
        precision=precision.value,
        # Random statistics of a batch normalisation are not worth having; a file's are folded in.
        folded=True,
        projection_rank=1,
    )
    return model, () if weights is None else load_pretrained(model, weights).untouched
