"""How things stand: what is known of each merchant, what is indexed, what waits, what failed."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.repositories.galleries import Gallery
from catalog.repositories.jobs import Job
from catalog.repositories.outbox import Backlog
from catalog.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class GalleryStatus:
    """A gallery and the number of images it holds."""

    gallery: Gallery
    num_indexed: int


@dataclass(frozen=True, slots=True)
class QuarantinedImage:
    """An image set aside, with its reason."""

    external_id: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class MerchantStatus:
    """One merchant's state.

    Args:
        num_images: Images that can be indexed.
        num_quarantined: Images that cannot; ``quarantined`` names the first hundred.
    """

    name: str
    num_products: int
    num_images: int
    num_quarantined: int
    backlog: Backlog
    galleries: tuple[GalleryStatus, ...]
    jobs: tuple[Job, ...]
    quarantined: tuple[QuarantinedImage, ...]


class StatusService:
    """Reads the state of things from PostgreSQL; needs no index and no network."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def merchants(self) -> list[MerchantStatus]:
        """Every merchant's state, in alphabetical order."""
        with self._unit_of_work() as work:
            names = work.merchants.names()
        return [self.merchant(name) for name in names]

    def live_versions(self) -> dict[str, list[str]]:
        """The merchants that search with a model version, by its name."""
        with self._unit_of_work() as work:
            return work.galleries.live_versions()

    def merchant(self, name: str) -> MerchantStatus:
        """One merchant's state.

        Raises:
            MerchantNotFound: no merchant of that name.
        """
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
            num_images, num_quarantined = work.images.counts(merchant_id)
            return MerchantStatus(
                name=name,
                num_products=work.products.count(merchant_id),
                num_images=num_images,
                num_quarantined=num_quarantined,
                backlog=work.outbox.backlog(merchant_id),
                galleries=tuple(
                    GalleryStatus(gallery, work.galleries.count_indexed(gallery.id))
                    for gallery in work.galleries.of_merchant(merchant_id)
                ),
                jobs=tuple(work.jobs.latest(merchant_id)),
                quarantined=tuple(QuarantinedImage(*row) for row in work.images.quarantined(merchant_id)),
            )
