"""The rows of a feed that is a file or a pipe, however it is packed, encoded and laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.feeds.archives import UnpackedFeed
from catalog.feeds.delimited_rows import read_delimited_rows, read_header
from catalog.feeds.detection import NUM_HEAD_BYTES, detect, dialect_of_format, starts_as_xml
from catalog.feeds.dialects import DIALECTS, Dialect
from catalog.feeds.encodings import Encoding
from catalog.feeds.feed_file import FeedFile
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.json_rows import read_json_rows
from catalog.feeds.layout import XML, format_of_name
from catalog.feeds.lines import LineSource
from catalog.feeds.peeked_stream import PeekedStream
from catalog.feeds.records import RecordReader
from catalog.feeds.xml_rows import XmlRows
from catalog.types import DialectName, RowError

_ENCODING_NOTES = {
    Encoding.UTF_8: (),
    Encoding.UTF_16: ("The feed is in UTF-16.",),
    Encoding.WINDOWS_1252: ("The feed is not in UTF-8 and was read as Windows-1252.",),
}


class FileRows:
    """A ``RowSource``.

    Raises:
        FeedUnreadable: as ``open_feed``.
    """

    def __init__(
        self, path: Path, wanted: DialectName | None, max_row_bytes: int, dialects: Sequence[Dialect] = DIALECTS
    ) -> None:
        self.image_folder = path.parent
        self._max_row_bytes = max_row_bytes
        self._file = FeedFile(path)
        self.num_bytes = self._file.num_bytes
        try:
            self._unpacked = UnpackedFeed(self._file)
            self.packing = self._unpacked.packing
            stream = PeekedStream(self._unpacked, NUM_HEAD_BYTES)
            self._source: LineSource | XmlRows
            self._records: RecordReader | None = None
            self._xml: XmlRows | None = None
            self.columns: tuple[str, ...] = ()
            if starts_as_xml(stream.head):
                self.layout, self.dialect = XML, dialect_of_format(path, XML, wanted, dialects)
                self._source = self._xml = XmlRows(path, stream, max_row_bytes)
            else:
                self._source = self._lines = LineSource(stream, max_row_bytes)
                self.layout, self.dialect = detect(
                    path, self._unpacked.name, self._lines, wanted, max_row_bytes, dialects
                )
            if self.layout.delimiter is not None:
                self._records = RecordReader(self._lines, self.layout.delimiter, max_row_bytes)
                self.columns = self.dialect.fixed_header or self.dialect.check_header(
                    path, read_header(path, self._records, self.dialect.knows)
                )
        except BaseException:
            self._file.close()
            raise
        promised = format_of_name(self._unpacked.name)
        is_other = promised is not None and promised is not self.layout.format
        misnamed = f"The feed is named as {promised.upper()} and was read as {self.layout}." if promised else ""
        self._notes = (*self._unpacked.notes, *((misnamed,) if is_other else ()))

    @property
    def position(self) -> int:
        """As ``RowSource``."""
        if self.packing is None and self.encoding is not Encoding.UTF_16:
            return self._source.position
        # What lines are made of is not what the file holds.
        return self._unpacked.position

    @property
    def encoding(self) -> Encoding:
        """As ``RowSource``; the start of a feed in Windows-1252 may be ASCII."""
        return self._source.encoding

    @property
    def notes(self) -> tuple[str, ...]:
        """As ``RowSource``."""
        declared = None if self._xml is None else self._xml.encoding_notes
        return (*(_ENCODING_NOTES[self.encoding] if declared is None else declared), *self._notes)

    def rows(self) -> Iterator[FeedRow | RowError]:
        """As ``RowSource``."""
        if self._xml is not None:
            return self._xml.rows()
        if self._records is None:
            return read_json_rows(self._lines, self._max_row_bytes)
        id_comes_first = self.dialect.has_id_first(self.columns)
        return read_delimited_rows(self._records, self.columns, id_comes_first=id_comes_first, fit=self.dialect.fit)

    def close(self) -> None:
        """As ``RowSource``."""
        self._file.close()
