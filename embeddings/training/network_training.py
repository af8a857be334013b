"""Trains a network end to end on attribute labels, and adds it to a store as a model version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.errors import TrainingFailed
from embeddings.model_store import ModelVersion
from embeddings.networks import build, default_preprocessing, freeze_stages
from embeddings.taxonomy import Taxonomy
from embeddings.training.batches import TrainingBatches
from embeddings.training.calibration import FEWEST_UNSEEN, fit_scales
from embeddings.training.checkpoints import Checkpoints
from embeddings.training.config import TrainingConfig
from embeddings.training.epoch_report import EpochReport
from embeddings.training.feature_computation import compute_features
from embeddings.training.label_activation import LabelActivation, activation_for
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.loss_scope import loss_for
from embeddings.training.measurement import RANKS, Measurement, score_names
from embeddings.training.optimization import adam
from embeddings.training.progress import (
    EpochCallback,
    NoteCallback,
    PhaseCallback,
    ignore_epoch,
    ignore_note,
    ignore_phase,
)
from embeddings.training.projection_start import start_projection
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.training.training_identity import training_identity
from embeddings.weights import load_pretrained

_MOST_CALIBRATED = 2000


def train_network(
    config: TrainingConfig,
    data: LabelledImages,
    taxonomy: Taxonomy,
    publication: Publication,
    *,
    held_out: LabelledImages | None = None,
    pretrained: Path | None = None,
    checkpoints: Path | None = None,
    on_epoch: EpochCallback = ignore_epoch,
    on_phase: PhaseCallback = ignore_phase,
    on_note: NoteCallback = ignore_note,
) -> ModelVersion:
    """Train with the LSEP loss and Adam, calibrate, measure on held-out images, and add the result.

    A pretrained trunk is trained with its batch normalisation folded into the convolutions, which freezes the
    statistics it came with. Small batches of one kind of photo have statistics far from those of the images the
    weights were trained on: normalising by them undoes much of what the trunk knows, and files whose normalisation was
    folded before they were published (their own is the identity, of mean 0 and variance 1) come apart altogether. A
    trunk of random weights is trained with live batch normalisation.

    The scores are calibrated (``calibration.fit_scales``) on held-out images, or on training images where there are
    fewer than a hundred others. Few numbers are fitted so, one or two a group; what is then measured on the same
    held-out images is a little better for it. So it is with ``config.patience``, which keeps the epoch that was best on
    them: the highest of several measurements is higher than the same network's on photos that had no part in choosing
    it. Photos that are neither trained on nor held out, such as a data set's queries, tell without either.

    Runs on any Keras backend; the weights it writes do not depend on which. With ``checkpoints``, the state is saved
    after every epoch and the same call goes on where an earlier one stopped, with the result it would have had.

    Args:
        config: The recipe.
        data: Training images; their edge becomes the network's input size.
        taxonomy: The attributes to train, at least two; others are left out.
        publication: Where the version goes, and under what name.
        held_out: Images of other items, measured after every epoch; the last measurement goes into the manifest.
        pretrained: Weights file to start the trunk from; None starts from random weights.
        checkpoints: A folder of this training's own, emptied at its end; None saves nothing on the way.
        on_epoch: Told after every epoch, when its state is saved.
        on_phase: Told how far the images of an epoch, and of what comes before and after, are.
        on_note: Told what was decided by the data.

    Raises:
        ModelVersionExists: the name is taken. This is found before training, too.
        UnusableWeights: ``pretrained`` does not fit.
        TrainingFailed: the loss is no number any more; the state cannot be saved, or belongs to another training; the
            score to stop by is not measured; the projection cannot be fitted.
        ValueError: held-out images are of another size; there are fewer than two attributes;
            ``embeddings.networks.build`` knows no such trunk, head, preprocessing or activation as ``config`` names.
    """
    _require_trainable(config, data, taxonomy, held_out)
    publication.store.require_free(publication.version, replace=publication.replace)
    saved = None
    if checkpoints is not None:
        backend = str(keras.backend.backend())
        identity = training_identity(config, data, held_out, taxonomy, pretrained, backend)
        saved = Checkpoints(checkpoints, identity)
    state = None if saved is None else saved.load()

    keras.utils.set_random_seed(config.seed)
    targets = taxonomy.encode(data.attributes)
    activation = activation_for(targets, taxonomy, config.activation)
    if activation.note is not None:
        on_note(activation.note)
    loss = loss_for(activation, targets, taxonomy, within_groups=config.loss_within_groups, on_note=on_note)
    if len(data) < config.batch_size:
        on_note(f"There are fewer images than a batch of {config.batch_size}: batches have {len(data)}.")
    network = _build(config, activation, taxonomy, data.input_size, folded=pretrained is not None)
    model = network.model
    if state is None:
        if pretrained is not None:
            load_pretrained(model, pretrained)
        _start_scores(model, targets, config.initial_scores_scale)
        if config.head == "bilinear":
            start_projection(model, config, data, on_phase, on_note)
    else:
        on_note(f"Going on after epoch {len(state.history)}, whose state is in {checkpoints}.")
    freeze_stages(model, config.trunk, config.frozen_stages)

    measurement = None
    if held_out is not None:
        measurement = Measurement(model, held_out, taxonomy, config.prob_normalization)
    report = EpochReport(model, config, data, measurement, saved, state, on_epoch, on_phase)
    _fit(model, config, data, targets, loss, report)
    history = report.history
    if report.best_epoch is not None:
        report.restore_best()
        on_note(
            f"Epoch {report.best_epoch} of {len(history)} was the best by {config.monitor}: its weights are kept. The "
            "held-out images chose it, so its scores on them are a little better than on others."
        )
    if config.calibrate:
        _calibrate(model, activation, data, held_out, taxonomy)
    scores = {} if measurement is None else measurement(RANKS)
    version = publish(
        network, taxonomy, publication, num_images=len(data), settings=config.to_json(), scores=scores, history=history
    )
    if saved is not None:
        saved.clear()
    return version


def _require_trainable(
    config: TrainingConfig, data: LabelledImages, taxonomy: Taxonomy, held_out: LabelledImages | None
) -> None:
    if held_out is not None and held_out.input_size != data.input_size:
        raise ValueError(f"held-out images of {held_out.input_size} px do not fit training images of {data.input_size}")
    if len(taxonomy) < 2:
        raise ValueError(f"the loss compares attributes with each other: expected at least 2, received {len(taxonomy)}")
    if config.patience is not None:
        names = [] if held_out is None else score_names(config.trunk, config.head, held_out, taxonomy)
        if config.monitor not in names:
            raise TrainingFailed(
                "Early stopping has nothing to go by",
                received=config.monitor,
                expected=f"one of {', '.join(names)}" if names else "held-out images to measure on",
                remedy="name one of these scores, or train without --patience",
            )


def _build(
    config: TrainingConfig, activation: LabelActivation, taxonomy: Taxonomy, input_size: int, *, folded: bool
) -> TrainedNetwork:
    preprocessing = config.preprocessing or default_preprocessing(config.trunk)
    model = build(
        config.trunk,
        config.head,
        len(taxonomy),
        input_size=input_size,
        preprocessing=preprocessing,
        activation=activation.name,
        exclusive=activation.spans(taxonomy),
        projection_rank=config.projection_rank,
        train_projection=config.train_projection,
        bilinear_normalization=config.bilinear_normalization,
        precision=config.compute_precision.value,
        folded=folded,
    )
    bilinear = config.head == "bilinear"
    return TrainedNetwork(
        model=model,
        trunk=config.trunk,
        head=config.head,
        preprocessing=preprocessing,
        activation=activation,
        prob_normalization=config.prob_normalization,
        projection_rank=config.projection_rank if bilinear else None,
        bilinear_normalization=config.bilinear_normalization or not bilinear,
        input_size=input_size,
    )


def _fit(
    model: keras.Model,
    config: TrainingConfig,
    data: LabelledImages,
    targets: NDArray[np.float32],
    loss: keras.losses.Loss,
    report: EpochReport,
) -> None:
    batches = TrainingBatches(
        data,
        targets,
        batch_size=config.batch_size,
        augmentation=config.augmentation,
        seed=config.seed,
        repeat_threshold=config.repeat_threshold,
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
    trained.compile(optimizer=optimizer, loss=loss)
    report.take_up(trained, batches)
    if report.is_finished:
        return
    try:
        trained.fit(
            batches,
            initial_epoch=len(report.history),
            epochs=config.epochs,
            callbacks=[report],
            shuffle=False,
            verbose=0,
        )
    except Exception:
        # TensorFlow turns whatever goes wrong while reading into an error of its own, with the rest as text.
        if batches.failure is not None:
            raise batches.failure from None
        raise
    finally:
        batches.close()


def _start_scores(model: keras.Model, targets: NDArray[np.float32], scale: float) -> None:
    """Let every attribute's score start at the log odds of how frequent it is.

    The first epochs would otherwise be spent on learning that, which no image has a part in.
    """
    rates = np.clip(targets.mean(axis=0), 0.5 / len(targets), 1 - 0.5 / len(targets))
    layer = model.get_layer("scores")
    layer.bias.assign(np.log(rates / (1 - rates)))
    if scale != 1:
        layer.kernel.assign(np.asarray(layer.kernel.numpy()) * np.float32(scale))


def _calibrate(
    model: keras.Model,
    activation: LabelActivation,
    data: LabelledImages,
    held_out: LabelledImages | None,
    taxonomy: Taxonomy,
) -> None:
    """Fold the calibration of the scores into the layer that makes them."""
    images = data if held_out is None or len(held_out) < FEWEST_UNSEEN else held_out
    num_images = min(len(images), _MOST_CALIBRATED)
    sample = images.subset([int(position) for position in np.linspace(0, len(images) - 1, num_images)])
    scores = compute_features(model, sample, ["scores"])["scores"]
    scales, shifts = fit_scales(
        scores, taxonomy.encode(sample.attributes), activation.softmax_spans(taxonomy), unseen=images is held_out
    )
    layer = model.get_layer("scores")
    layer.kernel.assign(layer.kernel.numpy() * scales)
    layer.bias.assign(layer.bias.numpy() * scales + shifts)
