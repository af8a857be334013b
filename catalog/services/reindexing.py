"""Changing a catalog's searches to another model version, and back."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.repositories.galleries import Gallery
from catalog.services.galleries import GalleryService
from catalog.services.indexing import IndexingService, IndexingSummary
from catalog.services.progress import Advance, unheard


@dataclass(frozen=True, slots=True)
class ReindexSummary:
    """What a re-indexing did.

    Args:
        gallery: The one that was changed to, or would have been.
        live: Whether searches go to it now. If not, images wait for another try, and the same command goes on.
    """

    gallery: Gallery
    indexing: IndexingSummary
    live: bool


class ReindexService:
    """Builds galleries beside the live one and switches to them."""

    def __init__(self, galleries: GalleryService, indexing: IndexingService) -> None:
        self._galleries = galleries
        self._indexing = indexing

    def run(self, merchant_id: int, version: str, advance: Advance = unheard) -> ReindexSummary:
        """Build a gallery of this model version, or what an earlier run has left to do of it, and search it.

        Args:
            advance: Told the number of images done and the number dirty in all.

        Raises:
            embeddings.errors.UnusableModel: no such version.
            GalleryNotFound: the gallery is not complete. Searches stay where they are.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        return self._fill(self._galleries.build_beside(merchant_id, version), advance)

    def roll_back(self, merchant_id: int, advance: Advance = unheard) -> ReindexSummary:
        """Search the gallery that was live before: at once, or as soon as it has what it missed while it was not fed.

        Searches stay where they are until then. What was live is kept, so that a second call comes back to it.

        Raises:
            GalleryNotFound: there is no gallery to go back to.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        gallery = self._galleries.before(merchant_id)
        if self._galleries.go_back(gallery):
            return ReindexSummary(gallery, IndexingSummary(), live=True)
        return self._fill(self._galleries.catch_up(gallery), advance)

    def _fill(self, gallery: Gallery, advance: Advance) -> ReindexSummary:
        indexing = self._indexing.run(gallery.merchant_id, advance)
        complete = indexing.postponed == 0
        if complete:
            self._galleries.switch(gallery.merchant_id, gallery)
        return ReindexSummary(gallery, indexing, live=complete)
