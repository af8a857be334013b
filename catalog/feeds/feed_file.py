"""The file, or pipe, that a feed comes from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from catalog.errors import FeedUnreadable

_NUM_START_BYTES = 4


class FeedFile:
    """The bytes of a feed's file from its start; failures of the file system become ``FeedUnreadable``.

    Attributes:
        num_bytes: The file's length, or None where it has none (a pipe).
        start: The first four bytes, which ``read`` hands out all the same.
        position: How many bytes have been read; of a file that was sought in, up to where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream = path.open("rb")
            status = path.stat()
        except (OSError, ValueError) as error:
            # ValueError is what a NUL character in the name gives.
            raise self._failure(error) from error
        self.num_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
        self.position = 0
        try:
            self.start = self._held = self._read(_NUM_START_BYTES)
        except BaseException:
            self.close()
            raise

    def read(self, num_bytes: int, /) -> bytes:
        """The next bytes: exactly so many, or fewer at the end, or none after it."""
        data, self._held = self._held[:num_bytes], self._held[num_bytes:]
        if len(data) < num_bytes:
            data += self._read(num_bytes - len(data))
        self.position += len(data)
        return data

    def seekable(self) -> bool:
        """Whether the file can be read in any order."""
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go on reading elsewhere; where that is.

        Raises:
            OSError: there is no such place.
        """
        self._held = b""
        self.position = self._stream.seek(offset, whence)
        return self.position

    def tell(self) -> int:
        """Where reading goes on."""
        return self.position

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._stream.close()

    def _read(self, num_bytes: int) -> bytes:
        try:
            return self._stream.read(num_bytes)
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError | ValueError) -> FeedUnreadable:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return FeedUnreadable(
            f"The feed {self.path} cannot be read.",
            received=reason,
            expected="a readable file in CSV, TSV, JSON Lines or XML",
        )
