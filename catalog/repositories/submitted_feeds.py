"""Feeds that were handed over: noted with their jobs, claimed, gone once these have ended. Times are PostgreSQL's."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.repositories.row_counts import num_rows
from catalog.rows import JobRow, MerchantRow, SubmittedFeedRow


@dataclass(frozen=True, slots=True)
class SubmittedFeed:
    """A feed that somebody is to take.

    Args:
        merchant: The merchant's name.
        upload: The key of its file in the feed store; None of a feed by address.
        request: What is asked for.
        attempts: How often it was begun, this time included.
    """

    job_id: int
    merchant_id: int
    merchant: str
    upload: str | None
    request: Mapping[str, Any]
    attempts: int


class SubmittedFeedRepository:
    """Questions about feeds that were handed over."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handed_over = False

    def put(self, job_id: int, merchant_id: int, upload: str | None) -> None:
        """Have somebody take the feed of a job that waits; the merchant has no other that is still to be taken."""
        self._session.execute(insert(SubmittedFeedRow).values(job_id=job_id, merchant_id=merchant_id, upload=upload))
        self._handed_over = True

    def take_handed_over(self) -> bool:
        """Whether any was handed over since the last call."""
        taken, self._handed_over = self._handed_over, False
        return taken

    def has(self, merchant_id: int) -> bool:
        """Whether a feed of the merchant is to be taken, or is being taken."""
        asked = select(SubmittedFeedRow.job_id).where(SubmittedFeedRow.merchant_id == merchant_id)
        return self._session.execute(asked).first() is not None

    def claim(self, lease: datetime.timedelta) -> SubmittedFeed | None:
        """Take the feed that has waited longest and that nobody is at; None where there is none."""
        due = (
            select(SubmittedFeedRow.job_id)
            .where(
                SubmittedFeedRow.due_at <= func.now(),
                or_(SubmittedFeedRow.lease_until.is_(None), SubmittedFeedRow.lease_until < func.now()),
            )
            .order_by(SubmittedFeedRow.due_at, SubmittedFeedRow.job_id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claimed = self._session.execute(
            update(SubmittedFeedRow)
            .where(SubmittedFeedRow.job_id == due.c.job_id)
            .values(lease_until=func.now() + lease, attempts=SubmittedFeedRow.attempts + 1)
            .returning(SubmittedFeedRow.job_id)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if claimed is None:
            return None
        row = self._session.execute(
            select(
                SubmittedFeedRow.job_id,
                SubmittedFeedRow.merchant_id,
                MerchantRow.name,
                SubmittedFeedRow.upload,
                JobRow.request,
                SubmittedFeedRow.attempts,
            )
            .join(JobRow, JobRow.id == SubmittedFeedRow.job_id)
            .join(MerchantRow, MerchantRow.id == SubmittedFeedRow.merchant_id)
            .where(SubmittedFeedRow.job_id == claimed)
        ).one()
        return SubmittedFeed(*row)

    def hold(self, job_id: int, lease: datetime.timedelta) -> bool:
        """Have the lease end so much later; whether the feed is still to be taken."""
        held = update(SubmittedFeedRow).where(SubmittedFeedRow.job_id == job_id).values(lease_until=func.now() + lease)
        return num_rows(self._session.execute(held.execution_options(synchronize_session=False))) == 1

    def give_back(self, job_id: int, wait: datetime.timedelta) -> None:
        """End a claim whose work was not begun, or not done; it is due again after this time, and counts as no try."""
        self._session.execute(
            update(SubmittedFeedRow)
            .where(SubmittedFeedRow.job_id == job_id)
            .values(lease_until=None, due_at=func.now() + wait, attempts=SubmittedFeedRow.attempts - 1)
            .execution_options(synchronize_session=False)
        )

    def release_abandoned(self) -> None:
        """End all claims. Only for a caller that knows that nobody else takes feeds."""
        self._session.execute(
            update(SubmittedFeedRow)
            .where(SubmittedFeedRow.lease_until.is_not(None))
            .values(lease_until=None)
            .execution_options(synchronize_session=False)
        )

    def uploads(self) -> set[str]:
        """The keys of all files that are still to be read."""
        asked = select(SubmittedFeedRow.upload).where(SubmittedFeedRow.upload.is_not(None))
        return {upload for upload in self._session.execute(asked).scalars() if upload is not None}
