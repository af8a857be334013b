"""The gallery that a merchant's searches go to."""

from __future__ import annotations

from collections.abc import Sequence

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
        raise _nothing_live(work, merchant)
    return gallery


def live_gallery_with(
    work: UnitOfWork, merchant: str, external_ids: Sequence[str]
) -> tuple[Gallery, dict[str, list[tuple[int, int]]]]:
    """The same, and the products' images as ``GalleryRepository.searched_with`` has them."""
    found = work.galleries.searched_with(merchant, external_ids)
    if found is None:
        raise _nothing_live(work, merchant)
    return found


def _nothing_live(work: UnitOfWork, merchant: str) -> GalleryNotFound:
    # To tell a merchant that is unknown from one without anything to search.
    work.merchants.id_of(merchant)
    return GalleryNotFound(
        "Nothing of this merchant is searchable yet",
        received=merchant,
        expected="a merchant with a live gallery",
        remedy=f"drape ingest FEED --merchant {merchant}",
    )
