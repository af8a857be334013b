"""Searches take turns, in the order in which they come."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class SearchTurns:
    """Lets so many searches compute at the same time; each holds it, as a context, while it does.

    Who leaves hands over to whoever has waited longest. A semaphore of Python's lets those in who come just then, and
    the slowest answers come later for it.
    """

    def __init__(self, most: int) -> None:
        self._num_free = most
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._num_free:
                self._num_free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._num_free += 1
