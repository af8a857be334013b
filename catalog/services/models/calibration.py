"""Images of a merchant's catalog to quantize with and to compare networks on."""

from __future__ import annotations

from catalog.ports.image_store import ImageStore
from catalog.services.models.stored_photos import StoredPhotos
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.export.calibration import CalibrationImages, sample_images


class CalibrationService:
    """Reads samples of catalogs."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, images: ImageStore, *, max_pixels: int) -> None:
        self._unit_of_work = unit_of_work
        self._images = images
        self._max_pixels = max_pixels

    def sample(self, merchant: str, input_size: int, *, seed: int = 0) -> CalibrationImages:
        """A sample of the merchant's images that can be indexed, prepared for a network's input.

        Raises:
            MerchantNotFound: no such merchant.
            embeddings.export.calibration.TooFewCalibrationImages: it has too few images.
        """
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            found = [image for page in work.images.pages(merchant_id) for image in page]
        stored = StoredPhotos(self._images, found, input_size, max_pixels=self._max_pixels)
        return sample_images(stored, f"catalog of {merchant}", seed=seed)
