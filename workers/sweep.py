"""What ``beat`` does: announce again, and again, whatever there may be to do."""

from __future__ import annotations

import datetime
from typing import Any, Final

from celery.beat import ScheduleEntry, Scheduler

from catalog.adapters.celery_broker import INDEX_IMAGES, announce
from catalog.ports.announcements import WorkQueue

LIGHT_SWEEPS: Final = 12
"""Workers without a network look less often than others by this factor: the others take up what these have missed."""


def sweep_schedule(seconds: float) -> dict[str, dict[str, Any]]:
    """Celery's ``beat_schedule`` with a sweep of each queue.

    Args:
        seconds: Between two of the queue ``embed``.
    """
    every = {WorkQueue.EMBED: seconds, WorkQueue.INDEX: seconds * LIGHT_SWEEPS}
    return {
        f"sweep-{queue}": {
            "task": INDEX_IMAGES,
            "schedule": datetime.timedelta(seconds=interval),
            "kwargs": {"queue": queue.value},
        }
        for queue, interval in every.items()
    }


class SweepScheduler(Scheduler):
    """Announces what is due. It keeps nothing: whatever a sweep misses, the next one finds."""

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: object = None,  # noqa: ARG002 - Celery's signature; announcing takes its own.
        advance: bool = True,
        **options: object,  # noqa: ARG002 - Celery's signature.
    ) -> None:
        """Send the entry's message where none of its queue waits."""
        if advance:
            self.reserve(entry)
        announce(self.app, WorkQueue(entry.kwargs["queue"]))
