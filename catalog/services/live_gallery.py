"""The gallery that a merchant's searches go to."""

from __future__ import annotations

from catalog.errors import GalleryNotFound
from catalog.repositories.galleries import Gallery
from catalog.unit_of_work import UnitOfWork


def live_gallery(work: UnitOfWork, merchant: str) -> Gallery:
    """The merchant's live gallery.

    Raises:
        MerchantNotFound: no such merchant.
        GalleryNotFound: none is live.
    """
    gallery = work.galleries.searched(merchant)
    if gallery is None:
        # To tell a merchant that is unknown from one without anything to search.
        work.merchants.id_of(merchant)
        raise GalleryNotFound(
            "Nothing of this merchant is searchable yet",
            received=merchant,
            expected="a merchant with a live gallery",
            remedy=f"drape ingest FEED --merchant {merchant}",
        )
    return gallery
