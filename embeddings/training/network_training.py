"""Trains a network end to end on attribute labels, and adds it to a store as a model version."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.losses import LSEP
from embeddings.manifest import PROBABILITIES, VISUAL_FEATURES
from embeddings.model_store import ModelVersion
from embeddings.networks import build, default_preprocessing
from embeddings.similarity import l2_normalize
from embeddings.taxonomy import Taxonomy
from embeddings.training.batches import TrainingBatches
from embeddings.training.calibration import fit_calibration
from embeddings.training.config import TrainingConfig
from embeddings.training.feature_computation import compute_features
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.optimization import adam
from embeddings.training.progress import EpochCallback, EpochRecord, ignore_epoch
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.training.retrieval_scores import retrieval_scores
from embeddings.weights import load_pretrained

# Every image is compared with every other, so time and memory grow with the square of their number.
_MOST_MEASURED = 3000
_MOST_CALIBRATED = 2000
_RANKS_WHILE_TRAINING, _RANKS = (1, 5), (1, 5, 10)


def train_network(
    config: TrainingConfig,
    data: LabelledImages,
    taxonomy: Taxonomy,
    publication: Publication,
    *,
    held_out: LabelledImages | None = None,
    pretrained: Path | None = None,
    on_epoch: EpochCallback = ignore_epoch,
) -> ModelVersion:
    """Train all layers with the LSEP loss and Adam, calibrate, measure on held-out images, and add the result.

    Runs on any Keras backend; the weights it writes do not depend on which.

    Args:
        config: The recipe.
        data: Training images; their edge becomes the network's input size.
        taxonomy: The attributes to train; others are left out.
        publication: Where the version goes, and under what name.
        held_out: Images of other items, measured after every epoch; the last measurement goes into the manifest.
        pretrained: Weights file to start the trunk from; None starts from random weights.
        on_epoch: Told after every epoch.

    Raises:
        ModelVersionExists: the name is taken. This is found before training, too.
        UnusableWeights: ``pretrained`` does not fit, or training ended in NaN.
        ValueError: held-out images are of another size.
    """
    if held_out is not None and held_out.input_size != data.input_size:
        raise ValueError(f"held-out images of {held_out.input_size} px do not fit training images of {data.input_size}")
    publication.store.require_free(publication.version, replace=publication.replace)
    keras.utils.set_random_seed(config.seed)
    preprocessing = config.preprocessing or default_preprocessing(config.trunk)
    model = build(
        config.trunk,
        config.head,
        len(taxonomy),
        input_size=data.input_size,
        preprocessing=preprocessing,
        activation=config.activation,
        projection_rank=config.projection_rank,
        precision=config.compute_precision.value,
    )
    if pretrained is not None:
        load_pretrained(model, pretrained)
    _start_at_base_rates(model, taxonomy.encode(data.attributes))
    _fit(model, config, data, taxonomy, held_out, on_epoch)
    _calibrate(model, data, taxonomy)
    scores = {} if held_out is None else measure(model, held_out, taxonomy, _RANKS)
    trained = TrainedNetwork(
        model=model,
        trunk=config.trunk,
        head=config.head,
        preprocessing=preprocessing,
        activation=config.activation,
        projection_rank=config.projection_rank if config.head == "bilinear" else None,
        input_size=data.input_size,
    )
    return publish(trained, taxonomy, publication, num_images=len(data), settings=config.to_json(), scores=scores)


def measure(model: keras.Model, held_out: LabelledImages, taxonomy: Taxonomy, ks: Sequence[int]) -> dict[str, float]:
    """``retrieval_scores`` of the network's visual feature and ``prob`` on held-out images.

    Of more than 3,000 images, evenly spaced ones are measured, items kept together.
    """
    images = _measured(held_out)
    names = [name for name in (*VISUAL_FEATURES, PROBABILITIES) if name in model.output]
    features = compute_features(model, images, names)
    normalized = {name: l2_normalize(values) for name, values in features.items()}
    return retrieval_scores(normalized, taxonomy.encode(images.attributes) > 0, images.item_ids, ks)


def _fit(
    model: keras.Model,
    config: TrainingConfig,
    data: LabelledImages,
    taxonomy: Taxonomy,
    held_out: LabelledImages | None,
    on_epoch: EpochCallback,
) -> None:
    batches = TrainingBatches(
        data,
        taxonomy.encode(data.attributes),
        batch_size=config.batch_size,
        augmentation=config.augmentation,
        seed=config.seed,
    )
    # The loss sees the scores alone; the other outputs of the network share their layers.
    trained = keras.Model(model.input, model.output["scores"])
    optimizer = adam(
        config.learning_rate,
        num_steps=config.epochs * len(batches),
        schedule=config.schedule,
        warm_up=config.warm_up,
        weight_decay=config.weight_decay,
    )
    trained.compile(optimizer=optimizer, loss=LSEP())
    report = _Report(
        model, config.epochs, len(batches) * min(config.batch_size, len(data)), held_out, taxonomy, on_epoch
    )
    trained.fit(batches, epochs=config.epochs, callbacks=[report], shuffle=False, verbose=0)


def _start_at_base_rates(model: keras.Model, targets: NDArray[np.float32]) -> None:
    """Let every attribute's score start at the log odds of how frequent it is.

    The first epochs would otherwise be spent on learning that, which no image has a part in.
    """
    rates = np.clip(targets.mean(axis=0), 0.5 / len(targets), 1 - 0.5 / len(targets))
    model.get_layer("scores").bias.assign(np.log(rates / (1 - rates)))


def _calibrate(model: keras.Model, data: LabelledImages, taxonomy: Taxonomy) -> None:
    """Fold the calibration of the scores (``fit_calibration``) into the layer that makes them."""
    num_images = min(len(data), _MOST_CALIBRATED)
    sample = data.subset([int(position) for position in np.linspace(0, len(data) - 1, num_images)])
    scores = compute_features(model, sample, ["scores"])["scores"]
    scale, shift = fit_calibration(scores, taxonomy.encode(sample.attributes))
    layer = model.get_layer("scores")
    layer.kernel.assign(layer.kernel.numpy() * np.float32(scale))
    layer.bias.assign(layer.bias.numpy() * np.float32(scale) + np.float32(shift))


class _Report(keras.callbacks.Callback):
    """Measures after every epoch and tells the caller."""

    def __init__(
        self,
        network: keras.Model,
        num_epochs: int,
        num_images: int,
        held_out: LabelledImages | None,
        taxonomy: Taxonomy,
        on_epoch: EpochCallback,
    ) -> None:
        super().__init__()
        self._network = network
        self._num_epochs = num_epochs
        self._num_images = num_images
        self._held_out = held_out
        self._taxonomy = taxonomy
        self._on_epoch = on_epoch
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002  Keras's signature.
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        seconds = time.perf_counter() - self._started
        scores = {}
        if self._held_out is not None:
            scores = measure(self._network, self._held_out, self._taxonomy, _RANKS_WHILE_TRAINING)
        self._on_epoch(
            EpochRecord(
                epoch=epoch + 1,
                num_epochs=self._num_epochs,
                loss=float((logs or {})["loss"]),
                scores=scores,
                images_per_second=self._num_images / seconds,
            )
        )


def _measured(held_out: LabelledImages) -> LabelledImages:
    if len(held_out) <= _MOST_MEASURED:
        return held_out
    if held_out.item_ids is None:
        return held_out.subset([int(position) for position in np.linspace(0, len(held_out) - 1, _MOST_MEASURED)])
    by_item: dict[str, list[int]] = {}
    for position, item in enumerate(held_out.item_ids):
        by_item.setdefault(item, []).append(position)
    items = list(by_item)
    num_items = max(1, int(len(items) * _MOST_MEASURED / len(held_out)))
    chosen = [items[int(position)] for position in np.linspace(0, len(items) - 1, num_items)]
    return held_out.subset([position for item in chosen for position in by_item[item]])
