"""Waiting for workers to index what was marked, and telling how far they are."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from catalog.ports.backlog import FetchBacklog
from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWorkFactory

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
STALLED_SECONDS: Final = 15.0
"""When for so long nothing was done and nothing claimed, there seems to be no worker."""


@dataclass(frozen=True, slots=True)
class FollowedIndexing:
    """What workers did of a merchant's dirty images while they were watched.

    Args:
        num_images: Images that no longer wait.
        quarantined_images: Ids of those of them that cannot be indexed; the reasons are in ``failures``.
        postponed: Images that failed for now; workers try them again.
        failures: Reason and number of images, for the quarantined.
        seconds: How long was waited.
    """

    num_images: int = 0
    quarantined_images: tuple[int, ...] = ()
    postponed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def quarantined(self) -> int:
        """How many images cannot be indexed."""
        return len(self.quarantined_images)


class IndexingFollower:
    """Watches the outbox.

    Args:
        clock: Seconds, monotonic.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._sleep = sleep

    def revision(self) -> int:
        """The revision of the latest mark of all: what is marked from now on has a larger one."""
        with self._unit_of_work() as work:
            return work.outbox.latest_revision()

    def follow(
        self,
        merchant_id: int,
        since: int,
        advance: Advance = unheard,
        stop: Callable[[], bool] = lambda: False,
        *,
        everything: bool = False,
        fetches: bool = False,
    ) -> FollowedIndexing:
        """Wait until none of those images waits, or only those that failed and will be tried again.

        Args:
            since: From ``revision``, before images were marked: those of the merchant that were marked since then are
                waited for, and which of them were quarantined is told.
            everything: Wait for those, too, that were marked before.
            fetches: Wait for those, too, that are to be fetched.
            advance: Told the number of images done and the number dirty in all.
            stop: Whether to wait no longer.

        Raises:
            DatabaseUnavailable: PostgreSQL is down. The images stay marked.
        """
        started = self._clock()
        moved, told = started, False
        total = most_done = 0
        while True:
            after = 0 if everything else since
            with self._unit_of_work() as work:
                # Looked at first: what has been fetched in between is dirty by now, and counted twice instead of never.
                fetching = work.fetches.backlog(merchant_id, after) if fetches else FetchBacklog()
                backlog = work.outbox.backlog(merchant_id, after)
            waiting, failing = backlog.waiting + fetching.waiting, backlog.failing + fetching.failing
            is_held = bool(backlog.leased or fetching.leased)
            total = max(total, waiting)
            done = total - waiting
            if done > most_done or is_held:
                most_done, moved = max(done, most_done), self._clock()
            if total:
                advance(done, total)
            if stop() or (waiting == failing and not is_held):
                break
            if not told and (backlog.due or fetching.due) and self._clock() - moved >= STALLED_SECONDS:
                told = True
                _log.warning(
                    "No worker takes the images. Start one with `drape worker`, or `drape serve` where there is no "
                    "broker; or leave with Ctrl-C: what was read stays, and is indexed once one runs."
                )
            self._sleep(LOOK_SECONDS)
        with self._unit_of_work() as work:
            quarantined = work.images.quarantined_since(merchant_id, since)
        return FollowedIndexing(
            num_images=done,
            quarantined_images=tuple(quarantined),
            postponed=failing,
            failures=Counter(quarantined.values()),
            seconds=self._clock() - started,
        )


class WorkersIndexing:
    """Has workers do the indexing, as a ``catalog.services.indexing.indexer.Indexer``."""

    keeps_rate = False

    def __init__(self, follower: IndexingFollower) -> None:
        self._follower = follower

    def run(
        self,
        merchant_id: int,
        advance: Advance,
        *,
        stop: Callable[[], bool],
        max_rate: float | None,  # noqa: ARG002 - the marks become due at that rate.
    ) -> IndexingSummary:
        """Wait for them. What they did of each image is not known here: all counts as embedded."""
        followed = self._follower.follow(merchant_id, self._follower.revision(), advance, stop, everything=True)
        return IndexingSummary(
            embedded=followed.num_images - followed.quarantined,
            quarantined_images=followed.quarantined_images,
            postponed=followed.postponed,
            failures=followed.failures,
            seconds=followed.seconds,
        )
