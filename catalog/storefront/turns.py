"""How many requests of one merchant may do the same thing at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from catalog.errors import IngestRunning

UPLOADS: Final = 2
"""Feeds of a merchant that come in at the same time: what is repeated because it seemed lost, beside what was."""


class UploadTurns:
    """Counts uploads, which take space on the disk until they are whole. For the event loop's thread alone."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()

    @contextmanager
    def taken(self, merchant_id: int) -> Iterator[None]:
        """Hold one of the merchant's turns for a ``with`` block.

        Raises:
            IngestRunning: all are taken.
        """
        if self._taken[merchant_id] >= UPLOADS:
            raise IngestRunning(
                "Feeds of this merchant are being uploaded right now",
                received=f"{UPLOADS + 1} at the same time",
                expected=f"at most {UPLOADS}, of which one is taken",
                remedy="wait until these have ended",
            )
        self._taken[merchant_id] += 1
        try:
            yield
        finally:
            self._taken[merchant_id] -= 1
            if not self._taken[merchant_id]:
                del self._taken[merchant_id]
