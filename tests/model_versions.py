"""Small model versions of random networks, as training would leave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from embeddings.backend import keras
from embeddings.manifest import (
    MANIFEST_FILE,
    PROBABILITIES,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    write_manifest,
)
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.networks import build
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy
from embeddings.weights import save_weights

INPUT_SIZE = 32
TAXONOMY = Taxonomy(("color=red", "color=blue", "sleeve=long"))


@dataclass(frozen=True)
class RandomNetwork:
    """One network of a version: the compact trunk under a head.

    Args:
        features: Which of its outputs the version has.
        rank: Of the bilinear head's projection.
        folded: As fine-tuning leaves it, with no batch normalisation in its weights.
    """

    head: str
    features: tuple[str, ...]
    activation: str = "sigmoid"
    rank: int | None = None
    folded: bool = False

    def build(self, seed: int) -> keras.Model:
        """No constant of its batch normalisation has its initial value, so that folding it matters."""
        keras.utils.set_random_seed(seed)
        network = build(
            "compact",
            self.head,
            len(TAXONOMY),
            input_size=INPUT_SIZE,
            activation=self.activation,
            projection_rank=self.rank or 1,
            folded=self.folded,
        )
        random = np.random.default_rng(seed)
        for variable in network.variables:
            kind = variable.path.rsplit("/", 1)[-1]
            if kind != "kernel":
                low, high = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 2.0)}.get(kind, (-0.3, 0.3))
                variable.assign(random.uniform(low, high, variable.shape))
        return network


def add_version(
    store: ModelStore,
    name: str,
    networks: Sequence[tuple[RandomNetwork, keras.Model]],
    *,
    prob_normalization: Normalization = Normalization.L2,
) -> ModelVersion:
    """A version in float32 of these networks, each with what ``build`` made of it."""
    with store.adding(name) as folder:
        specs, sizes = [], {}
        for number, (one, network) in enumerate(networks):
            file = f"{number}.weights.h5"
            digest = save_weights(network, folder / file)
            specs.append(
                NetworkSpec("compact", one.head, file, digest, "torch", one.activation, one.features, one.rank)
            )
            for feature in one.features:
                scaled = prob_normalization if feature == PROBABILITIES else Normalization.L2
                sizes[feature] = FeatureSpec(network.output[feature].shape[-1], scaled)
        manifest = ModelManifest(
            version=name,
            input_size=INPUT_SIZE,
            precision=Precision.FLOAT32,
            networks=tuple(specs),
            taxonomy=TAXONOMY,
            features=sizes,
            visual_feature="pool",
            provenance=Provenance(data="none", num_images=0, command="test"),
            scores={"pool precision@1": 0.5},
            created=date(2026, 5, 6),
        )
        write_manifest(manifest, folder / MANIFEST_FILE)
    return store.open(name)


def random_images(count: int, seed: int) -> np.ndarray:
    """(count, INPUT_SIZE, INPUT_SIZE, 3) uint8, not to be written to."""
    array = np.random.default_rng(seed).integers(0, 256, (count, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    array.flags.writeable = False
    return array
