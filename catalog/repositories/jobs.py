"""Jobs: long runs with their counts, how far they are, and how they ended."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.repositories.advisory_locks import is_locked
from catalog.repositories.merchants import GALLERIES_LOCK, INGEST_LOCK
from catalog.repositories.row_counts import num_rows
from catalog.rows import JobRow, MerchantRow, SubmittedFeedRow
from catalog.types import JobState


class JobKind(StrEnum):
    """What the jobs are called."""

    INGEST = "ingest"
    UNDO = "undo"
    REINDEX = "reindex"
    ROLLBACK = "rollback"
    REMOVAL = "removal"
    """Of single products: a run takes all of one day, and is never seen running."""


_LOCKS: Final[Mapping[JobKind, int]] = {
    JobKind.INGEST: INGEST_LOCK,
    JobKind.UNDO: INGEST_LOCK,
    JobKind.REINDEX: GALLERIES_LOCK,
    JobKind.ROLLBACK: GALLERIES_LOCK,
}
"""What a running job of each kind holds on its merchant from before it starts until after it ends."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stood when it was read.

    Args:
        merchant: The merchant's name.
        request: What it was asked for, to ask again; None of jobs that older versions of Drape ran.
        done, total: How far it is, in ``unit`` (``images``, ``B`` for bytes); None where it has not said.
        is_cancelled: It was asked to end.
        error_kind: The class of its error, where it failed with one.
        errors: The first of the rows and images that were not taken; None where they were not noted.
    """

    id: int
    merchant_id: int
    merchant: str
    kind: str
    subject: str
    state: JobState
    counts: Mapping[str, int]
    error: str | None
    request: Mapping[str, Any] | None
    done: int | None
    total: int | None
    unit: str | None
    is_cancelled: bool
    started_at: datetime.datetime
    updated_at: datetime.datetime
    finished_at: datetime.datetime | None
    error_kind: str | None
    errors: Sequence[Mapping[str, Any]] | None


class JobRepository:
    """Questions about jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ended: list[int] = []

    def take_ended(self) -> list[Job]:
        """The jobs that have ended in this transaction since the last call, each once."""
        ended, self._ended = dict.fromkeys(self._ended), []
        found = (self.find(job_id) for job_id in ended)
        return [job for job in found if job is not None and job.finished_at is not None]

    def start(self, merchant_id: int, kind: JobKind, subject: str, request: Mapping[str, Any], unit: str) -> int:
        """A new running job's id."""
        return self._added(merchant_id, kind, subject, request, state=JobState.RUNNING, progress_unit=unit)

    def removals_of_today(self, merchant_id: int, subject: str) -> int:
        """The id of the run that takes the merchant's removals of today, in UTC, with one more counted in it.

        What comes after such a run was undone, or is being undone, gets another. Only for a caller that holds the lock
        on the merchant's catalog: of two, both might make one.
        """
        today = func.date_trunc("day", func.now(), "UTC")
        run = self._session.execute(
            select(JobRow.id, JobRow.counts)
            .where(JobRow.merchant_id == merchant_id, JobRow.kind == JobKind.REMOVAL, JobRow.started_at >= today)
            .order_by(JobRow.id.desc())
            .limit(1)
        ).one_or_none()
        if run is not None and self.undoings(merchant_id, [run.id]):
            run = None
        job_id = self.start(merchant_id, JobKind.REMOVAL, subject, {}, "products") if run is None else run.id
        num_removed = 0 if run is None else run.counts["products_removed"]
        self.end(job_id, JobState.DONE, {"products_removed": num_removed + 1})
        return job_id

    def hand_over(
        self, merchant_id: int, kind: JobKind, subject: str, request: Mapping[str, Any], idempotency_key: str | None
    ) -> int:
        """The id of a new job that waits for somebody to begin it."""
        return self._added(merchant_id, kind, subject, request, state=JobState.WAITING, idempotency_key=idempotency_key)

    def _added(
        self,
        merchant_id: int,
        kind: JobKind,
        subject: str,
        request: Mapping[str, Any],
        *,
        state: JobState,
        progress_unit: str | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        return self._session.execute(
            insert(JobRow)
            .values(
                merchant_id=merchant_id,
                kind=kind,
                subject=subject,
                state=state,
                counts={},
                request=dict(request),
                progress_unit=progress_unit,
                idempotency_key=idempotency_key,
            )
            .returning(JobRow.id)
        ).scalar_one()

    def begin(self, job_id: int, subject: str, request: Mapping[str, Any], unit: str) -> bool:
        """Have a job that waits run; whether it still waited."""
        begun = self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.WAITING)
            .values(
                state=JobState.RUNNING,
                subject=subject,
                request=dict(request),
                counts={},
                progress_done=None,
                progress_total=None,
                progress_unit=unit,
                started_at=func.now(),
                updated_at=func.now(),
            )
            .returning(JobRow.id)
        )
        return begun.scalar_one_or_none() is not None

    def report(self, job_id: int, counts: Mapping[str, int], done: int | None = None, total: int | None = None) -> None:
        """Write the job's counts as they stand, and how far it is where that is known."""
        values: dict[str, Any] = {"counts": dict(counts), "updated_at": func.now()}
        if done is not None:
            values.update(progress_done=done, progress_total=total)
        self._session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))

    def end(
        self,
        job_id: int,
        state: JobState,
        counts: Mapping[str, int],
        error: Exception | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Write how the job ended. One that was handed over, and only interrupted, waits again.

        Args:
            error: Why it failed.
            errors: The first of the rows and images that were not taken.
        """
        told = {"counts": dict(counts), "errors": None if errors is None else list(errors), "updated_at": func.now()}
        if state is JobState.INTERRUPTED and self._wait_again(JobRow.id == job_id, told):
            return
        self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(
                state=state,
                error=None if error is None else _storable(str(error) or type(error).__name__),
                error_kind=None if error is None else type(error).__name__,
                finished_at=func.now(),
                **told,
            )
        )
        self._session.execute(delete(SubmittedFeedRow).where(SubmittedFeedRow.job_id == job_id))
        self._ended.append(job_id)

    def end_unended(self, job_id: int, error: Exception | None) -> None:
        """End a job that was handed over and has not ended: as failed, where there is an error, else as cancelled."""
        job = self.find(job_id)
        if job is not None and job.finished_at is None:
            self.end(job_id, JobState.CANCELLED if error is None else JobState.FAILED, job.counts, error)

    def cancel(self, job_id: int) -> bool:
        """Ask a running job to end, or end one that waits; whether there is one of that id."""
        waited = self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.WAITING)
            .values(
                state=JobState.CANCELLED,
                cancel_requested_at=func.now(),
                updated_at=func.now(),
                finished_at=func.now(),
            )
            .returning(JobRow.id)
        )
        if waited.scalar_one_or_none() is not None:
            self._ended.append(job_id)
            self._session.execute(delete(SubmittedFeedRow).where(SubmittedFeedRow.job_id == job_id))
            return True
        asked = self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.RUNNING)
            .values(cancel_requested_at=func.coalesce(JobRow.cancel_requested_at, func.now()))
            .returning(JobRow.id)
        )
        return asked.scalar_one_or_none() is not None

    def is_cancelled(self, job_id: int) -> bool:
        """Whether the job was asked to end."""
        asked = select(JobRow.cancel_requested_at.is_not(None)).where(JobRow.id == job_id)
        return bool(self._session.execute(asked).scalar_one())

    def end_abandoned(self, merchant_id: int, kind: JobKind) -> None:
        """End jobs whose process died. Only for a caller that holds the lock which a job of this kind holds."""
        over = [other for other, lock in _LOCKS.items() if lock == _LOCKS[kind]]
        self._end_abandoned(and_(JobRow.merchant_id == merchant_id, JobRow.kind.in_(over)))

    def end_lockless(self) -> None:
        """End every job whose process died, which shows in that nobody holds the lock which a running job holds."""
        kinds = [and_(JobRow.kind == kind, ~is_locked(lock, JobRow.merchant_id)) for kind, lock in _LOCKS.items()]
        self._end_abandoned(or_(*kinds))

    def _wait_again(self, which: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        """Have running jobs that were handed over wait for somebody else; whether there are any."""
        is_handed_over = select(SubmittedFeedRow.job_id).where(SubmittedFeedRow.job_id == JobRow.id).exists()
        waiting = (
            update(JobRow)
            .where(which, JobRow.state == JobState.RUNNING, is_handed_over)
            .values(state=JobState.WAITING, **values)
            .execution_options(synchronize_session=False)
        )
        return num_rows(self._session.execute(waiting)) > 0

    def _end_abandoned(self, which: ColumnElement[bool]) -> None:
        self._wait_again(which, {"updated_at": func.now()})
        ended = self._session.execute(
            update(JobRow)
            .where(which, JobRow.state == JobState.RUNNING)
            .values(state=JobState.INTERRUPTED, error="the process ended without a word", finished_at=func.now())
            .returning(JobRow.id)
            .execution_options(synchronize_session=False)
        )
        self._ended.extend(ended.scalars())

    def latest(
        self,
        merchant_id: int | None = None,
        limit: int = 5,
        *kinds: JobKind,
        subject: str | None = None,
        before: int | None = None,
    ) -> list[Job]:
        """The last jobs, of one merchant or of all, of some kinds or of all, of one feed or of all, newest first.

        Args:
            before: Only those with a smaller id.
        """
        jobs = _jobs().order_by(JobRow.id.desc()).limit(limit)
        if kinds:
            jobs = jobs.where(JobRow.kind.in_(kinds))
        if before is not None:
            jobs = jobs.where(JobRow.id < before)
        if subject is not None:
            jobs = jobs.where(JobRow.subject == subject)
        if merchant_id is not None:
            jobs = jobs.where(JobRow.merchant_id == merchant_id)
        return [_job(*row) for row in self._session.execute(jobs)]

    def undoings(self, merchant_id: int, job_ids: Sequence[int]) -> dict[int, Job]:
        """The latest job that undoes each of these ingests or removals, by the id of what it undoes."""
        undone = JobRow.request["job"].astext.cast(BigInteger)
        undoings = (
            _jobs()
            .where(JobRow.merchant_id == merchant_id, JobRow.kind == JobKind.UNDO, undone.in_(job_ids))
            .order_by(JobRow.id)
        )
        jobs = [_job(*row) for row in self._session.execute(undoings)]
        return {int((job.request or {})["job"]): job for job in jobs}

    def running(self) -> dict[str, int]:
        """The latest job that is noted as running for each merchant that has one, by the merchant's name."""
        running = (
            select(MerchantRow.name, func.max(JobRow.id))
            .join(MerchantRow, MerchantRow.id == JobRow.merchant_id)
            .where(JobRow.state == JobState.RUNNING)
            .group_by(MerchantRow.name)
        )
        return dict(self._session.execute(running).all())

    def find(self, job_id: int, merchant_id: int | None = None) -> Job | None:
        """The job of this id, of this merchant or of anybody, or None."""
        asked = _jobs().where(JobRow.id == job_id)
        if merchant_id is not None:
            asked = asked.where(JobRow.merchant_id == merchant_id)
        row = self._session.execute(asked).one_or_none()
        return None if row is None else _job(*row)

    def called(self, merchant_id: int, idempotency_key: str) -> Job | None:
        """The job that the merchant's client calls so, or None."""
        asked = _jobs().where(JobRow.merchant_id == merchant_id, JobRow.idempotency_key == idempotency_key)
        row = self._session.execute(asked).one_or_none()
        return None if row is None else _job(*row)


def _storable(text: str) -> str:
    """Text that PostgreSQL takes."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _jobs() -> Select[Any]:
    return select(
        JobRow.id,
        JobRow.merchant_id,
        MerchantRow.name,
        JobRow.kind,
        JobRow.subject,
        JobRow.state,
        JobRow.counts,
        JobRow.error,
        JobRow.request,
        JobRow.progress_done,
        JobRow.progress_total,
        JobRow.progress_unit,
        JobRow.cancel_requested_at.is_not(None),
        JobRow.started_at,
        JobRow.updated_at,
        JobRow.finished_at,
        JobRow.error_kind,
        JobRow.errors,
    ).join(MerchantRow, MerchantRow.id == JobRow.merchant_id)


def _job(
    id: int,
    merchant_id: int,
    merchant: str,
    kind: str,
    subject: str,
    state: str,
    *facts: Any,  # noqa: ANN401 - a row's.
) -> Job:
    return Job(id, merchant_id, merchant, kind, subject, JobState(state), *facts)
