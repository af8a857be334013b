"""Drape's own columns: one product per row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from catalog.errors import FeedUnreadable
from catalog.feeds.columns import REQUIRED_COLUMNS, Column, ColumnMatch, match_columns
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects.dialect import Dialect, DialectReader, ReadingOptions
from catalog.feeds.feed_row import FeedRow, shorten
from catalog.feeds.layout import FeedFormat
from catalog.feeds.product_row import product_of_row
from catalog.types import DialectName, ProductRecord, RowError

MAX_UNKNOWN_NAMES = 100


class OwnDialect(Dialect):
    """The columns of ``catalog.feeds``."""

    name: ClassVar[DialectName] = DialectName.DRAPE
    label: ClassVar[str] = "a feed of Drape's own columns"
    expected: ClassVar[str] = f"the columns {', '.join(REQUIRED_COLUMNS)}"
    formats: ClassVar[frozenset[FeedFormat]] = frozenset({FeedFormat.CSV, FeedFormat.TSV, FeedFormat.JSONL})
    required: ClassVar[tuple[Column, ...]] = REQUIRED_COLUMNS

    def count_known(self, fields: Sequence[str]) -> int:
        """As ``Dialect``."""
        names = match_columns(fields).names
        return len(names) if self._is_enough(names) else 0

    def is_partial(self, fields: Sequence[str]) -> bool:
        """As ``Dialect``. What has no titles is for updates."""
        names = match_columns(fields).names
        return Column.TITLE in names and not names.keys() >= set(self.required)

    def knows(self, name: str) -> bool:
        """As ``Dialect``."""
        return bool(match_columns([name]).names)

    def check_header(self, path: Path, names: Sequence[str]) -> tuple[str, ...]:
        """As ``Dialect``."""
        match = match_columns(names)
        if not self._is_enough(match.names):
            missing = [column for column in self.required if column not in match.names]
            optional = ", ".join(column for column in Column if column not in self.required)
            raise FeedUnreadable(
                f"The feed {path} has no column {' and no column '.join(missing)}.",
                received=list_names([name for name in names if name]),
                expected=f"{self.expected}; also understood: {optional}",
                remedy="Name the columns in the feed's first line.",
            )
        if match.repeated:
            raise FeedUnreadable(
                f"The feed {path} has more than one column {match.repeated[0]}.",
                received=list_names(names),
                expected="each column once",
                remedy="Remove or rename one of them.",
            )
        return tuple(names)

    def has_id_first(self, header: Sequence[str]) -> bool:
        """As ``Dialect``."""
        return match_columns(header[:1]).names.keys() == {Column.ID}

    def open(self, header: Sequence[str], options: ReadingOptions) -> DialectReader:  # noqa: ARG002 - it says all itself.
        """As ``Dialect``."""
        return _OwnReader(header)

    def _is_enough(self, columns: Mapping[Column, str]) -> bool:
        """Whether there may be new products, or there is anything to update, and it is known of which product."""
        return Column.ID in columns and (len(columns) > 1 or columns.keys() >= set(self.required))


class _OwnReader(DialectReader):
    def __init__(self, header: Sequence[str]) -> None:
        self._known: set[Column] = set()
        self._unknown: dict[str, None] = {}
        self._last_names: tuple[str, ...] = ()
        self._last_match = match_columns(())
        if header:
            # Of JSON Lines a number that is bounded; a header is bounded itself.
            self._match(tuple(header), max_unknown=len(header))

    @property
    def used_columns(self) -> tuple[str, ...]:
        return tuple(column for column in Column if column in self._known)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        return tuple(self._unknown)

    @property
    def notes(self) -> tuple[str, ...]:
        notes: list[str] = []
        lacking = [column for column in REQUIRED_COLUMNS if column not in self._known]
        if self._known and lacking:
            notes.append(
                f"The feed has no column {' and no column '.join(lacking)}: it can update known products only, "
                "and bring no new ones."
            )
        if self._unknown:
            notes.append(f"Columns kept with the products, to filter by: {list_names(list(self._unknown))}.")
        return tuple(notes)

    def products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        for row in rows:
            if isinstance(row, RowError):
                yield row
                continue
            match = self._match(tuple(row.raw))
            if match.repeated:
                found = f"the name {match.repeated[0]} in two spellings"
                yield RowError(row.line, None, found, "each name once in an object")
                continue
            product, errors = product_of_row(row, match.names)
            yield from errors
            if product is not None:
                yield product

    def _match(self, names: tuple[str, ...], max_unknown: int = MAX_UNKNOWN_NAMES) -> ColumnMatch:
        # Rows of one feed mostly have the same names in the same order.
        if names != self._last_names:
            self._last_names = names
            self._last_match = match_columns(names)
            self._known.update(self._last_match.names)
            for name in self._last_match.unknown:
                if len(self._unknown) < max_unknown:
                    self._unknown.setdefault(shorten(name)[1:-1])
        return self._last_match
