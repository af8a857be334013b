"""How things stand: what is known of each merchant, what is indexed, what waits, what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from catalog.ports.backlog import FetchBacklog, MerchantBacklog
from catalog.ports.models import Models
from catalog.repositories.galleries import Gallery
from catalog.repositories.jobs import Job
from catalog.repositories.outbox import Backlog
from catalog.rows import FetchOutcome
from catalog.services.capacity_plan import CapacityPlan, plan
from catalog.services.galleries.gallery_layout import collection_spec
from catalog.unit_of_work import UnitOfWorkFactory

USUAL_IMAGE_BYTES = 100_000
"""Of a photo, where none is there to tell."""


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
        num_duplicates: Images that are not shown, because another of their product looks the same.
        num_quarantined: Images that cannot; ``quarantined`` names the first hundred.
        fetches: Images by address that wait to be fetched.
        failed_fetches: Images that could not be fetched, by reason.
    """

    name: str
    num_products: int
    num_images: int
    num_duplicates: int
    num_quarantined: int
    backlog: Backlog
    fetches: FetchBacklog
    failed_fetches: Mapping[str, int]
    galleries: tuple[GalleryStatus, ...]
    jobs: tuple[Job, ...]
    quarantined: tuple[QuarantinedImage, ...]


class StatusService:
    """Reads the state of things from PostgreSQL; needs no index and no network."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, models: Models) -> None:
        self._unit_of_work = unit_of_work
        self._models = models

    def plan(self, version: str, num_images: int) -> CapacityPlan:
        """What that many images need with a model version, if photos stay as large as those there are.

        Raises:
            embeddings.errors.UnusableModel: no such version.
        """
        spec = collection_spec(self._models.describe(version))
        with self._unit_of_work() as work:
            image_bytes = work.images.mean_bytes()
        return plan(spec, num_images, USUAL_IMAGE_BYTES if image_bytes is None else image_bytes)

    def merchants(self) -> list[MerchantStatus]:
        """Every merchant's state, in alphabetical order."""
        with self._unit_of_work() as work:
            names = work.merchants.names()
        return [self.merchant(name) for name in names]

    def backlogs(self) -> list[MerchantBacklog]:
        """How much waits to be indexed, of every merchant.

        Raises:
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        with self._unit_of_work() as work:
            fetches, failures = work.fetches.backlogs(), work.fetches.failures()
            return [
                replace(
                    one,
                    fetches=fetches.get(one.merchant, FetchBacklog()),
                    failed_fetches=_by_reason(failures.get(one.merchant, {})),
                )
                for one in work.outbox.backlogs()
            ]

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
                num_duplicates=work.images.count_duplicates(merchant_id),
                num_quarantined=num_quarantined,
                backlog=work.outbox.backlog(merchant_id),
                fetches=work.fetches.backlog(merchant_id),
                failed_fetches=_by_reason(work.fetches.failures(merchant_id).get(name, {})),
                galleries=tuple(
                    GalleryStatus(gallery, work.galleries.count_indexed(gallery.id))
                    for gallery in work.galleries.of_merchant(merchant_id)
                ),
                jobs=tuple(work.jobs.latest(merchant_id)),
                quarantined=tuple(QuarantinedImage(*row) for row in work.images.quarantined(merchant_id)),
            )


def _by_reason(failures: Mapping[FetchOutcome, int]) -> dict[str, int]:
    return {outcome.value: number for outcome, number in sorted(failures.items())}
