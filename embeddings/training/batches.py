"""Training batches: shuffled anew and augmented anew in every epoch, the same for the same seed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.training.augmentation import Augmentation, augment
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.repetition import repeat_factors, repeated_order

_ORDER_STREAM, _AUGMENTATION_STREAM = 1, 2
_MOST_THREADS = 16


class TrainingBatches(keras.utils.PyDataset):
    """Batches of one size for ``keras.Model.fit``; images beyond the last full batch wait for another epoch's order.

    The images of a batch are read and augmented by several threads; what comes out does not depend on how many.

    Args:
        data: The images.
        targets: (n, K) float32 in {0, 1}.
        batch_size: Images per batch; fewer where there are fewer images.
        augmentation: How far images are changed.
        seed: Decides order and changes, together with the number of the epoch.
        repeat_threshold: Images with attributes that a smaller share of the images has come more often, others less;
            see ``repeat_factors``. 0 takes every image once.

    Attributes:
        failure: What reading an image ended with, if it failed. TensorFlow hands on the text of such an error only.
    """

    def __init__(
        self,
        data: LabelledImages,
        targets: NDArray[np.float32],
        *,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        repeat_threshold: float = 0.0,
    ) -> None:
        super().__init__()
        self._data = data
        self._targets = targets
        self._batch_size = min(batch_size, len(data))
        self._augmentation = augmentation
        self._seed = seed
        self._factors = repeat_factors(targets, repeat_threshold) if repeat_threshold else None
        self.failure: Exception | None = None
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "augmenting")
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self._data) // self._batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(batch, S, S, 3) uint8 images and (batch, K) float32 targets."""
        places = range(index * self._batch_size, (index + 1) * self._batch_size)
        positions = self._order[places.start : places.stop]
        epoch = self._epoch
        try:
            images = list(
                self._threads.map(
                    lambda place, position: self._augmented(epoch, place, int(position)), places, positions
                )
            )
        except Exception as error:
            self.failure = error
            raise
        return np.stack(images), self._targets[positions]

    def start_epoch(self, epoch: int) -> None:
        """Take the order and the changes of an epoch, counted from 0. Those of one epoch depend on no other's."""
        self._epoch = epoch
        generator = np.random.default_rng([self._seed, _ORDER_STREAM, epoch])
        # Without repeats the order is drawn as it always was, so that older trainings can still go on.
        if self._factors is None:
            self._order = generator.permutation(len(self._data))
        else:
            self._order = repeated_order(self._factors, len(self._data), generator)

    def on_epoch_end(self) -> None:
        """Keras calls this between epochs."""
        self.start_epoch(self._epoch + 1)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _augmented(self, epoch: int, place: int, position: int) -> NDArray[np.uint8]:
        # A generator per image, so that what happens to it depends on neither the batch size nor the threads. An image
        # that comes twice in an epoch is changed in two ways.
        own = position if self._factors is None else place
        generator = np.random.default_rng([self._seed, _AUGMENTATION_STREAM, epoch, own])
        return augment(np.asarray(self._data.images[position]), self._augmentation, generator)
