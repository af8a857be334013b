"""Trains the layer of scores on a frozen trunk: minutes for ten thousand photos, without an accelerator."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.errors import UnusableWeights
from embeddings.manifest import PROBABILITIES, VISUAL_FEATURES
from embeddings.model_store import ModelVersion
from embeddings.networks import Span, attribute_probabilities, build, default_preprocessing
from embeddings.normalization import Normalization, normalize
from embeddings.similarity import l2_normalize
from embeddings.taxonomy import Taxonomy
from embeddings.training.calibration import FEWEST_UNSEEN, fit_scales
from embeddings.training.config import HeadTrainingConfig, Schedule
from embeddings.training.divergence import require_finite
from embeddings.training.feature_computation import compute_features
from embeddings.training.label_activation import LabelActivation, activation_for
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.loss_scope import loss_for
from embeddings.training.measurement import RANKS, RANKS_WHILE_TRAINING, measured_positions
from embeddings.training.optimization import adam
from embeddings.training.progress import EpochCallback, EpochRecord, NoteCallback, ignore_epoch, ignore_note
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.training.retrieval_scores import FloatArray, retrieval_scores
from embeddings.weights import load_pretrained

ImagesCallback: TypeAlias = Callable[[int, int], None]
"""Told how many images' features have been computed, of how many."""

_HEAD = "multiattrib"


def ignore_images(_done: int, _total: int) -> None:
    """The callback of a caller who does not want to know."""


def train_head(
    config: HeadTrainingConfig,
    data: LabelledImages,
    taxonomy: Taxonomy,
    publication: Publication,
    *,
    trunk_weights: Path,
    held_out: LabelledImages | None = None,
    on_images: ImagesCallback = ignore_images,
    on_epoch: EpochCallback = ignore_epoch,
    on_note: NoteCallback = ignore_note,
) -> ModelVersion:
    """Run every image through the frozen trunk once, train the linear layer of scores on that, and add the result.

    The layer is trained with the LSEP loss on standardised features, its scores are calibrated
    (``calibration.fit_scales``) on held-out images, or on training images where there are fewer than a hundred others,
    and both are folded into its weights. Nothing is augmented: every image is seen by the trunk only once.

    The last epoch is kept, so held-out images choose none. They do fit the few numbers of the calibration, and what is
    then measured on them is a little better for it.

    Args:
        config: The recipe.
        data: Training images; their edge becomes the network's input size.
        taxonomy: The attributes to train; others are left out.
        publication: Where the version goes, and under what name. Features are computed in its precision.
        trunk_weights: The trunk's weights file, such as Keras's published ones.
        held_out: Images of other items, measured after every epoch; the last measurement goes into the manifest. Of
            more than 3,000, evenly spaced ones are measured (``measurement.measured_positions``), while all of them
            calibrate the scores.
        on_images: Told while features are computed.
        on_epoch: Told after every epoch.
        on_note: Told what was decided by the data.

    Raises:
        ModelVersionExists: the name is taken. This is found before any work.
        UnusableWeights: the weights do not fit the trunk, or lack the layers whose features are read (VGG16's fc7).
        TrainingFailed: the loss is no number any more.
        ValueError: held-out images are of another size.
    """
    if held_out is not None and held_out.input_size != data.input_size:
        raise ValueError(f"held-out images of {held_out.input_size} px do not fit training images of {data.input_size}")
    publication.store.require_free(publication.version, replace=publication.replace)
    keras.utils.set_random_seed(config.seed)
    targets = taxonomy.encode(data.attributes)
    activation = activation_for(targets, taxonomy, config.activation)
    if activation.note is not None:
        on_note(activation.note)
    if len(data) < config.batch_size:
        on_note(f"There are fewer images than a batch of {config.batch_size}: batches have {len(data)}.")
    loss = loss_for(activation, targets, taxonomy, within_groups=config.loss_within_groups, on_note=on_note)
    config = replace(config, activation=activation.name)
    trunk = _Trunk(config, activation, taxonomy, publication, data.input_size, trunk_weights)
    total = len(data) + (0 if held_out is None else len(held_out))
    features = trunk.features(data, lambda done: on_images(done, total))
    measured = None
    if held_out is not None:
        measured = _HeldOut(
            features=trunk.features(held_out, lambda done: on_images(len(data) + done, total)),
            read_by_scores=trunk.read_by_scores,
            visual=trunk.visual,
            activation=config.activation,
            exclusive=trunk.exclusive,
            normalization=config.prob_normalization,
            images=held_out,
            taxonomy=taxonomy,
        )
    history: list[EpochRecord] = []

    def note_epoch(record: EpochRecord) -> None:
        history.append(record)
        on_epoch(record)

    kernel, bias = _fit_linear(features[trunk.read_by_scores], targets, config, loss, measured, note_epoch)
    unseen = measured is not None and len(measured.targets) >= FEWEST_UNSEEN
    calibrated_on, truth = (features[trunk.read_by_scores], targets)
    if measured is not None and unseen:
        calibrated_on, truth = measured.read_by_scores, measured.targets
    scales, shifts = fit_scales(calibrated_on @ kernel + bias, truth, activation.softmax_spans(taxonomy), unseen=unseen)
    kernel, bias = kernel * scales, bias * scales + shifts
    scores = {} if measured is None else measured.scores(kernel, bias, RANKS)
    return publish(
        trunk.with_scores(kernel, bias),
        taxonomy,
        publication,
        num_images=len(data),
        settings=config.to_json(),
        scores=scores,
        history=history,
    )


