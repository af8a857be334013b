"""Training batches: shuffled anew and augmented anew in every epoch, the same for the same seed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.training.augmentation import Augmentation, augment
from embeddings.training.labelled_images import LabelledImages

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
    ) -> None:
        super().__init__()
        self._data = data
        self._targets = targets
        self._batch_size = min(batch_size, len(data))
        self._augmentation = augmentation
        self._seed = seed
        self.failure: Exception | None = None
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "augmenting")
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self._data) // self._batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(batch, S, S, 3) uint8 images and (batch, K) float32 targets."""
        positions = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        epoch = self._epoch
        try:
            images = list(self._threads.map(lambda position: self._augmented(epoch, int(position)), positions))
        except Exception as error:
            self.failure = error
            raise
        return np.stack(images), self._targets[positions]

    def start_epoch(self, epoch: int) -> None:
        """Take the order and the changes of an epoch, counted from 0. Those of one epoch depend on no other's."""
        self._epoch = epoch
        self._order = np.random.default_rng([self._seed, _ORDER_STREAM, epoch]).permutation(len(self._data))

    def on_epoch_end(self) -> None:
        """Keras calls this between epochs."""
        self.start_epoch(self._epoch + 1)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _augmented(self, epoch: int, position: int) -> NDArray[np.uint8]:
        # A generator per image, so that what happens to it depends on neither the batch size nor the threads.
        generator = np.random.default_rng([self._seed, _AUGMENTATION_STREAM, epoch, position])
        return augment(np.asarray(self._data.images[position]), self._augmentation, generator)
