"""Telling workers that there is work. PostgreSQL says what the work is; an announcement only saves them from asking."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import Protocol


class WorkQueue(StrEnum):
    """Who is told.

    ``embed``: workers with an accelerator, one process for each; they take any dirty image.
    ``index``: workers that run no network: payloads to replace, points to delete, reconciliation.
    ``fetch``: the same workers, or some of their own: images by address to be fetched.
    ``feed``: the same workers: feeds that were handed over, and those to be ingested on their schedules.
    ``hook``: the same workers: merchants' servers to be told of jobs that have ended.
    ``query``: workers that do nothing else: photos that are being searched with.
    """

    EMBED = "embed"
    INDEX = "index"
    FETCH = "fetch"
    FEED = "feed"
    HOOK = "hook"
    QUERY = "query"


class Announcements(Protocol):
    """Tells the workers of a queue that something may be due."""

    def announce(self, queue: WorkQueue) -> None:
        """Have one worker of the queue look for work. Returns soon and raises nothing.

        An announcement may be lost, come late or come twice: what was missed is announced again by a sweep, and who
        looks and finds nothing has lost little.
        """


class NoAnnouncements:
    """Where nobody is to be told: whoever marks images dirty indexes them, too."""

    def announce(self, queue: WorkQueue) -> None:
        """Tell nobody."""


class OwnAnnouncements:
    """Where there are no workers: tells the threads of this process that work as such, if it has any."""

    def __init__(self) -> None:
        self._announced = {queue: threading.Event() for queue in WorkQueue}

    def announce(self, queue: WorkQueue) -> None:
        """Wake the thread that works for this queue."""
        self._announced[queue].set()

    def wait(self, queue: WorkQueue, seconds: float | None) -> None:
        """Return when something was announced in the queue since the last call, or the time is over.

        Args:
            seconds: None for as long as it takes.
        """
        self._announced[queue].wait(seconds)
        self._announced[queue].clear()
