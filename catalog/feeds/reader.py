"""Reading a feed from start to end: products and row errors in the order of the rows, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from catalog.errors import FeedUnreadable
from catalog.feeds.dialects import ReadingOptions
from catalog.feeds.encodings import Encoding
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.file_rows import FileRows
from catalog.feeds.folder_rows import FolderRows
from catalog.feeds.folder_walk import is_folder
from catalog.feeds.layout import FeedFormat
from catalog.feeds.row_source import RowSource
from catalog.types import DialectName, Outcome, ProductRecord, RowError

MAX_ROW_BYTES = 2**20
_ROWS_PER_CALL = 1000


def _unheard() -> None:
    """Nobody asks how far the feed has been read."""


class FeedReader:
    """An open feed: an iterator over its products and errors that knows how far it has come, and a context manager.

    Every row with text is part of a product or at least one error, or of a product that its shop does not list, which
    the notes count. A row may have several errors, one for each fault;
    an error that does not cost the row leaves the product, which follows its errors.

    Attributes:
        path: The feed's file or folder.
        image_folder: What relative image paths start from, also those of a packed feed.
        packing: How the feed is packed: ``gzip``, ``ZIP``, or None.
        layout: How the feed's rows are written.
        dialect: What they mean.
        columns: The header's names; empty where rows name their values themselves.
        num_bytes: The file's length, or None where it has none (a pipe, a folder).
        num_rows: Rows read so far, good and bad.
        num_failed_rows: Rows read so far that are part of no product.
        num_products: Products read so far.
        on_rows: Called now and then while rows are read: products of rows that may stand anywhere come after the last.
    """

    def __init__(self, path: Path, options: ReadingOptions, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self.path = path
        self.num_rows = 0
        self.num_failed_rows = 0
        self.num_products = 0
        self.on_rows: Callable[[], None] = _unheard
        self._source = _open_source(path, options.dialect, max_row_bytes)
        self.image_folder = self._source.image_folder
        self.packing = self._source.packing
        self.layout = self._source.layout
        self.dialect = self._source.dialect
        self.columns = self._source.columns
        self.num_bytes = self._source.num_bytes
        self._reader = self.dialect.open(self.columns, options)
        self._items = self._read_items()

    @property
    def position(self) -> int:
        """Bytes of the file read so far, of ``num_bytes``, or of a folder's images; never decreases."""
        return self._source.position

    @property
    def encoding(self) -> Encoding:
        """That of the rows read so far; known for certain at the end."""
        return self._source.encoding

    @property
    def name(self) -> str:
        """The file's or folder's own name; bytes of it that are no text are their escapes."""
        name = self.path.name or self.path.absolute().name or str(self.path)
        return name.encode("utf-8", "backslashreplace").decode("utf-8")

    @property
    def read_as(self) -> str:
        """What the feed was taken for, as in "Read feed.csv as a feed of Drape's own columns (CSV in UTF-8)"."""
        if self.layout.format is FeedFormat.FOLDER:
            return self.dialect.label
        packed = "" if self.packing is None else f", packed as {self.packing}"
        return f"{self.dialect.label} ({self.layout} in {self.encoding}{packed})"

    @property
    def used_columns(self) -> tuple[str, ...]:
        """The columns that the dialect understands, of those that the feed has; of JSON Lines complete at the end."""
        return self._reader.used_columns

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """The feed's names of its other columns; of JSON Lines the first hundred, complete at the end."""
        return self._reader.unused_columns

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about the feed as a whole and is no error, in full sentences; complete at the end."""
        return (*self._source.notes, *self._reader.notes)

    @property
    def num_dated_prices(self) -> int:
        """How many rows so far have a price that begins or ends later: read then, the same feed says something else."""
        return self._reader.num_dated_prices

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
        self._source.close()

    def _counted_rows(self) -> Iterator[FeedRow | RowError]:
        for row in self._source.rows():
            # What was mended comes before its row.
            if isinstance(row, FeedRow) or row.outcome is Outcome.ROW_SKIPPED:
                self.num_rows += 1
                if self.num_rows % _ROWS_PER_CALL == 0:
                    self.on_rows()
            yield row

    def _read_items(self) -> Iterator[ProductRecord | RowError]:
        last_failed_row = (0, 0)
        for item in self._reader.products(self._counted_rows()):
            if isinstance(item, ProductRecord):
                self.num_products += 1
            elif item.outcome is Outcome.ROW_SKIPPED and item.row != last_failed_row:
                # Errors of one row follow each other.
                last_failed_row = item.row
                self.num_failed_rows += 1
            yield item


def _open_source(path: Path, wanted: DialectName | None, max_row_bytes: int) -> RowSource:
    if is_folder(path):
        return FolderRows(path, wanted, max_row_bytes)
    if wanted is DialectName.FOLDER:
        raise FeedUnreadable(
            f"The feed {path} cannot be read as a folder of images.",
            received="no folder",
            expected="a folder",
        )
    return FileRows(path, wanted, max_row_bytes)


def open_feed(path: Path, options: ReadingOptions | None = None, *, max_row_bytes: int = MAX_ROW_BYTES) -> FeedReader:
    """Open a feed, find out how it is written and read its header.

    Args:
        path: A file, or a pipe, as it is, in gzip, or in a ZIP archive; or a folder of images.
        options: What the feed does not say of itself; None finds out what can be.
        max_row_bytes: Longer rows are errors, and reading goes on after them. Bounds the memory that is used.

    Raises:
        FeedUnreadable: the file cannot be read, is empty, is no feed, or its header lacks a required column; or it is
            an archive that cannot be unpacked. Reading on raises it too when the file system fails, or when an
            archive turns out to be damaged.
    """
    return FeedReader(path, ReadingOptions() if options is None else options, max_row_bytes)


def read_feed(path: Path, options: ReadingOptions | None = None) -> Iterator[ProductRecord | RowError]:
    """Products and errors of a feed in the order of its rows; the file is open only while they are read.

    Raises:
        FeedUnreadable: as ``open_feed``, when the first row is asked for.
    """
    with open_feed(path, options) as feed:
        yield from feed
