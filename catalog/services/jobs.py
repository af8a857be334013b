"""Jobs as others see them: listed, followed, cancelled; and images that were set aside, tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from catalog.errors import InvalidRequest, JobNotFound
from catalog.repositories.jobs import Job
from catalog.services.progress import Advance, unheard
from catalog.types import JobState
from catalog.unit_of_work import UnitOfWorkFactory

LOOK_SECONDS: Final = 0.5


class JobService:
    """Reads jobs, and asks them to end.

    Args:
        sleep: Waits for so many seconds.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, sleep: Callable[[float], None] = time.sleep) -> None:
        self._unit_of_work = unit_of_work
        self._sleep = sleep

    def latest(self, merchant: str | None = None, limit: int = 20) -> list[Job]:
        """The last jobs, newest first. Those whose process has died are shown as that.

        Raises:
            MerchantNotFound: no such merchant.
        """
        with self._unit_of_work() as work:
            work.jobs.end_lockless()
            jobs = work.jobs.latest(None if merchant is None else work.merchants.id_of(merchant), limit)
            work.commit()
        return jobs

    def of_merchant(self, merchant_id: int, limit: int = 20, before: int | None = None) -> list[Job]:
        """The merchant's last jobs, newest first.

        Args:
            before: Only those with a smaller id.
        """
        with self._unit_of_work() as work:
            work.jobs.end_lockless()
            jobs = work.jobs.latest(merchant_id, limit, before=before)
            work.commit()
        return jobs

    def images_waiting(self, merchant_id: int) -> int:
        """How many of the merchant's images wait to be fetched or indexed."""
        with self._unit_of_work() as work:
            return work.images_waiting(merchant_id)

    def running(self) -> dict[str, int]:
        """The latest running job of each merchant that has one, by the merchant's name."""
        with self._unit_of_work() as work:
            return work.jobs.running()

    def get(self, job_id: int, merchant_id: int | None = None) -> Job:
        """A job as it is now.

        Args:
            merchant_id: Whose it must be; None takes anybody's.

        Raises:
            JobNotFound: no job has this id.
        """
        with self._unit_of_work() as work:
            work.jobs.end_lockless()
            job = work.jobs.find(job_id, merchant_id)
            work.commit()
        if job is None:
            raise JobNotFound(
                "No such job", received=str(job_id), expected="the number of a job", remedy="drape jobs lists them"
            )
        return job

    def follow(self, job_id: int, advance: Advance = unheard) -> Job:
        """Wait until the job has ended; how it stands then.

        Args:
            advance: Told how far it is, in the job's unit.

        Raises:
            JobNotFound: no job has this id.
        """
        while True:
            job = self.get(job_id)
            if job.done is not None:
                advance(job.done, job.total)
            if job.state not in (JobState.WAITING, JobState.RUNNING):
                return job
            self._sleep(LOOK_SECONDS)

    def cancel(self, job_id: int, merchant_id: int | None = None) -> Job:
        """Ask a job to end. It finishes what it holds; what it has done stays. One that waits is ended at once.

        Args:
            merchant_id: Whose it must be; None takes anybody's.

        Raises:
            JobNotFound: no job has this id.
            InvalidRequest: it is not running, and does not wait.
        """
        job = self.get(job_id, merchant_id)
        with self._unit_of_work() as work:
            is_asked = work.jobs.cancel(job_id)
            work.commit()
        if not is_asked:
            raise InvalidRequest(
                "Only a running job can be cancelled",
                received=f"job {job_id}, which is {job.state}",
                expected="a job that is running or waits",
            )
        return job

    def retry_quarantined(self, merchant_id: int) -> int:
        """Mark the merchant's images that were set aside for another try; how many.

        Those by address that could not be fetched are fetched again. Files whose bytes were never read, or were lost,
        stay: they come back when a feed has them.
        """
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            number = work.outbox.mark_quarantined(merchant_id) + work.fetches.wish_failed(merchant_id)
            work.commit()
        return number
