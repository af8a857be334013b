"""The pixels of a catalog's images, read from the image store when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.errors import InvalidRequest
from catalog.ports.image_store import ImageStore
from catalog.repositories.images import IndexableImage
from embeddings.crop_box import CropBox
from embeddings.prepared_photos import PreparedPhotos

BROKEN_IMAGE_REMEDY = "run `drape ingest` with the feed first, so that such images are quarantined"


class StoredPhotos(PreparedPhotos[IndexableImage]):
    """A catalog's images as ``PreparedPhotos``; one that cannot be decoded is an InvalidRequest.

    Args:
        store: Has their bytes.
    """

    def __init__(
        self,
        store: ImageStore,
        images: Sequence[IndexableImage],
        input_size: int,
        *,
        max_pixels: int,
        max_cached_bytes: int = 0,
    ) -> None:
        super().__init__(images, input_size, max_pixels=max_pixels, max_cached_bytes=max_cached_bytes)
        self._store = store

    def _read(self, photo: IndexableImage, /) -> tuple[bytes, CropBox | None]:
        return self._store.get(photo.sha256), None if photo.crop is None else CropBox(*photo.crop)

    def _refusal(self, photo: IndexableImage, error: Exception, /) -> InvalidRequest:
        return InvalidRequest(
            "An image of the catalog cannot be decoded",
            received=f"image {photo.id}: {error}",
            expected="indexed images, which have been decoded before",
            remedy=BROKEN_IMAGE_REMEDY,
        )
