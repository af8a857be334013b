"""Feeds that are ingested on a schedule: noted, claimed when they are due, and due again. Times are PostgreSQL's."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.repositories.row_counts import num_rows
from catalog.rows import FeedScheduleRow, MerchantRow
from catalog.schedules import Schedule


@dataclass(frozen=True, slots=True)
class ScheduledFeed:
    """A feed with its schedule, as it stood when it was read.

    Args:
        merchant: The merchant's name.
        request: What is asked for each time.
        is_running: Some worker is at it.
        last_job_id: The ingest that took the feed last.
        last_error: Why the last run failed, if it did.
    """

    id: int
    merchant: str
    feed: str
    request: Mapping[str, Any]
    schedule: Schedule
    next_due_at: datetime.datetime
    is_running: bool
    last_run_at: datetime.datetime | None
    last_job_id: int | None
    last_error: str | None


class FeedScheduleRepository:
    """Questions about scheduled feeds."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime.datetime:
        """The database's time, by which all processes go."""
        now: datetime.datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return now

    def put(self, merchant_id: int, feed: str, request: Mapping[str, Any], schedule: Schedule) -> None:
        """Have the feed ingested on this schedule from now on, instead of on the one that it had."""
        values = {
            "request": dict(request),
            "every_seconds": None if schedule.every is None else int(schedule.every.total_seconds()),
            "daily_at": schedule.daily_at,
            "next_due_at": schedule.first(self.now()),
        }
        self._session.execute(
            insert(FeedScheduleRow)
            .values(merchant_id=merchant_id, feed=feed, **values)
            .on_conflict_do_update(index_elements=[FeedScheduleRow.merchant_id, FeedScheduleRow.feed], set_=values)
        )

    def listed(self, merchant_id: int | None = None) -> list[ScheduledFeed]:
        """The scheduled feeds, of one merchant or of all, those that are due next first."""
        schedules = _schedules().order_by(FeedScheduleRow.next_due_at, FeedScheduleRow.id)
        if merchant_id is not None:
            schedules = schedules.where(FeedScheduleRow.merchant_id == merchant_id)
        return [_scheduled_feed(*row) for row in self._session.execute(schedules)]

    def remove(self, merchant_id: int, feed: str | None) -> list[str]:
        """Forget the schedule of a feed, or of all feeds of the merchant; the feeds."""
        removal = delete(FeedScheduleRow).where(FeedScheduleRow.merchant_id == merchant_id)
        if feed is not None:
            removal = removal.where(FeedScheduleRow.feed == feed)
        return sorted(self._session.execute(removal.returning(FeedScheduleRow.feed)).scalars())

    def claim(self, lease: datetime.timedelta) -> ScheduledFeed | None:
        """Take the feed that is due longest and that nobody is at; None where there is none."""
        due = (
            select(FeedScheduleRow.id)
            .where(
                FeedScheduleRow.next_due_at <= func.now(),
                or_(FeedScheduleRow.lease_until.is_(None), FeedScheduleRow.lease_until < func.now()),
            )
            .order_by(FeedScheduleRow.next_due_at, FeedScheduleRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claimed = self._session.execute(
            update(FeedScheduleRow)
            .where(FeedScheduleRow.id == due.c.id)
            .values(lease_until=func.now() + lease)
            .returning(FeedScheduleRow.id)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if claimed is None:
            return None
        return _scheduled_feed(*self._session.execute(_schedules().where(FeedScheduleRow.id == claimed)).one())

    def hold(self, schedule_id: int, lease: datetime.timedelta) -> bool:
        """Have the lease end so much later; whether the schedule is still there."""
        held = update(FeedScheduleRow).where(FeedScheduleRow.id == schedule_id).values(lease_until=func.now() + lease)
        return num_rows(self._session.execute(held.execution_options(synchronize_session=False))) == 1

    def give_back(self, schedule_id: int, wait: datetime.timedelta) -> None:
        """End a claim whose work was not done; it is due again after this time."""
        self.hold(schedule_id, wait)

    def finish(
        self, feed: ScheduledFeed, next_due_at: datetime.datetime, job_id: int | None, error: str | None
    ) -> None:
        """End a claim whose work was done, well or not.

        Args:
            feed: As it was claimed. Where it has been put on another schedule since, it is due when that says so.
            job_id: The ingest, where there was one.
        """
        values: dict[str, Any] = {"lease_until": None, "last_run_at": func.now(), "last_error": error}
        if job_id is not None:
            values["last_job_id"] = job_id
        finished = update(FeedScheduleRow).where(FeedScheduleRow.id == feed.id)
        self._session.execute(finished.values(**values))
        as_claimed = FeedScheduleRow.next_due_at == feed.next_due_at
        self._session.execute(finished.where(as_claimed).values(next_due_at=next_due_at))


def _schedules() -> Select[Any]:
    return select(
        FeedScheduleRow.id,
        MerchantRow.name,
        FeedScheduleRow.feed,
        FeedScheduleRow.request,
        FeedScheduleRow.every_seconds,
        FeedScheduleRow.daily_at,
        FeedScheduleRow.next_due_at,
        func.coalesce(FeedScheduleRow.lease_until > func.now(), False),
        FeedScheduleRow.last_run_at,
        FeedScheduleRow.last_job_id,
        FeedScheduleRow.last_error,
    ).join(MerchantRow, MerchantRow.id == FeedScheduleRow.merchant_id)


def _scheduled_feed(
    id: int,
    merchant: str,
    feed: str,
    request: Mapping[str, Any],
    every_seconds: int | None,
    daily_at: datetime.time | None,
    *facts: Any,  # noqa: ANN401 - a row's.
) -> ScheduledFeed:
    every = None if every_seconds is None else datetime.timedelta(seconds=every_seconds)
    return ScheduledFeed(id, merchant, feed, request, Schedule(every, daily_at), *facts)
