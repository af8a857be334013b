"""Images by address fetched and indexed by one process, the one while the other goes on."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from catalog.services.fetching.image_fetching import PATIENCE, FetchingSummary, ImageFetching
from catalog.services.indexing.indexing import IndexingService
from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWorkFactory

FIRST_INDEXED: Final = 64
MOST_HELD: Final = 2_000
"""Images are indexed when so many have come, at first and later on: the index is optimised after each of these runs."""

_LOOK_SECONDS: Final = 0.2


class FetchingAndIndexing:
    """What a process does where there are no workers."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, fetching: ImageFetching, indexing: IndexingService) -> None:
        self._unit_of_work = unit_of_work
        self._fetching = fetching
        self._indexing = indexing

    def run(self, merchant_id: int, advance: Advance = unheard) -> IndexingSummary:
        """Fetch a merchant's images until nothing is due soon, and index what has come by then in the meantime.

        What came last remains dirty.

        Args:
            advance: Told the number of images fetched and the number of those and the waiting.

        Raises:
            What indexing and fetching raise. Everything unfinished remains wished for, or marked.
        """
        stop = threading.Event()
        summary = IndexingSummary()
        enough = FIRST_INDEXED
        with ThreadPoolExecutor(1, thread_name_prefix="fetching") as thread:
            fetched: Future[FetchingSummary] = thread.submit(
                self._fetching.run, merchant_id, advance, stop=stop.is_set, abandon=stop.is_set, patience=PATIENCE
            )
            try:
                while not fetched.done():
                    if self._num_due(merchant_id) >= enough:
                        summary = summary.plus(self._indexing.run(merchant_id))
                        enough = min(2 * enough, MOST_HELD)
                    else:
                        wait([fetched], _LOOK_SECONDS)
                fetched.result()
            finally:
                stop.set()
        return summary

    def _num_due(self, merchant_id: int) -> int:
        with self._unit_of_work() as work:
            return work.outbox.backlog(merchant_id).due
