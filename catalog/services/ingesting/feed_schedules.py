"""Feeds by address that are ingested again and again: noted, listed, and taken when they are due."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from catalog.errors import DatabaseUnavailable, IngestRunning, InvalidRequest
from catalog.repositories.feed_schedules import ScheduledFeed
from catalog.schedules import Schedule
from catalog.services.galleries.galleries import GalleryService
from catalog.services.ingesting.ingest import IngestRequest, IngestSummary, check_merchant_name
from catalog.services.ingesting.remote_feeds import RemoteFeedService, check_feed_address
from catalog.services.ingesting.stopped import Stopped
from catalog.types import RowError
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.errors import ExplainedError

BUSY: Final = datetime.timedelta(minutes=1)
"""So long a feed waits whose merchant's catalog is being ingested already."""


@dataclass(frozen=True, slots=True)
class TakenFeed:
    """What came of one scheduled feed.

    Args:
        summary: None where it failed, or was not begun.
        error: Why it failed.
    """

    feed: ScheduledFeed
    summary: IngestSummary | None
    error: str | None


class FeedScheduleService:
    """Keeps schedules, and runs what is due.

    Args:
        lease: A feed whose worker has said nothing for so long is taken by another.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        feeds: RemoteFeedService,
        galleries: GalleryService,
        *,
        lease: datetime.timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._feeds = feeds
        self._galleries = galleries
        self._lease = lease
        self._clock = clock

    def put(self, address: str, request: IngestRequest, schedule: Schedule) -> ScheduledFeed:
        """Have workers ingest the feed on this schedule; one that it had is replaced.

        Args:
            request: What is asked for each time; its file is not looked at.

        Raises:
            InvalidRequest: the address cannot be one of a feed, or the merchant's name cannot be one.
            embeddings.errors.UnusableModel: a new merchant's model version cannot be used.
        """
        check_feed_address(address)
        check_merchant_name(request.merchant)
        request.reading_options()
        with self._unit_of_work() as work:
            if work.merchants.find(request.merchant) is None:
                self._galleries.describe(request.model)
            merchant_id = work.merchants.ensure(request.merchant)
            work.feed_schedules.put(merchant_id, address, {**request.to_json(), "feed": address}, schedule)
            (put,) = [feed for feed in work.feed_schedules.listed(merchant_id) if feed.feed == address]
            work.commit()
        return put

    def listed(self, merchant: str | None = None) -> list[ScheduledFeed]:
        """The scheduled feeds, those that are due next first.

        Raises:
            MerchantNotFound: no such merchant.
        """
        with self._unit_of_work() as work:
            return work.feed_schedules.listed(None if merchant is None else work.merchants.id_of(merchant))

    def remove(self, merchant: str, address: str | None = None) -> list[str]:
        """Forget the schedule of one feed, or of all feeds of the merchant; the feeds. What runs ends by itself.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: no such feed has a schedule.
        """
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            removed = work.feed_schedules.remove(merchant_id, address)
            known = [feed.feed for feed in work.feed_schedules.listed(merchant_id)]
            work.commit()
        if not removed:
            raise InvalidRequest(
                "Nothing is scheduled so",
                received=f"{address or 'no feed'} of {merchant}",
                expected="one of " + ", ".join(known) if known else "a feed that drape ingest --schedule was asked for",
            )
        return removed

    def run_due(self, stop: Callable[[], bool] = lambda: False) -> list[TakenFeed]:
        """Ingest one feed after the other until none is due. A failure is noted, and the next one taken.

        Args:
            stop: Asked now and then; once it says so, the feed at hand is given back, and its ingest interrupted.
        """
        taken: list[TakenFeed] = []
        while not stop():
            with self._unit_of_work() as work:
                feed = work.feed_schedules.claim(self._lease)
                work.commit()
            if feed is None:
                break
            try:
                taken.append(self._take(feed, stop))
            except Stopped:
                with self._unit_of_work() as work:
                    work.feed_schedules.give_back(feed.id, datetime.timedelta(0))
                    work.commit()
        return taken

    def _take(self, feed: ScheduledFeed, stop: Callable[[], bool]) -> TakenFeed:
        held_at = self._clock()

        def hold(done: int, total: int | None) -> None:  # noqa: ARG001 - as all that are told of progress.
            nonlocal held_at
            if stop():
                raise Stopped
            if self._clock() - held_at >= self._lease.total_seconds() / 4:
                held_at = self._clock()
                with self._unit_of_work() as work:
                    work.feed_schedules.hold(feed.id, self._lease)
                    work.commit()

        request = IngestRequest.from_json(feed.request)
        try:
            self._check_free(feed)
            summary = self._feeds.run(feed.feed, request, _ignore, fetching=hold, reading=hold)
        except IngestRunning as error:
            with self._unit_of_work() as work:
                work.feed_schedules.give_back(feed.id, BUSY)
                work.commit()
            return TakenFeed(feed, None, str(error))
        except DatabaseUnavailable:
            # The lease ends, and somebody tries again.
            raise
        except (ExplainedError, OSError) as error:
            self._finish(feed, self._last_job(feed), str(error))
            return TakenFeed(feed, None, str(error))
        except Exception as error:
            # Nobody has foreseen it: it is told whole, and met again when the feed is due again, not before.
            self._finish(feed, self._last_job(feed), f"{type(error).__name__}: {error}")
            raise
        refusal = None if summary.refusal is None else str(summary.refusal)
        self._finish(feed, summary.job_id, refusal)
        return TakenFeed(feed, summary, refusal)

    def _check_free(self, feed: ScheduledFeed) -> None:
        """Find out whether the merchant's catalog is being ingested, before a feed is fetched in vain.

        Raises:
            IngestRunning: it is.
        """
        with self._unit_of_work() as work:
            work.merchants.check_not_ingested(work.merchants.id_of(feed.merchant), feed.merchant)

    def _last_job(self, feed: ScheduledFeed) -> int | None:
        """The ingest that failed, if it came to one."""
        with self._unit_of_work() as work:
            jobs = work.jobs.latest(work.merchants.id_of(feed.merchant), 1, subject=feed.feed)
        return jobs[0].id if jobs else None

    def _finish(self, feed: ScheduledFeed, job_id: int | None, error: str | None) -> None:
        with self._unit_of_work() as work:
            next_due_at = feed.schedule.next_after(feed.next_due_at, work.feed_schedules.now())
            work.feed_schedules.finish(feed, next_due_at, job_id, error)
            work.commit()


def _ignore(error: RowError) -> None:
    """Errors of rows are counted in the job."""
