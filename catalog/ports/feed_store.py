"""Where files of feeds are kept that were handed over, until whoever takes them has. Adapters: what fsspec knows."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from catalog.errors import DrapeError


class StoredFeedMissing(DrapeError):
    """The store has no such file. Trying again does not help; handing the feed over again does."""


class FeedStore(Protocol):
    """Files by keys that the store gives. Every process that takes feeds reads the same store.

    Raises (from every method):
        ImageStoreUnavailable: the store cannot be read or written; trying again may help.
    """

    def put(self, file: BinaryIO, name: str) -> str:
        """Keep all that the file holds; its key. A reader sees all of it or nothing.

        Args:
            name: What it is called; the key ends in it, as far as it consists of plain letters.
        """

    def copy(self, key: str, path: Path) -> None:
        """Write the file of that key to a path where nothing is yet.

        Raises:
            StoredFeedMissing: there is none.
        """

    def delete(self, key: str) -> None:
        """Remove the file of that key; no error where there is none."""

    def older_than(self, age: datetime.timedelta) -> list[str]:
        """The keys of all files that were put so long ago."""
