"""A run of something that takes long, as the job that others see: how far it is, and how it ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from catalog.errors import DatabaseUnavailable, ImageStoreUnavailable, JobCancelled
from catalog.repositories.jobs import JobKind
from catalog.types import JobState
from catalog.unit_of_work import UnitOfWorkFactory

LOOK_SECONDS: Final = 0.5
"""So often a job asks whether it was cancelled, however often it is asked."""


class JobRun:
    """For a ``with`` block, whose end, whatever it is, is written down: done, failed, cancelled or interrupted.

    Whoever opens it holds the lock that says that no other job of its kind runs for the merchant: what is still noted
    as running is over, and is ended first.

    Args:
        request: What was asked for, JSON-serialisable, to be asked again.
        unit: What progress is counted in: ``images``, or ``B`` for bytes.
        waiting: The id of the job, where it was handed over and waits.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        merchant_id: int,
        kind: JobKind,
        subject: str,
        request: Mapping[str, Any],
        *,
        unit: str,
        waiting: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Written down with every report and at the end."""
        self.errors: list[Mapping[str, Any]] | None = None
        """What was not taken, bounded; written down at the end."""
        self.failure: Exception | None = None
        """Why the job failed, where nothing is raised."""
        self._unit_of_work = unit_of_work
        self._start = (merchant_id, kind, subject, request, unit)
        self._waiting = waiting
        self._clock = clock
        self._looked = float("-inf")
        self._is_cancelled = False

    def __enter__(self) -> Self:
        merchant_id, kind, subject, request, unit = self._start
        with self._unit_of_work() as work:
            work.jobs.end_abandoned(merchant_id, kind)
            if self._waiting is None:
                self.id = work.jobs.start(*self._start)
            elif work.jobs.begin(self._waiting, subject, request, unit):
                self.id = self._waiting
            else:
                raise JobCancelled(
                    f"Job {self._waiting} was cancelled before it began", expected="a job that waits to be begun"
                )
            work.commit()
        return self

    def report(self, done: int, total: int | None) -> None:
        """Tell how far the job is."""
        with self._unit_of_work() as work:
            work.jobs.report(self.id, self.counts, done, total)
            work.commit()

    def is_cancelled(self) -> bool:
        """Whether somebody asked the job to end. Cheap: PostgreSQL is asked now and then only."""
        if not self._is_cancelled and self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            with self._unit_of_work() as work:
                self._is_cancelled = work.jobs.is_cancelled(self.id)
        return self._is_cancelled

    def end_if_cancelled(self) -> None:
        """Go no further where somebody asked for it.

        Raises:
            JobCancelled: the job was asked to end.
        """
        if self.is_cancelled():
            raise JobCancelled(
                f"Job {self.id} was cancelled",
                received=f"drape jobs cancel {self.id}",
                remedy="what was done stays; the same command goes on with it",
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        reason: Exception | None = None
        if error is None:
            state, reason = (JobState.DONE if self.failure is None else JobState.FAILED), self.failure
        elif isinstance(error, JobCancelled):
            state = JobState.CANCELLED
        elif self._waiting is not None and isinstance(error, DatabaseUnavailable | ImageStoreUnavailable):
            # Whoever takes what was handed over tries again when they are back.
            state = JobState.INTERRUPTED
        elif isinstance(error, Exception):
            state, reason = JobState.FAILED, error
        else:
            state = JobState.INTERRUPTED
        with self._unit_of_work() as work:
            work.jobs.end(self.id, state, self.counts, reason, self.errors)
            work.commit()
