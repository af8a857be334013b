"""What a bilinear head's projection starts as: fitted to the training images, and scaled to be learned from."""

from __future__ import annotations

import numpy as np

from embeddings.backend import keras
from embeddings.errors import TrainingFailed
from embeddings.networks import feature_map_network, projection, set_projection
from embeddings.training.config import Projection, TrainingConfig
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.progress import NoteCallback, PhaseCallback
from embeddings.training.projection_fitting import FloatArray, fit_projection, sample_locations, sample_size

_MOST_BALANCED = 128


def start_projection(
    model: keras.Model, config: TrainingConfig, data: LabelledImages, on_phase: PhaseCallback, on_note: NoteCallback
) -> None:
    """Put in place what ``config`` wants the projection of a bilinear network to start as.

    Without the signed root and the unit length, ``config.balanced_projection`` scales the projection so that the mean
    sum of a descriptor's magnitudes is that of the pooled feature map. Adam moves every weight by about the learning
    rate, and with it a score by the rate times that sum: a descriptor of C · R entries would move its scores many times
    as far as the C pooled features that the rate was chosen for, and tear the trunk about.

    Args:
        model: A network with a bilinear head, its trunk loaded.
        config: The recipe.
        data: The training images.
        on_phase: Told how far the images are.
        on_note: Told what was decided by the data.

    Raises:
        TrainingFailed: the projection cannot be fitted to these images.
    """
    if config.projection is not Projection.ORTHONORMAL:
        _fit(model, config, data, on_phase, on_note)
    if config.balanced_projection and not config.bilinear_normalization:
        _balance(model, config, data)


def _balance(model: keras.Model, config: TrainingConfig, data: LabelledImages) -> None:
    outputs = keras.Model(model.input, [model.get_layer("feature_map").output, model.output["bilinear"]])
    pooled = described = 0.0
    positions = np.linspace(0, len(data) - 1, min(len(data), _MOST_BALANCED)).astype(int)
    for start in range(0, len(positions), config.batch_size):
        batch = data.batch([int(position) for position in positions[start : start + config.batch_size]])
        maps, descriptors = outputs.predict_on_batch(batch)
        pooled += float(np.abs(np.asarray(maps, dtype=np.float64).mean(axis=(1, 2))).sum())
        described += float(np.abs(np.asarray(descriptors, dtype=np.float64)).sum())
    if pooled > 0 and described > 0:
        set_projection(model, projection(model) * np.float32(pooled / described))


def _fit(
    model: keras.Model, config: TrainingConfig, data: LabelledImages, on_phase: PhaseCallback, on_note: NoteCallback
) -> None:
    maps = feature_map_network(model)
    height, width, channels = (int(size) for size in maps.output.shape[1:])
    num_images, per_image = sample_size(len(data), height * width, config.projection_locations)
    positions = np.linspace(0, len(data) - 1, num_images).astype(int)
    on_note(
        f"The projection is fitted on {num_images * per_image:,} locations of {num_images:,} images: "
        f"{num_images * per_image * channels * 4 / 2**20:,.0f} MiB."
    )

    def feature_maps(batch: range) -> FloatArray:
        images = data.batch([int(positions[index]) for index in batch])
        return np.asarray(maps.predict_on_batch(images), dtype=np.float32)

    sample = sample_locations(
        feature_maps,
        len(data),
        (height, width, channels),
        most_locations=config.projection_locations,
        seed=config.seed,
        on_images=lambda done, total: on_phase("feature maps for the projection", done, total),
    )
    try:
        fitted = fit_projection(sample, config.projection_rank, config.projection, seed=config.seed)
    except ValueError as error:
        raise TrainingFailed(
            "The projection cannot be fitted to these images",
            received=str(error),
            expected=f"feature maps of at least {config.projection_rank} independent directions",
            remedy="give more images, a smaller --projection-rank, or --projection orthonormal",
        ) from error
    if fitted.warning:
        on_note(fitted.warning)
    set_projection(model, fitted.basis)