class _Trunk:
    """The frozen part: its features, and the whole network once there are weights for the layer of scores."""

    def __init__(
        self,
        config: HeadTrainingConfig,
        activation: LabelActivation,
        taxonomy: Taxonomy,
        publication: Publication,
        input_size: int,
        weights: Path,
    ) -> None:
        self._config = config
        self._activation = activation
        self.exclusive: list[Span] = activation.spans(taxonomy)
        self._num_attributes = len(taxonomy)
        self._input_size = input_size
        self._weights = weights
        self._preprocessing = config.preprocessing or default_preprocessing(config.trunk)
        self._network = self._build(precision=publication.precision.value, folded=True)
        self.visual = next(name for name in VISUAL_FEATURES if name in self._network.output)
        self.read_by_scores = "fc7" if "fc7" in self._network.output else self.visual

    def features(self, images: LabelledImages, on_images: Callable[[int], None]) -> Mapping[str, FloatArray]:
        names = sorted({self.visual, self.read_by_scores})
        return compute_features(self._network, images, names, on_images=on_images)

    def with_scores(self, kernel: FloatArray, bias: FloatArray) -> TrainedNetwork:
        model = self._build(precision="float32", folded=False)
        layer = model.get_layer("scores")
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        return TrainedNetwork(
            model=model,
            trunk=self._config.trunk,
            head=_HEAD,
            preprocessing=self._preprocessing,
            activation=self._activation,
            prob_normalization=self._config.prob_normalization,
            projection_rank=None,
            input_size=self._input_size,
        )

    def _build(self, *, precision: str, folded: bool) -> keras.Model:
        model = build(
            self._config.trunk,
            _HEAD,
            self._num_attributes,
            input_size=self._input_size,
            preprocessing=self._preprocessing,
            activation=self._activation.name,
            exclusive=self.exclusive,
            precision=precision,
            folded=folded,
        )
        untouched = [name for name in load_pretrained(model, self._weights).untouched if name != "scores"]
        if untouched:
            raise UnusableWeights(
                f"the weights file {self._weights} leaves layers random that a frozen trunk needs",
                received=f"no weights for {', '.join(untouched)}",
                expected="a file with top, which has them",
                remedy="give the file with top, or train end to end",
            )
        return model


