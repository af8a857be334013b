"""The pixels of a data set's images, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.records import DatasetImage, UnusableDataset
from embeddings.errors import UnusableImage
from embeddings.images import decode_image, prepare

MAX_PIXELS = 64_000_000


class DatasetPhotos:
    """Prepared images by position: each the item's box, warped to the network's square, (S, S, 3) uint8.

    Args:
        images: Which, in this order.
        input_size: S.
        max_cached_bytes: How much of what was prepared is kept for the next epoch; once it is full, further images are
            read again every time. 0 keeps nothing.
        max_pixels: Larger images are refused before they are decoded.
        read: Gives an image's bytes, for images that are kept elsewhere than at their path.
    """

    def __init__(
        self,
        images: Sequence[DatasetImage],
        input_size: int,
        *,
        max_cached_bytes: int = 0,
        max_pixels: int = MAX_PIXELS,
        read: Callable[[DatasetImage], bytes] = lambda image: image.path.read_bytes(),
    ) -> None:
        self._read = read
        self._images = images
        self._input_size = input_size
        self._max_cached = max_cached_bytes // (3 * input_size**2)
        self._max_pixels = max_pixels
        self._cached: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """The image at a position, not to be written to.

        Raises:
            UnusableDataset: the file is missing, no image, or its box lies outside it.
        """
        if (cached := self._cached.get(index)) is not None:
            return cached
        image = self._images[index]
        try:
            decoded = decode_image(
                self._read(image), max_pixels=self._max_pixels, crop=image.crop, min_edge=self._input_size
            )
        except (OSError, UnusableImage) as error:
            raise UnusableDataset(
                "An image of the data set cannot be read",
                received=f"{image.path}: {error}",
                expected="a readable image that its crop box lies inside of",
                remedy="restore the file from the data set's archive, or take the image out of its lists",
            ) from error
        prepared = prepare(decoded, self._input_size)
        prepared.flags.writeable = False
        if len(self._cached) < self._max_cached:
            self._cached[index] = prepared
        return prepared
