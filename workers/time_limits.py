"""How long a task may take: both limits hold in every pool, unlike Celery's own, which the solo pool ignores."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SOFT_SECONDS: Final = 60.0
"""A task that has worked for so long takes nothing more, finishes what it holds and leaves the rest to another."""

HARD_SECONDS: Final = 900.0
"""A task that is not back by then hangs: its process tells where, and ends. What it held, its lease sets free."""

FETCH_SOFT_SECONDS: Final = 15.0
"""The same for fetching images, which waits for others more than it works: what else there is, comes in between."""

LONG_SOFT_SECONDS: Final = 2700.0
LONG_HARD_SECONDS: Final = 3300.0
"""The same for what takes its time by nature; still less than a message is waited for (``VISIBILITY_SECONDS``)."""

FEED_SOFT_SECONDS: Final = 21_600.0
FEED_HARD_SECONDS: Final = 22_500.0
"""The same for ingesting feeds of any size. A message that is delivered again meanwhile finds the feed claimed."""

_STDERR: Final = 2
"""By its number: Celery puts an object that is no file in place of ``sys.stderr``."""


@contextmanager
def time_limits(
    is_stopping: Callable[[], bool],
    *,
    soft: float = SOFT_SECONDS,
    hard: float = HARD_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[], bool]]:
    """Hold what runs in the ``with`` block to the limits.

    Args:
        is_stopping: Whether the process was asked to end.
        soft, hard: Seconds.
        clock: Seconds, monotonic.

    Yields:
        Whether to take nothing more: the soft limit is reached, or the process was asked to end.
    """
    end = clock() + soft
    faulthandler.dump_traceback_later(hard, exit=True, file=_STDERR)
    try:
        yield lambda: is_stopping() or clock() >= end
    finally:
        faulthandler.cancel_dump_traceback_later()
