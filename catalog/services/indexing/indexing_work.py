"""A worker's share of the indexing: as much as it has time for, with the others called in where there is more."""

from __future__ import annotations

from collections.abc import Callable

from catalog.ports.announcements import Announcements, WorkQueue
from catalog.services.indexing.indexing import IndexingService
from catalog.services.indexing.indexing_summary import IndexingSummary


class IndexingWork:
    """Works off the outbox as a worker of one queue.

    One announcement wakes one worker. The first batch that leaves something undone calls in another worker, whose first
    batch calls in the next: so all of them work on a large backlog, and no more than one message waits for each.
    Nothing is announced before a batch was written, so that workers do not wake each other in vain while a service is
    down.
    """

    def __init__(self, indexing: IndexingService, announcements: Announcements) -> None:
        self._indexing = indexing
        self._announcements = announcements

    def run(self, queue: WorkQueue, stop: Callable[[], bool]) -> IndexingSummary:
        """Index what is due until ``stop`` says that it is enough; what has been claimed by then is finished.

        Raises:
            IndexUnavailable, IndexBusy, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        called = False

        def advance(done: int, total: int | None) -> None:
            nonlocal called
            if not called and done and total is not None and done < total:
                called = True
                self._announcements.announce(queue)

        return self._indexing.run(advance=advance, light=queue is WorkQueue.INDEX, stop=stop, leave_unusable=True)
