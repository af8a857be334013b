"""Changing a catalog's searches to another model version, and back."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.errors import GalleryNotFound
from catalog.repositories.galleries import Gallery
from catalog.rows import GalleryState
from catalog.services.galleries import GalleryService
from catalog.services.gallery_checks import CheckLimits, GalleryChecks, GalleryReport
from catalog.services.indexing import IndexingService, IndexingSummary
from catalog.services.progress import Advance, unheard

CATCHING_UP = 5
"""How often images that came while a gallery was checked are indexed before it is left to another run."""


@dataclass(frozen=True, slots=True)
class ReindexSummary:
    """What a re-indexing did.

    Args:
        gallery: The one that was changed to, or would have been.
        live: Whether searches go to it now. If not, images wait for another try, and the same command goes on.
        report: What was measured before the change; None where there was nothing to measure.
    """

    gallery: Gallery
    indexing: IndexingSummary
    live: bool
    report: GalleryReport | None = None


class ReindexService:
    """Builds galleries beside the live one and switches to them."""

    def __init__(self, galleries: GalleryService, indexing: IndexingService, checks: GalleryChecks) -> None:
        self._galleries = galleries
        self._indexing = indexing
        self._checks = checks

    def run(
        self, merchant_id: int, version: str, advance: Advance = unheard, limits: CheckLimits | None = None
    ) -> ReindexSummary:
        """Build a gallery of this model version, or what an earlier run has left to do of it, check it and search it.

        A version that is live already is brought up to date and not checked.

        Args:
            advance: Told the number of images done and the number dirty in all.

        Raises:
            embeddings.errors.UnusableModel: no such version.
            GalleryNotFound: the gallery is not complete. Searches stay where they are.
            GalleryRejected: it did not pass a check. Searches stay where they are, and what was built is kept.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        return self._fill(self._galleries.build_beside(merchant_id, version), advance, limits or CheckLimits())

    def roll_back(self, merchant_id: int, advance: Advance = unheard) -> ReindexSummary:
        """Search the gallery that was live before: at once, or as soon as it has what it missed while it was not fed.

        Searches stay where they are until then. What was live is kept, so that a second call comes back to it. Nothing
        is measured: it was searched before, and whoever goes back is in a hurry.

        Raises:
            GalleryNotFound: there is no gallery to go back to.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        gallery = self._galleries.before(merchant_id)
        if self._galleries.go_back(gallery):
            return ReindexSummary(gallery, IndexingSummary(), live=True)
        return self._fill(self._galleries.catch_up(gallery), advance, None)

    def _fill(self, gallery: Gallery, advance: Advance, limits: CheckLimits | None) -> ReindexSummary:
        """Index and switch; ``limits`` says what the gallery must reach, None that nothing is asked of it."""
        indexing = self._indexing.run(gallery.merchant_id, advance)
        if indexing.postponed:
            return ReindexSummary(gallery, indexing, live=False)
        report = None
        if limits is not None and gallery.state != GalleryState.LIVE:
            report = self._checks.check(gallery, limits)
        for _ in range(CATCHING_UP):
            try:
                self._galleries.switch(gallery.merchant_id, gallery)
                break
            except GalleryNotFound:
                # An ingest has written images since. What it writes while these few are indexed will be fewer still.
                indexing = indexing.plus(self._indexing.run(gallery.merchant_id, advance))
                if indexing.postponed:
                    return ReindexSummary(gallery, indexing, live=False, report=report)
        else:
            self._galleries.switch(gallery.merchant_id, gallery)
        return ReindexSummary(gallery, indexing, live=True, report=report)
