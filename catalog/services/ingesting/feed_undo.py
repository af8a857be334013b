"""The last run of a feed, or removals, undone: products and images become what they were, and are marked dirty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import NothingToUndo
from catalog.repositories.jobs import Job, JobKind
from catalog.services.ingesting.undo_rows import ChangeUndoer
from catalog.services.job_run import JobRun
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory

PRODUCTS_PER_TRANSACTION = 200


@dataclass(frozen=True, slots=True)
class UndoSummary:
    """What undoing a run did.

    Args:
        merchant_id: Whose catalog.
        job_id: The undoing's own job.
        undone_job_id: The ingest, or the removals, that were undone.
        removed: Products removed, which the run had brought.
        put_back: Products put back to what they were, which the run had changed.
        restored: Products inserted again, which the run had removed.
        kept: Ids of products left as they are, because they are no longer as the run had left them; the first hundred.
        num_kept: How many there are of these.
    """

    merchant_id: int
    job_id: int
    undone_job_id: int
    removed: int
    put_back: int
    restored: int
    kept: tuple[str, ...]
    num_kept: int


class FeedUndoService:
    """Undoes ingests and removals. What was undone stays so, whatever stops the rest; the next call goes on with it.

    Of ingests only the last can be undone. Removals of single products stand beside them: a day's can be undone while
    it is kept what they were, and an ingest before them as if they were not, but for what is no longer there.
    """

    max_kept_shown = 100

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def run_to_undo(self, merchant: str, job_id: int | None = None) -> Job:
        """What ``run`` would undo: the last ingest that changed anything, unless it is told otherwise.

        Raises:
            As ``run``.
        """
        with self._unit_of_work() as work:
            return _run_to_undo(work, work.merchants.id_of(merchant), merchant, job_id)

    def run(self, merchant: str, advance: Advance = unheard, *, job_id: int | None = None) -> UndoSummary:
        """Undo the merchant's last ingest that changed anything, or removals.

        Args:
            advance: Told how many products are done, of how many.
            job_id: Which ingest that should be, where somebody was asked before; or the removals to undo.

        Raises:
            MerchantNotFound: no such merchant.
            NothingToUndo: no ingest has changed anything, the last one that did is undone, or it is another than
                should be.
            IngestRunning: the merchant's catalog is being ingested, or an ingest of it undone.
        """
        # Held open until the end, as an ingest holds it: neither sees the other half-way.
        with self._unit_of_work() as guard:
            merchant_id = guard.merchants.id_of(merchant)
            guard.merchants.claim_ingest(merchant_id, merchant)
            with self._unit_of_work() as work:
                undone = _run_to_undo(work, merchant_id, merchant, job_id)
                left = work.changes.count_left(undone.id)
            kept: list[str] = []
            request = {"job": undone.id}
            with JobRun(
                self._unit_of_work, merchant_id, JobKind.UNDO, f"{undone.kind} {undone.id}", request, unit="products"
            ) as job:
                last: str | None = ""
                while last is not None:
                    job.end_if_cancelled()
                    last = self._undo_some(merchant_id, undone.id, last, job, left, kept)
                    advance(job.counts.total(), left)
            counts = job.counts
        return UndoSummary(
            merchant_id,
            job.id,
            undone.id,
            counts["products_removed"],
            counts["products_put_back"],
            counts["products_restored"],
            tuple(kept[: self.max_kept_shown]),
            counts["products_kept"],
        )

    def _undo_some(
        self, merchant_id: int, undone_id: int, after: str, job: JobRun, total: int, kept: list[str]
    ) -> str | None:
        """Undo the changes that come next; the last product's id, or None where nothing is left."""
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            changes = work.changes.of(undone_id, after, PRODUCTS_PER_TRANSACTION, left=True)
            if not changes:
                return None
            outcome = ChangeUndoer(work, merchant_id, undone_id).undo(changes)
            counts = job.counts + outcome.counts
            work.jobs.report(job.id, counts, counts.total(), total)
            work.commit()
        job.counts = counts
        kept.extend(_first(outcome.kept, self.max_kept_shown - len(kept)))
        return changes[-1].external_id


def _first(names: Sequence[str], number: int) -> Sequence[str]:
    return names[: max(0, number)]


def _run_to_undo(work: UnitOfWork, merchant_id: int, merchant: str, job_id: int | None) -> Job:
    named = None if job_id is None else work.jobs.find(job_id)
    if named is not None and named.kind == JobKind.REMOVAL and named.merchant == merchant:
        if not work.changes.count_left(named.id):
            raise NothingToUndo(
                "There is nothing to undo",
                received=f"removals {named.id} of {merchant}, which are undone, or too long ago",
                expected="removals of which it is kept what they removed",
            )
        return named
    last = _last_ingest(work, merchant_id, merchant)
    if job_id not in (None, last.id):
        raise NothingToUndo(
            f"Run {job_id} cannot be undone, or not any more",
            received=f"ingest {last.id} of {merchant} as the last",
            expected="the last ingest that changed anything, or removals of single products",
            remedy=f"drape feed history --merchant {merchant} shows what changed since",
        )
    return last


def _last_ingest(work: UnitOfWork, merchant_id: int, merchant: str) -> Job:
    job_id = work.changes.latest_run(merchant_id, JobKind.INGEST)
    job = None if job_id is None else work.jobs.find(job_id)
    if job is None:
        raise NothingToUndo(
            "There is nothing to undo",
            received=f"{merchant}, of whose ingests none has noted a change",
            expected="a merchant whose last ingest changed something",
        )
    if not work.changes.count_left(job.id):
        raise NothingToUndo(
            "There is nothing to undo",
            received=f"ingest {job.id} of {merchant}, which is undone",
            expected="an ingest that is not undone yet; of those that changed anything, only the last can be undone",
            remedy=f"ingest an earlier feed again to go further back; drape feed history --merchant {merchant}",
        )
    return job
