"""Training batches: shuffled anew and augmented anew in every epoch, the same for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.training.augmentation import Augmentation, augment
from embeddings.training.labelled_images import LabelledImages

_ORDER_STREAM, _AUGMENTATION_STREAM = 1, 2


class TrainingBatches(keras.utils.PyDataset):
    """Batches of one size for ``keras.Model.fit``; images beyond the last full batch wait for another epoch's order.

    Args:
        data: The images.
        targets: (n, K) float32 in {0, 1}.
        batch_size: Images per batch; fewer where there are fewer images.
        augmentation: How far images are changed.
        seed: Decides order and changes, together with the number of the epoch.
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
        self._epoch = 0
        self._order = self._shuffled()

    def __len__(self) -> int:
        return len(self._data) // self._batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(batch, S, S, 3) uint8 images and (batch, K) float32 targets."""
        positions = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        images = np.stack([self._augmented(int(position)) for position in positions])
        return images, self._targets[positions]

    def on_epoch_end(self) -> None:
        """Keras calls this between epochs."""
        self._epoch += 1
        self._order = self._shuffled()

    def _augmented(self, position: int) -> NDArray[np.uint8]:
        # A generator per image, so that what happens to it depends on neither the batch size nor the threads.
        generator = np.random.default_rng([self._seed, _AUGMENTATION_STREAM, self._epoch, position])
        return augment(np.asarray(self._data.images[position]), self._augmentation, generator)

    def _shuffled(self) -> NDArray[np.intp]:
        generator = np.random.default_rng([self._seed, _ORDER_STREAM, self._epoch])
        return generator.permutation(len(self._data))
