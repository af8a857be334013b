"""Reading a feed from start to end: products and row errors in the order of the rows, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from catalog.feeds.archives import UnpackedFeed
from catalog.feeds.columns import Column, match_columns
from catalog.feeds.delimited_rows import list_names, read_delimited_rows, read_header
from catalog.feeds.dialect import detect_dialect, format_of_name
from catalog.feeds.encodings import Encoding
from catalog.feeds.feed_file import FeedFile
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.json_rows import JsonRows
from catalog.feeds.lines import LineSource
from catalog.feeds.product_row import product_of_row
from catalog.feeds.records import RecordReader
from catalog.types import ProductRecord, RowError

MAX_ROW_BYTES = 2**20

_ENCODING_NOTES = {
    Encoding.UTF_8: (),
    Encoding.UTF_16: ("The feed is in UTF-16.",),
    Encoding.WINDOWS_1252: ("The feed is not in UTF-8 and was read as Windows-1252.",),
}


class FeedReader:
    """An open feed: an iterator over its rows that knows how far it has come, and a context manager.

    Every row with text is a product or at least one error. A row may have several errors, one for each fault; an
    error in an additional image leaves the product, which follows its errors.

    Attributes:
        path: The feed's file. Relative image paths are relative to its folder, also those of a packed feed.
        packing: How the feed is packed: ``gzip``, ``ZIP``, or None.
        dialect: How the feed is written.
        columns: The header's names; empty for JSON Lines, whose rows name their values themselves.
        num_bytes: The file's length, or None where it has none (a pipe).
        num_rows: Rows read so far: products and failed rows.
        num_failed_rows: Rows read so far that gave no product.
    """

    def __init__(self, path: Path, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self.path = path
        self.num_rows = 0
        self.num_failed_rows = 0
        self._file = FeedFile(path)
        self.num_bytes = self._file.num_bytes
        try:
            self._unpacked = UnpackedFeed(self._file)
            self.packing = self._unpacked.packing
            self._notes = list(self._unpacked.notes)
            self._source = LineSource(self._unpacked, max_row_bytes)
            self.dialect = detect_dialect(path, self._unpacked.name, self._source, max_row_bytes)
            self._open_rows(max_row_bytes)
        except BaseException:
            self._file.close()
            raise
        self._items = self._read_items()

    @property
    def position(self) -> int:
        """Bytes of the file read so far, of ``num_bytes``; never decreases."""
        if self.packing is None and self.encoding is not Encoding.UTF_16:
            return self._source.position
        # What lines are made of is not what the file holds.
        return self._unpacked.position

    @property
    def encoding(self) -> Encoding:
        """That of the rows read so far; known for certain at the end."""
        return self._source.encoding

    @property
    def used_columns(self) -> tuple[Column, ...]:
        """The columns that Drape understands, of those that the feed has; of JSON Lines complete at the end."""
        known = self._match.names if self._json_rows is None else self._json_rows.known_columns
        return tuple(column for column in Column if column in known)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """The feed's names of its other columns; of JSON Lines the first hundred, complete at the end."""
        return self._match.unknown if self._json_rows is None else tuple(self._json_rows.unknown_names)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about the feed as a whole and is no error, in full sentences; complete at the end."""
        notes = [*_ENCODING_NOTES[self.encoding], *self._notes]
        if self._json_rows is not None and self._json_rows.unknown_names:
            notes.append(_note_unknown(list(self._json_rows.unknown_names)))
        return tuple(notes)

    def __iter__(self) -> Iterator[ProductRecord | RowError]:
        return self

    def __next__(self) -> ProductRecord | RowError:
        return next(self._items)

    def __enter__(self) -> FeedReader:
        return self

    def __exit__(
        self, exception_type: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._file.close()

    def _open_rows(self, max_row_bytes: int) -> None:
        promised = format_of_name(self._unpacked.name)
        if promised is not None and promised is not self.dialect.format:
            self._notes.append(f"The feed is named as {promised.upper()} and was read as {self.dialect}.")
        self.columns: tuple[str, ...] = ()
        self._json_rows: JsonRows | None = None
        self._rows: Iterable[FeedRow | RowError]
        if self.dialect.delimiter is None:
            self._rows = self._json_rows = JsonRows(self._source, max_row_bytes)
            return
        records = RecordReader(self._source, self.dialect.delimiter, max_row_bytes)
        self.columns = read_header(self.path, records)
        self._match = match_columns(self.columns)
        if self._match.unknown:
            self._notes.append(_note_unknown(self._match.unknown))
        self._rows = read_delimited_rows(records, self.columns, self._match)

    def _read_items(self) -> Iterator[ProductRecord | RowError]:
        for row in self._rows:
            self.num_rows += 1
            if isinstance(row, RowError):
                self.num_failed_rows += 1
                yield row
                continue
            product, errors = product_of_row(row)
            if product is None:
                self.num_failed_rows += 1
            yield from errors
            if product is not None:
                yield product


def open_feed(path: Path, max_row_bytes: int = MAX_ROW_BYTES) -> FeedReader:
    """Open a feed, find out how it is written and read its header.

    Args:
        path: A file, or a pipe; as it is, in gzip, or in a ZIP archive.
        max_row_bytes: Longer rows are errors, and reading goes on after them. Bounds the memory that is used.

    Raises:
        FeedUnreadable: the file cannot be read, is empty, is no feed, or its header lacks a required column; or it is
            an archive that cannot be unpacked. Reading on raises it too when the file system fails, or when an
            archive turns out to be damaged.
    """
    return FeedReader(path, max_row_bytes)


def read_feed(path: Path) -> Iterator[ProductRecord | RowError]:
    """Products and errors of a feed in the order of its rows; the file is open only while they are read.

    Raises:
        FeedUnreadable: as ``open_feed``, when the first row is asked for.
    """
    with open_feed(path) as feed:
        yield from feed


def _note_unknown(names: Iterable[str]) -> str:
    return f"Columns kept with the products and not used otherwise: {list_names(list(names))}."
