"""The photos of a catalog, for those who may see them."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.errors import ImageNotFound
from catalog.ports.image_store import ImageStore
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.images import inspect_image
from embeddings.thumbnails import thumbnail


@dataclass(frozen=True, slots=True)
class ShownImage:
    """Bytes of an image and their format: one of ``embeddings.images.FORMATS``."""

    data: bytes
    format: str


class ShownImages:
    """Gives out images of a merchant's own products.

    Args:
        max_pixels: Larger ones are not decoded for a thumbnail.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, images: ImageStore, *, max_pixels: int) -> None:
        self._unit_of_work = unit_of_work
        self._images = images
        self._max_pixels = max_pixels

    def require_own(self, merchant_id: int, sha256: str) -> None:
        """Raise ImageNotFound where no product of the merchant has the image."""
        with self._unit_of_work() as work:
            is_own = work.images.has_content(merchant_id, sha256)
        if not is_own:
            raise ImageNotFound(
                "The catalog has no such image", received=sha256, expected="the sha256 of a hit's image"
            )

    def get(self, merchant_id: int, sha256: str, width: int | None = None) -> ShownImage:
        """An image by its content's hash.

        Args:
            width: Scaled down to so many pixels, as a JPEG; None for the bytes as they came.

        Raises:
            ImageNotFound: no product of the merchant has it.
            StoredImageMissing, StoredImageAltered, ImageStoreUnavailable: as their names say.
        """
        self.require_own(merchant_id, sha256)
        data = self._images.get(sha256)
        if width is not None:
            return ShownImage(thumbnail(data, width, max_pixels=self._max_pixels), "JPEG")
        return ShownImage(data, inspect_image(data, max_pixels=self._max_pixels).format)
