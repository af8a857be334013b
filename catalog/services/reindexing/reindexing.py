"""Changing a catalog's searches to another model version, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalog.errors import DrapeError, GalleryNotFound, JobCancelled
from catalog.repositories.galleries import Gallery
from catalog.repositories.jobs import JobKind
from catalog.rows import GalleryState
from catalog.services.galleries.galleries import GalleryService
from catalog.services.indexing.indexer import Indexer
from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.indexing.rate_limit import RateLimit
from catalog.services.job_run import JobRun
from catalog.services.progress import Advance, unheard
from catalog.services.reindexing.gallery_checks import CheckLimits, GalleryChecks, GalleryReport
from catalog.unit_of_work import UnitOfWorkFactory

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
    """Builds galleries beside the live one and switches to them. What takes long is a job, one of a merchant at a time.

    Whatever ends a run half-way (an error, Ctrl-C, kill -9), the gallery stays as it is being built, and the same call
    goes on with it.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        galleries: GalleryService,
        indexing: Indexer,
        checks: GalleryChecks,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._galleries = galleries
        self._indexing = indexing
        self._checks = checks

    def run(
        self,
        merchant_id: int,
        version: str,
        advance: Advance = unheard,
        limits: CheckLimits | None = None,
        *,
        max_rate: float | None = None,
    ) -> ReindexSummary:
        """Build a gallery of this model version, or what an earlier run has left to do of it, check it and search it.

        A version that is live already is brought up to date and not checked.

        Args:
            advance: Told the number of images done and the number dirty in all.
            max_rate: Embed no more images in a second than this.

        Raises:
            embeddings.errors.UnusableModel: no such version.
            InvalidRequest: the rate is too low to be kept to.
            GalleryBusy: another process builds, changes or drops galleries of this merchant.
            GalleryNotFound: the gallery is not complete. Searches stay where they are.
            GalleryRejected: it did not pass a check. Searches stay where they are, and what was built is kept.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        name = self._galleries.describe(version).version
        _check_rate(max_rate)

        checked = limits or CheckLimits()

        def build(job: JobRun, advance: Advance) -> ReindexSummary:
            gallery = self._galleries.build_beside(merchant_id, version, self._due_rate(max_rate))
            return self._fill(job, gallery, advance, checked, max_rate)

        request = {"model": version, "max_rate": max_rate, **dataclasses.asdict(checked)}
        return self._as_job(merchant_id, JobKind.REINDEX, name, request, build, advance)

    def roll_back(
        self, merchant_id: int, advance: Advance = unheard, *, max_rate: float | None = None
    ) -> ReindexSummary:
        """Search the gallery that was live before: at once, or as soon as it has what it missed while it was not fed.

        Searches stay where they are until then. What was live is kept, so that a second call comes back to it. Nothing
        is measured: it was searched before, and whoever goes back is in a hurry.

        Args:
            advance: Told the number of images done and the number dirty in all.
            max_rate: Embed no more images in a second than this.

        Raises:
            InvalidRequest: the rate is too low to be kept to.
            GalleryNotFound: there is no gallery to go back to.
            GalleryBusy: it has something to catch up with, and another process works on galleries of this merchant.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        _check_rate(max_rate)
        gallery = self._galleries.before(merchant_id)
        if self._galleries.go_back(gallery):
            return ReindexSummary(gallery, IndexingSummary(), live=True)

        def catch_up(job: JobRun, advance: Advance) -> ReindexSummary:
            filling = self._galleries.catch_up(gallery, self._due_rate(max_rate))
            return self._fill(job, filling, advance, None, max_rate)

        request = {"max_rate": max_rate}
        return self._as_job(merchant_id, JobKind.ROLLBACK, gallery.model_version, request, catch_up, advance)

    def _as_job(
        self,
        merchant_id: int,
        kind: JobKind,
        version: str,
        request: Mapping[str, object],
        act: Callable[[JobRun, Advance], ReindexSummary],
        advance: Advance,
    ) -> ReindexSummary:
        # Held open until the end: a second one is turned away, and a killed one's lock is free.
        with self._unit_of_work() as guard:
            guard.merchants.claim_galleries(merchant_id)
            with self._unit_of_work() as work:
                # The other kind holds the same lock, so it is over, too.
                work.jobs.end_lockless()
                work.commit()
            with JobRun(self._unit_of_work, merchant_id, kind, version, request, unit="images") as job:

                def report(done: int, total: int | None) -> None:
                    job.report(done, total)
                    advance(done, total)

                summary = act(job, report)
                indexing = summary.indexing
                job.counts.update(embedded=indexing.embedded, refreshed=indexing.refreshed, removed=indexing.removed)
                job.counts.update(quarantined=indexing.quarantined, postponed=indexing.postponed)
                if not summary.live:
                    job.failure = DrapeError(f"{indexing.postponed} images wait for another try")
        return summary

    def _fill(
        self, job: JobRun, gallery: Gallery, advance: Advance, limits: CheckLimits | None, max_rate: float | None
    ) -> ReindexSummary:
        """Index and switch; ``limits`` says what the gallery must reach, None that nothing is asked of it."""
        try:
            return self._filled(job, gallery, advance, limits, max_rate)
        except JobCancelled:
            # Nobody feeds it any more; the same command brings it up to date, and pruning drops it.
            self._galleries.leave(gallery)
            raise

    def _filled(
        self, job: JobRun, gallery: Gallery, advance: Advance, limits: CheckLimits | None, max_rate: float | None
    ) -> ReindexSummary:
        indexing = self._index_all(job, gallery, advance, max_rate)
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
                indexing = indexing.plus(self._index_all(job, gallery, advance, max_rate))
                if indexing.postponed:
                    return ReindexSummary(gallery, indexing, live=False, report=report)
        else:
            self._galleries.switch(gallery.merchant_id, gallery)
        return ReindexSummary(gallery, indexing, live=True, report=report)

    def _due_rate(self, max_rate: float | None) -> float | None:
        return None if self._indexing.keeps_rate else max_rate

    def _index_all(self, job: JobRun, gallery: Gallery, advance: Advance, max_rate: float | None) -> IndexingSummary:
        indexing = self._indexing.run(gallery.merchant_id, advance, stop=job.is_cancelled, max_rate=max_rate)
        job.end_if_cancelled()
        return indexing


def _check_rate(max_rate: float | None) -> None:
    """Before a gallery is made that nothing would be done for."""
    if max_rate is not None:
        RateLimit(max_rate)
