"""What ``beat`` does: announce again, and again, whatever there may be to do."""

from __future__ import annotations

import datetime
from typing import Any, Final

from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import crontab

from catalog.adapters.broker.celery_broker import RECONCILE, TASKS, announce, announce_reconciliation
from catalog.ports.announcements import WorkQueue

LIGHT_SWEEPS: Final = 12
"""Workers without a network look less often than others by this factor: the others take up what these have missed."""


FEED_SECONDS: Final = 60.0
"""Schedules of feeds are not finer than minutes."""


def sweep_schedule(seconds: float, reconcile_at: str, *, has_queries: bool = False) -> dict[str, dict[str, Any]]:
    """Celery's ``beat_schedule`` with a sweep of each queue, and the daily reconciliation.

    The latter has a time of the day instead of an interval, which would begin anew with every start of ``beat``.

    Args:
        seconds: Between two sweeps of the queue ``embed``, and of ``fetch``, which nobody else looks into.
        reconcile_at: ``03:30``, in UTC, or ``never``.
        has_queries: Whether workers embed photos that are searched with. A query announces itself; this has them load
            the networks that it will need, and shows that they live.
    """
    every = {
        WorkQueue.EMBED: seconds,
        WorkQueue.INDEX: seconds * LIGHT_SWEEPS,
        WorkQueue.FETCH: seconds,
        WorkQueue.FEED: FEED_SECONDS,
        WorkQueue.HOOK: seconds,
    }
    if has_queries:
        every[WorkQueue.QUERY] = seconds
    schedule: dict[str, dict[str, Any]] = {
        f"sweep-{queue}": {
            "task": TASKS[queue],
            "schedule": datetime.timedelta(seconds=interval),
            "kwargs": {"queue": queue.value},
        }
        for queue, interval in every.items()
    }
    if reconcile_at != "never":
        hour, minute = reconcile_at.split(":")
        schedule["reconcile"] = {"task": RECONCILE, "schedule": crontab(hour=str(int(hour)), minute=str(int(minute)))}
    return schedule


class SweepScheduler(Scheduler):
    """Announces what is due. It keeps nothing: whatever a sweep misses, the next one finds."""

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: object = None,  # noqa: ARG002 - Celery's signature; announcing takes its own.
        advance: bool = True,
        **options: object,  # noqa: ARG002 - Celery's signature.
    ) -> None:
        """Send the entry's message; a sweep's, where none of its queue waits."""
        if advance:
            self.reserve(entry)
        if entry.task == RECONCILE:
            announce_reconciliation(self.app)
        else:
            announce(self.app, WorkQueue(entry.kwargs["queue"]))
