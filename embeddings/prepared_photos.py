"""Photos as a network takes them, decoded when they are asked for, wherever their bytes are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.crop_box import CropBox
from embeddings.errors import ExplainedError, UnusableImage
from embeddings.images import decode_image, prepare

PhotoT = TypeVar("PhotoT")


class PreparedPhotos(ABC, Generic[PhotoT]):
    """Prepared images by position: each the item's box, warped to the network's square, (S, S, 3) uint8.

    Memory does not grow with their number beyond what is kept. Safe to read from several threads.

    Args:
        photos: Which, in this order.
        input_size: S.
        max_pixels: Larger images are refused before they are decoded.
        max_cached_bytes: How much of what was prepared is kept for the next epoch; once it is full, further images are
            read again every time. 0 keeps nothing.
    """

    def __init__(
        self, photos: Sequence[PhotoT], input_size: int, *, max_pixels: int, max_cached_bytes: int = 0
    ) -> None:
        self._photos = photos
        self._input_size = input_size
        self._max_pixels = max_pixels
        self._max_cached = max_cached_bytes // (3 * input_size**2)
        self._cached: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """The image at a position, not to be written to.

        Raises:
            ExplainedError: the photo cannot be read or decoded, or its box lies outside it; the kind of error is told
                where the photos are kept.
        """
        if (cached := self._cached.get(index)) is not None:
            return cached
        photo = self._photos[index]
        try:
            content, crop = self._read(photo)
            decoded = decode_image(content, max_pixels=self._max_pixels, crop=crop, min_edge=self._input_size)
        except (OSError, UnusableImage) as error:
            raise self._refusal(photo, error) from error
        prepared = prepare(decoded, self._input_size)
        prepared.flags.writeable = False
        if len(self._cached) < self._max_cached:
            self._cached[index] = prepared
        return prepared

    @abstractmethod
    def _read(self, photo: PhotoT, /) -> tuple[bytes, CropBox | None]:
        """The photo's file and the item's box in it, or None for the whole."""

    @abstractmethod
    def _refusal(self, photo: PhotoT, error: Exception, /) -> ExplainedError:
        """What to say of a photo that cannot be read, and what to do about it."""
