"""A worker's share of the fetching: as much as it has time for, with the others called in where there is more."""

from __future__ import annotations

from collections.abc import Callable

from catalog.ports.announcements import Announcements, WorkQueue
from catalog.services.fetching.image_fetching import FetchingSummary, ImageFetching


class FetchingWork:
    """Fetches as a worker of the queue ``fetch``.

    As with ``IndexingWork``, the first image that leaves something undone calls in the next worker, or this one again.
    """

    def __init__(self, fetching: ImageFetching, announcements: Announcements) -> None:
        self._fetching = fetching
        self._announcements = announcements

    def run(self, stop: Callable[[], bool]) -> FetchingSummary:
        """Fetch what is due until ``stop`` says that it is enough; what is being fetched by then is finished.

        Raises:
            DatabaseUnavailable: PostgreSQL is down; everything unfinished remains wished for.
        """
        called = False

        def advance(done: int, total: int | None) -> None:
            nonlocal called
            if not called and done and total is not None and done < total:
                called = True
                self._announcements.announce(WorkQueue.FETCH)

        return self._fetching.run(advance=advance, stop=stop)
