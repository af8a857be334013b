"""Answers that may be a few seconds old, instead of asking PostgreSQL for each request."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """What a function answered lately, by its argument. Safe for threads.

    Args:
        read: Asked where no answer is young enough; several threads may ask at once. Its errors are not remembered.
        seconds: How old an answer may be.
        most: Answers that are kept, those asked for last.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        read: Callable[[Key], Value],
        *,
        seconds: float,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, seconds: float | None = None) -> Value:
        """The answer.

        Args:
            seconds: How old it may be at most, where that is less than usual.
        """
        oldest = self._clock() - (self._seconds if seconds is None else min(seconds, self._seconds))
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
        if found is not None and found[0] >= oldest:
            return found[1]
        # As old as what is read is at its oldest: it may change while it is read.
        asked_at = self._clock()
        value = self._read(key)
        with self._lock:
            self._answers[key] = (asked_at, value)
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return value