class _HeldOut:
    """Held-out images as their features, so that measuring a new layer of scores takes no network.

    Attributes:
        read_by_scores: (n, size) what the layer of scores reads, of all of them.
        targets: (n, K) float32, their attributes.
    """

    def __init__(
        self,
        *,
        features: Mapping[str, FloatArray],
        read_by_scores: str,
        visual: str,
        activation: str,
        exclusive: list[Span],
        normalization: Normalization,
        images: LabelledImages,
        taxonomy: Taxonomy,
    ) -> None:
        self.read_by_scores = features[read_by_scores]
        self.targets = taxonomy.encode(images.attributes)
        positions = measured_positions(images)
        self._images = images.subset(positions)
        self._attributes = self.targets[positions] > 0
        self._read_by_scores = self.read_by_scores[positions]
        # The trunk is frozen, so these scores stay as they are.
        self._visual_scores = self._retrieval_scores({visual: l2_normalize(features[visual][positions])}, RANKS)
        self._activation = activation
        self._exclusive = exclusive
        self._normalization = normalization

    def scores(self, kernel: FloatArray, bias: FloatArray, ks: tuple[int, ...]) -> dict[str, float]:
        """Scores at those of ``RANKS`` that ``ks`` names, of the visual feature and of a layer's ``prob``."""
        raw = self._read_by_scores @ kernel + bias
        prob = keras.ops.convert_to_numpy(attribute_probabilities(raw, self._activation, self._exclusive))
        require_finite([prob], "prob of held-out images")
        of_visual = {name: score for name, score in self._visual_scores.items() if int(name.rpartition("@")[2]) in ks}
        return {**of_visual, **self._retrieval_scores({PROBABILITIES: normalize(prob, self._normalization)}, ks)}

    def _retrieval_scores(self, features: Mapping[str, FloatArray], ks: tuple[int, ...]) -> dict[str, float]:
        images = self._images
        return retrieval_scores(features, self._attributes, images.item_ids, ks, images.labels, images.pictures)


def _fit_linear(
    features: FloatArray,
    targets: NDArray[np.float32],
    config: HeadTrainingConfig,
    loss: keras.losses.Loss,
    held_out: _HeldOut | None,
    on_epoch: EpochCallback,
) -> tuple[FloatArray, FloatArray]:
    """Kernel (size, K) and bias (K,) that act on the raw features."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A channel that never varies carries nothing; dividing by its rounding errors would make it the loudest.
    alive = spread > 1e-6 * spread.max(initial=0.0)
    inverse = np.where(alive, 1 / np.where(alive, spread, 1), 0).astype(np.float32)

    inputs = keras.Input((features.shape[1],))
    layer = keras.layers.Dense(targets.shape[1], kernel_initializer="zeros")
    model = keras.Model(inputs, layer(inputs))
    batch_size = min(config.batch_size, len(features))
    num_steps = config.epochs * -(-len(features) // batch_size)
    optimizer = adam(
        config.learning_rate,
        num_steps=num_steps,
        schedule=Schedule.COSINE,
        warm_up=0.0,
        weight_decay=config.weight_decay,
    )
    model.compile(optimizer=optimizer, loss=loss)

    def on_raw_features() -> tuple[FloatArray, FloatArray]:
        kernel, bias = (weight.numpy() for weight in layer.weights)
        folded = kernel * inverse[:, np.newaxis]
        return folded, bias - mean @ folded

    started = time.perf_counter()

    def report(epoch: int, logs: Mapping[str, float]) -> None:
        nonlocal started
        seconds = time.perf_counter() - started
        require_finite(on_raw_features(), f"the weights after epoch {epoch + 1}")
        scores = {} if held_out is None else held_out.scores(*on_raw_features(), RANKS_WHILE_TRAINING)
        on_epoch(
            EpochRecord(
                epoch=epoch + 1,
                num_epochs=config.epochs,
                loss=float(logs["loss"]),
                scores=scores,
                images_per_second=len(features) / seconds,
                learning_rate=float(optimizer.learning_rate),
            )
        )
        started = time.perf_counter()

    model.fit(
        (features - mean) * inverse,
        targets,
        batch_size=batch_size,
        epochs=config.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
        verbose=0,
    )
    return on_raw_features()
