"""The pixels of a data set's images, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from embeddings.crop_box import CropBox
from embeddings.datasets.records import DatasetImage, UnusableDataset
from embeddings.prepared_photos import PreparedPhotos

MAX_PIXELS = 64_000_000
BROKEN_FILE_REMEDY = "restore the file from the data set's archive, or take the image out of its lists"


class DatasetPhotos(PreparedPhotos[DatasetImage]):
    """A data set's images as ``PreparedPhotos``; a broken one is an UnusableDataset.

    Args:
        read: Gives an image's bytes, for images that are kept elsewhere than at their path.
        remedy: What to do about a broken image, there.
    """

    def __init__(
        self,
        images: Sequence[DatasetImage],
        input_size: int,
        *,
        max_cached_bytes: int = 0,
        max_pixels: int = MAX_PIXELS,
        read: Callable[[DatasetImage], bytes] = lambda image: image.path.read_bytes(),
        remedy: str = BROKEN_FILE_REMEDY,
    ) -> None:
        super().__init__(images, input_size, max_pixels=max_pixels, max_cached_bytes=max_cached_bytes)
        self._bytes_of = read
        self._remedy = remedy

    def _read(self, photo: DatasetImage, /) -> tuple[bytes, CropBox | None]:
        return self._bytes_of(photo), photo.crop

    def _refusal(self, photo: DatasetImage, error: Exception, /) -> UnusableDataset:
        return UnusableDataset(
            "An image of the data set cannot be read",
            received=f"{photo.path}: {error}",
            expected="a readable image that its crop box lies inside of",
            remedy=self._remedy,
        )
