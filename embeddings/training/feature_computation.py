"""Runs images through a network in training, on any Keras backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from embeddings.backend import keras
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.retrieval_scores import FloatArray

_BATCH = 64


def compute_features(
    model: keras.Model,
    images: LabelledImages,
    names: Sequence[str],
    *,
    on_images: Callable[[int], None] = lambda _: None,
) -> dict[str, FloatArray]:
    """Named outputs of the network for all images, in order: each (n, size) float32, not normalised.

    Args:
        model: A network of ``embeddings.networks.build``.
        images: What to run; read one batch at a time.
        names: Which of its outputs.
        on_images: Told after every batch how many images are done.
    """
    network = keras.Model(model.input, {name: model.output[name] for name in names})
    parts: dict[str, list[FloatArray]] = {name: [] for name in names}
    for start in range(0, len(images), _BATCH):
        batch = images.batch(range(start, min(start + _BATCH, len(images))))
        # Filled up to one size, so that the network is compiled once.
        filled = np.zeros((_BATCH, *batch.shape[1:]), dtype=np.uint8)
        filled[: len(batch)] = batch
        for name, values in network.predict_on_batch(filled).items():
            parts[name].append(np.asarray(values[: len(batch)], dtype=np.float32))
        on_images(start + len(batch))
    return {name: np.concatenate(values) for name, values in parts.items()}
