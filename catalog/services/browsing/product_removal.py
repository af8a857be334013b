"""Single products taken out of a catalog, as a full sync takes out what its feed no longer has."""

from __future__ import annotations

from typing import Final

from catalog.repositories.jobs import JobKind
from catalog.services.browsing.product_browsing import product_not_found
from catalog.unit_of_work import UnitOfWorkFactory

DAYS_KEPT: Final = 10
"""Of so many days with removals of single products it is kept what they removed."""

SUBJECT: Final = "single products"
"""What removals of single products are noted as removals of, where feeds have their names."""


class ProductRemoval:
    """Removes products. Searches show none of them from then on, whether or not the index has followed.

    What was removed is noted whole, in one run for all removals of a day (in UTC): history shows it, and it can be
    put back. Undoing an ingest passes over it.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def remove(self, merchant_id: int, external_id: str) -> None:
        """Remove a product with its images, in one transaction that also marks them for the index to follow.

        A feed that still has the product brings it back when it is read the next time.

        Raises:
            ProductNotFound: the merchant has none of this id, or not any more.
        """
        with self._unit_of_work() as work:
            # So that of two at once the second finds nothing, and no ingest writes images of it meanwhile.
            work.merchants.lock(merchant_id)
            known = work.products.known_products(merchant_id, [external_id]).get(external_id)
            if known is None:
                raise product_not_found(external_id)
            run_id = work.jobs.removals_of_today(merchant_id, SUBJECT)
            work.changes.keep_latest(merchant_id, JobKind.REMOVAL, DAYS_KEPT)
            work.changes.note_removal(run_id, known.id)
            images = work.products.known_images([known.id]).get(known.id, {})
            work.outbox.mark(sorted(image.id for image in images.values()))
            # Their marks are written above, while they still exist.
            work.changes.remove_products([known.id])
            work.commit()
