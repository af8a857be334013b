"""Jobs: long runs with their counts and how they ended."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.rows import JobRow, JobState


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stood when it was read."""

    id: int
    kind: str
    subject: str
    state: JobState
    counts: Mapping[str, int]
    error: str | None
    started_at: datetime.datetime
    updated_at: datetime.datetime
    finished_at: datetime.datetime | None


class JobRepository:
    """Questions about jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, merchant_id: int, kind: str, subject: str) -> int:
        """A new running job's id."""
        return self._session.execute(
            insert(JobRow)
            .values(merchant_id=merchant_id, kind=kind, subject=subject, state=JobState.RUNNING, counts={})
            .returning(JobRow.id)
        ).scalar_one()

    def report(self, job_id: int, counts: Mapping[str, int]) -> None:
        """Write the job's counts as they stand."""
        self._session.execute(
            update(JobRow).where(JobRow.id == job_id).values(counts=dict(counts), updated_at=func.now())
        )

    def end(self, job_id: int, state: JobState, counts: Mapping[str, int], error: str | None = None) -> None:
        """Write how the job ended."""
        self._session.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(state=state, counts=dict(counts), error=error, updated_at=func.now(), finished_at=func.now())
        )

    def end_abandoned(self, merchant_id: int, kind: str) -> None:
        """End jobs whose process died. Only for a caller that knows no other job of this kind is running."""
        self._session.execute(
            update(JobRow)
            .where(JobRow.merchant_id == merchant_id, JobRow.kind == kind, JobRow.state == JobState.RUNNING)
            .values(state=JobState.INTERRUPTED, error="the process ended without a word", finished_at=func.now())
            .execution_options(synchronize_session=False)
        )

    def latest(self, merchant_id: int, limit: int = 5) -> list[Job]:
        """The merchant's last jobs, newest first."""
        rows = self._session.execute(
            select(
                JobRow.id,
                JobRow.kind,
                JobRow.subject,
                JobRow.state,
                JobRow.counts,
                JobRow.error,
                JobRow.started_at,
                JobRow.updated_at,
                JobRow.finished_at,
            )
            .where(JobRow.merchant_id == merchant_id)
            .order_by(JobRow.id.desc())
            .limit(limit)
        )
        return [Job(row[0], row[1], row[2], JobState(row[3]), *row[4:]) for row in rows]
