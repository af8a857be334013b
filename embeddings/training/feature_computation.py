"""Runs images through a network in training, on any Keras backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from embeddings.backend import keras
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.retrieval_scores import FloatArray

_BATCH = 64


class FeatureComputation:
    """Named outputs of a network for any images, compiled once: as often as it is asked, after every epoch, say.

    Args:
        model: A network of ``embeddings.networks.build``; its weights may change between calls.
        names: Which of its outputs.
    """

    def __init__(self, model: keras.Model, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._network = keras.Model(model.input, {name: model.output[name] for name in names})

    def __call__(
        self, images: LabelledImages, *, on_images: Callable[[int], None] = lambda _: None
    ) -> dict[str, FloatArray]:
        """Each output of all images, in order: (n, size) float32, not normalised.

        Args:
            images: What to run; read one batch at a time.
            on_images: Told after every batch how many images are done.
        """
        parts: dict[str, list[FloatArray]] = {name: [] for name in self._names}
        for start in range(0, len(images), _BATCH):
            batch = images.batch(range(start, min(start + _BATCH, len(images))))
            # Filled up to one size, so that the network is compiled once.
            filled = np.zeros((_BATCH, *batch.shape[1:]), dtype=np.uint8)
            filled[: len(batch)] = batch
            for name, values in self._network.predict_on_batch(filled).items():
                parts[name].append(np.asarray(values[: len(batch)], dtype=np.float32))
            on_images(start + len(batch))
        return {name: np.concatenate(values) for name, values in parts.items()}


def compute_features(
    model: keras.Model,
    images: LabelledImages,
    names: Sequence[str],
    *,
    on_images: Callable[[int], None] = lambda _: None,
) -> dict[str, FloatArray]:
    """``FeatureComputation`` of a network that is asked once."""
    return FeatureComputation(model, names)(images, on_images=on_images)
