"""A feed read as an ingest would read it, without a database: what would be taken, and what not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from catalog.attributes.feed_words import FeedWordsReport
from catalog.feeds import FeedReader
from catalog.feeds.first_lines import FirstLines
from catalog.services.ingesting.ingest_run import IngestRun, OnError, repeated_id
from catalog.services.ingesting.source_images import ImageFiles, RemoteImage, UnreadImage
from catalog.services.progress import Advance, unheard
from catalog.types import NEEDED_BY_NEW, Outcome, ProductRecord, RowError

_ROWS_AT_ONCE = 200
_LINES_SHOWN = 3


@dataclass(slots=True)
class Fault:
    """Errors of one kind.

    Args:
        column: The column at fault, or None when rows as a whole are.
        outcome: What became of the rows.
        expected: What would have been right.
        found: What stood there the first time.
        num_errors: How many there are.
        lines: The lines of the first of them.
    """

    column: str | None
    outcome: Outcome
    expected: str
    found: str
    num_errors: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FeedReport:
    """What there is to tell of a feed.

    Args:
        feed: The feed's file name.
        read_as: What the feed was taken for, in words.
        used_columns: The columns that Drape understands, of those that the feed has.
        unused_columns: The feed's names of its other columns.
        num_rows: Rows with text, good and bad.
        num_updates: Products without title or image, which can only update known ones.
        num_mended: Values that were not taken as they stood.
        num_images: Images of the products.
        num_missing_images: Those without a file, or whose path leads where it must not.
        num_unreadable_images: Those whose file is no image, or too large.
        num_images_by_address: Those that an ingest would have fetched, which were not looked at.
        faults: The most frequent first.
        words: What the words for attributes left open.
    """

    feed: str
    read_as: str
    dialect: str
    format: str
    encoding: str
    packing: str | None
    used_columns: tuple[str, ...]
    unused_columns: tuple[str, ...]
    notes: tuple[str, ...]
    num_rows: int
    num_products: int
    num_failed_rows: int
    num_updates: int
    num_mended: int
    num_images: int
    num_missing_images: int
    num_unreadable_images: int
    num_images_by_address: int
    faults: tuple[Fault, ...]
    words: FeedWordsReport = field(default_factory=FeedWordsReport)

    @property
    def is_good(self) -> bool:
        """Whether an ingest would take every row and find every image."""
        return all(fault.outcome is Outcome.MENDED for fault in self.faults)


def check_feed(
    reader: FeedReader, files: ImageFiles, *, read_threads: int, on_error: OnError, advance: Advance = unheard
) -> FeedReport:
    """Read the whole feed and the headers of its images; nothing is written.

    Args:
        reader: The feed, of which nothing has been read.
        read_threads: Images read at the same time.
        on_error: Told every row and every image that would not be taken, in the feed's order.
        advance: Told the bytes of the feed that were read, and its size.

    Raises:
        FeedUnreadable: from some place on the feed cannot be read.
    """
    with closing(FirstLines()) as first_lines:
        with ThreadPoolExecutor(read_threads, thread_name_prefix="read") as readers:
            check = _Check(reader, files, first_lines, readers, on_error)
            reader.on_rows = lambda: advance(reader.position, reader.num_bytes)
            while rows := tuple(itertools.islice(reader, _ROWS_AT_ONCE)):
                check.take(rows)
                advance(reader.position, reader.num_bytes)
        return check.report()


class _Check:
    def __init__(
        self,
        reader: FeedReader,
        files: ImageFiles,
        first_lines: FirstLines,
        readers: ThreadPoolExecutor,
        on_error: OnError,
    ) -> None:
        self._reader = reader
        self._files = files
        self._first_lines = first_lines
        self._readers = readers
        # Rows and images are counted as an ingest counts them.
        self._run = IngestRun(merchant_id=0, job_id=0, on_error=self._note)
        self._on_error = on_error
        self._faults: dict[tuple[str | None, Outcome, str], Fault] = {}
        self._num_repeats = self._num_updates = 0
        self._num_images = self._num_missing = self._num_unreadable = self._num_by_address = 0

    def take(self, rows: Iterable[ProductRecord | RowError]) -> None:
        attempt = self._run.attempt()
        products: list[ProductRecord] = []
        for row in rows:
            first = row.line if row.external_id is None else self._first_lines.of(row.external_id, row.product_line)
            if isinstance(row, RowError):
                attempt.fail(row)
            elif first != row.line:
                self._num_repeats += 1
                attempt.fail(repeated_id(row, first))
            else:
                products.append(row)
                self._num_updates += not row.given.issuperset(NEEDED_BY_NEW)
        pairs = [(product, image) for product in products for image in product.images]
        self._num_images += len(pairs)
        for (product, _), file in zip(
            pairs, self._readers.map(lambda pair: self._files.read(pair[1]), pairs), strict=True
        ):
            if isinstance(file, RemoteImage):
                self._num_by_address += 1
            elif isinstance(file, UnreadImage):
                self._num_missing += file.is_missing
                self._num_unreadable += not file.is_missing
                attempt.fail_image(
                    RowError(
                        product.line, "image", file.found, file.expected, product.external_id, Outcome.IMAGE_LEFT_OUT
                    )
                )
        for product in products:
            attempt.note_words(product)
        self._run.accept(attempt)

    def report(self) -> FeedReport:
        reader = self._reader
        num_failed = self._run.counts["rows_failed"]
        return FeedReport(
            feed=reader.name,
            read_as=reader.read_as,
            dialect=reader.dialect.name.value,
            format=reader.layout.format.value,
            encoding=reader.encoding,
            packing=reader.packing,
            used_columns=reader.used_columns,
            unused_columns=reader.unused_columns,
            notes=reader.notes,
            num_rows=reader.num_rows,
            num_products=reader.num_products - self._num_repeats,
            num_failed_rows=num_failed,
            num_updates=self._num_updates,
            num_mended=self._run.counts["values_mended"],
            num_images=self._num_images,
            num_missing_images=self._num_missing,
            num_unreadable_images=self._num_unreadable,
            num_images_by_address=self._num_by_address,
            faults=tuple(sorted(self._faults.values(), key=lambda fault: -fault.num_errors)),
            words=self._run.words.report(),
        )

    def _note(self, error: RowError) -> None:
        fault = self._faults.setdefault(
            (error.column, error.outcome, error.expected),
            Fault(error.column, error.outcome, error.expected, error.found),
        )
        fault.num_errors += 1
        if len(fault.lines) < _LINES_SHOWN and error.line not in fault.lines:
            fault.lines.append(error.line)
        self._on_error(error)
