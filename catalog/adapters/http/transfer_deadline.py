"""How long a file may take as a whole, however its bytes are spread over that time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what.

    A file may take ``file`` seconds and, beyond these, a second for every ``bytes_per_second`` bytes that have come:
    long files may take long, and a server that sends a byte now and then is left after ``file`` seconds.

    Args:
        connect: Seconds for connecting, and again for the handshake of TLS.
        read: Seconds without a byte.
        write: Seconds in which nothing can be sent.
        file: See above; redirects count.
        bytes_per_second: See above.
        turn: Seconds that a file may wait for others of the same host. They are not part of ``file``.
    """

    connect: float = 10.0
    read: float = 30.0
    write: float = 30.0
    file: float = 120.0
    bytes_per_second: float = 128 * 2**10
    turn: float = 600.0


USUAL_PATIENCE: Final = Patience()


class TransferDeadline:
    """When a file is given up, as it stands now."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._ends_at = time.monotonic() + patience.file

    def count(self, num_bytes: int) -> None:
        """Allow the time for bytes that have come."""
        self._ends_at += num_bytes / self._patience.bytes_per_second

    def left(self) -> float:
        """Seconds that are left, below zero if none are."""
        return self._ends_at - time.monotonic()

    def capped(self, timeout: float | None) -> float:
        """A time-out of one step, shortened to what is left for all of them. Zero or less where nothing is left."""
        left = self.left()
        return left if timeout is None else min(timeout, left)

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """Leave no more than so many seconds for what is done in the ``with`` block."""
        ends_at = self._ends_at
        self._ends_at = min(ends_at, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._ends_at = ends_at

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time that the ``with`` block takes: the server is not to blame for it."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._ends_at += time.monotonic() - began
