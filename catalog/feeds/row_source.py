"""Where a feed's rows come from: a file, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from catalog.feeds.dialects import Dialect
from catalog.feeds.encodings import Encoding
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.layout import FeedLayout
from catalog.types import RowError


class RowSource(Protocol):
    """Rows as they were written, before a dialect makes products of them.

    Attributes:
        image_folder: What relative image paths start from.
        packing: How the feed is packed: ``gzip``, ``ZIP``, or None.
        layout: How rows are written.
        dialect: What they mean.
        columns: The header's names; empty where rows name their values themselves.
        num_bytes: The feed's length, or None where it has none (a pipe, a folder).
    """

    image_folder: Path
    packing: str | None
    layout: FeedLayout
    dialect: Dialect
    columns: tuple[str, ...]
    num_bytes: int | None

    @property
    def position(self) -> int:
        """Bytes read so far, of ``num_bytes``, or of a folder's images; never decreases."""

    @property
    def encoding(self) -> Encoding:
        """That of the rows read so far; known for certain at the end."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about the feed as a whole and is no error, in full sentences; complete at the end."""

    def rows(self) -> Iterator[FeedRow | RowError]:
        """The rows, once."""

    def close(self) -> None:
        """Release what is open. Safe to call twice."""
