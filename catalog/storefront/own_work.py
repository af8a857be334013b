"""What workers do elsewhere, done beside the answering by threads of the process, where no broker is configured."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from catalog.bootstrap import Application
from catalog.ports.announcements import WorkQueue
from catalog.services.fetching.image_fetching import ImageFetching
from catalog.services.indexing.indexing import IndexingService
from catalog.services.ingesting.feed_submissions import FeedSubmissionService
from catalog.services.webhooks import WebhookService
from embeddings.errors import ExplainedError

_log = logging.getLogger(__name__)

_SECONDS_AFTER_A_FAILURE: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Duty:
    """One thread's.

    Args:
        work: Does what there is to do.
        is_left: Whether to look again soon for what nobody will announce.
    """

    name: str
    queue: WorkQueue
    work: Callable[[], None]
    is_left: Callable[[], bool]


class OwnWork:
    """Takes feeds that are handed over, fetches images, indexes and tells webhooks, a thread each, until it is stopped.

    Where the process owns the embedded index, it is the only one that can, and also does what others have left: the
    marks of commands that ran beside it. Otherwise it does what this process has marked, and looks now and then for as
    long as anything waits: for another try, or for the end of a claim of a process that was killed.
    """

    def __init__(self, application: Application) -> None:
        # All made here: threads that ask for one at the same time might make it twice.
        settings = application.settings
        self._submissions: FeedSubmissionService = application.feed_submissions
        self._fetching: ImageFetching = application.image_fetching
        self._indexing: IndexingService = application.indexing
        self._webhooks: WebhookService = application.webhooks
        self._announcements = application.own_announcements
        self._is_alone = settings.qdrant_url is None
        self._has_begun = False
        self._stopping = threading.Event()
        self._sweep_seconds = settings.sweep_seconds
        self._unit_of_work = application.unit_of_work
        self._threads = [
            threading.Thread(target=self._run, args=(duty,), name=duty.name)
            for duty in (
                _Duty("feeds", WorkQueue.FEED, self._take_feeds, _always),
                _Duty("fetching", WorkQueue.FETCH, self._fetch, self._is_any_to_fetch),
                _Duty("indexing", WorkQueue.EMBED, self._index, self._is_any_to_index),
                _Duty("webhooks", WorkQueue.HOOK, self._tell_webhooks, _always),
            )
        ]

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        for thread in self._threads:
            thread.start()

    def begin_to_stop(self) -> None:
        """Have nothing more taken, and nobody told of what is no longer there to work with."""
        self._stopping.set()
        for queue in WorkQueue:
            self._announcements.announce(queue)

    def stop(self) -> None:
        """Finish what is at hand, and take nothing more. A feed that is being read is given back, and read anew."""
        self.begin_to_stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, duty: _Duty) -> None:
        while not self._stopping.is_set():
            try:
                duty.work()
                seconds = self._sweep_seconds if duty.is_left() else None
            except ExplainedError as error:
                if self._stopping.is_set():
                    return
                # A service is away. What was not finished is still noted.
                _log.warning("%s waits: %s", duty.name, error)
                self._stopping.wait(_SECONDS_AFTER_A_FAILURE)
            except Exception:  # noqa: BLE001 - whatever it was, the thread must go on with the rest.
                _log.exception("%s failed", duty.name)
                self._stopping.wait(_SECONDS_AFTER_A_FAILURE)
            else:
                self._announcements.wait(duty.queue, seconds)

    def _take_feeds(self) -> None:
        if self._is_alone and not self._has_begun:
            self._submissions.begin_alone()
            self._has_begun = True
        for taken in self._submissions.run_due(self._stopping.is_set):
            fields = {"merchant": taken.merchant, "job": taken.job_id, **taken.counts}
            if taken.error is None:
                _log.info("Took a feed that was handed over", extra=fields)
            else:
                _log.warning("A feed that was handed over was not taken: %s", taken.error, extra=fields)

    def _tell_webhooks(self) -> None:
        sent = self._webhooks.run_due(self._stopping.is_set)
        if sent.num_delivered or sent.num_postponed or sent.num_given_up:
            counts = (sent.num_delivered, sent.num_postponed, sent.num_given_up)
            _log.info("Webhooks: %d told, %d wait for another try, %d given up", *counts)

    def _fetch(self) -> None:
        summary = self._fetching.run(stop=self._stopping.is_set, abandon=self._stopping.is_set)
        if summary.num_settled:
            _log.info("Fetched %d images", summary.num_settled, extra={"seconds": summary.seconds})

    def _is_any_to_fetch(self) -> bool:
        if self._is_alone:
            return True
        with self._unit_of_work() as work:
            return work.fetches.num_waiting() > 0

    def _is_any_to_index(self) -> bool:
        if self._is_alone:
            return True
        with self._unit_of_work() as work:
            return work.outbox.backlog().waiting > 0

    def _index(self) -> None:
        summary = self._indexing.run(stop=self._stopping.is_set, leave_unusable=True)
        if summary.num_images or summary.duplicates:
            counts = {"embedded": summary.embedded, "refreshed": summary.refreshed, "removed": summary.removed}
            _log.info("Indexed %d images", summary.num_images, extra={**counts, "seconds": summary.seconds})
        for reason, number in summary.failures.items():
            _log.warning("%d images failed: %s", number, reason, extra={"images": number})


def _always() -> bool:
    return True
