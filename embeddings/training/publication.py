"""From a trained network to a model version in a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from embeddings.backend import keras
from embeddings.manifest import (
    MANIFEST_FILE,
    PROBABILITIES,
    VISUAL_FEATURES,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    write_manifest,
)
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy
from embeddings.training.held_out_pictures import write_held_out
from embeddings.training.history import write_history
from embeddings.training.label_activation import LabelActivation
from embeddings.training.progress import EpochRecord
from embeddings.weights import save_weights


@dataclass(frozen=True, slots=True)
class Publication:
    """Where a trained network goes, and under what name.

    Args:
        store: The store it is added to.
        version: Its name there.
        data: The training data in words, seeds included.
        command: The command line, or the call, that makes the version.
        precision: What the version computes in.
        replace: Let it take the place of a version of the same name.
        float16_weights: Store kernels in half the space.
        held_out: Keys of the pictures that are held out, for measurements to come.
    """

    store: ModelStore
    version: str
    data: str
    command: str
    precision: Precision = Precision.FLOAT32
    replace: bool = False
    float16_weights: bool = False
    held_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network and the arguments that ``embeddings.networks.build`` needs to build it again."""

    model: keras.Model
    trunk: str
    head: str
    preprocessing: str
    activation: LabelActivation
    prob_normalization: Normalization
    projection_rank: int | None
    input_size: int
    bilinear_normalization: bool = True


def publish(
    network: TrainedNetwork,
    taxonomy: Taxonomy,
    publication: Publication,
    *,
    num_images: int,
    settings: Mapping[str, object],
    scores: Mapping[str, float],
    history: Sequence[EpochRecord] = (),
) -> ModelVersion:
    """Add the network to the store as a model version of its own.

    Its features are ``prob``, its visual feature, and its bilinear descriptor where it has one. The history of its
    epochs (``history.write_history``) and the keys of held-out pictures lie in the version's folder.

    Raises:
        ModelVersionExists: the name is taken.
        UnusableWeights: training ended in numbers that cannot be stored.
    """
    sizes = {name: int(tensor.shape[-1]) for name, tensor in network.model.output.items()}
    visual_feature = next(name for name in VISUAL_FEATURES if name in sizes)
    features = [visual_feature, *(["bilinear"] if "bilinear" in sizes else []), PROBABILITIES]
    weights_file = f"{network.trunk}_{network.head}.weights.h5"
    with publication.store.adding(publication.version, replace=publication.replace) as folder:
        digest = save_weights(network.model, folder / weights_file, float16=publication.float16_weights)
        manifest = ModelManifest(
            version=publication.version,
            input_size=network.input_size,
            precision=publication.precision,
            networks=(
                NetworkSpec(
                    trunk=network.trunk,
                    head=network.head,
                    weights=weights_file,
                    sha256=digest,
                    preprocessing=network.preprocessing,
                    activation=network.activation.name,
                    exclusive_groups=network.activation.exclusive_groups,
                    features=tuple(features),
                    projection_rank=network.projection_rank,
                    bilinear_normalization=network.bilinear_normalization,
                ),
            ),
            taxonomy=taxonomy,
            features={
                name: FeatureSpec(
                    sizes[name], network.prob_normalization if name == PROBABILITIES else Normalization.L2
                )
                for name in features
            },
            visual_feature=visual_feature,
            provenance=Provenance(
                data=publication.data, num_images=num_images, command=publication.command, settings=settings
            ),
            scores={name: round(score, 4) for name, score in scores.items()},
            created=datetime.now(UTC).date(),
        )
        write_history(history, folder)
        write_held_out(publication.held_out, folder)
        write_manifest(manifest, folder / MANIFEST_FILE)
    return publication.store.open(publication.version)
