"""From lines to records of separated fields: quoting, fields over several lines, and where to go on after a fault."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

from catalog.feeds.encodings import BadText
from catalog.feeds.feed_row import shorten
from catalog.feeds.lines import Line, LineSource

# Going back to an earlier line costs reading bytes again. These bound the cost of a feed made to provoke it to a
# small multiple of the feed's length.
_REREAD_FACTOR = 4
_REREAD_ALLOWANCE = 8 * 2**20


class Record(NamedTuple):
    """Fields that belong together.

    Args:
        lines: The lines they stand on, at least one.
        fields: As text; empty for a blank line. Undecodable bytes are lone surrogates.
        bad_text: The first place in the record that is not of the feed's encoding.
        has_nul: Whether a NUL byte is among the bytes.
    """

    lines: list[Line]
    fields: list[str]
    bad_text: BadText | None
    has_nul: bool


class BrokenRecord(NamedTuple):
    """Lines that could not be split into fields, with what was found and expected."""

    lines: list[Line]
    found: str
    expected: str


class _RecordTooLong(Exception):
    """The record goes on beyond the bytes that a row may have."""


class _RecordLines:
    """Hands lines to ``csv.reader`` and remembers those of the current record."""

    def __init__(self, source: LineSource, max_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self.start_record()

    def start_record(self) -> None:
        self.lines: list[Line] = []
        self.bad_text: BadText | None = None
        self.has_nul = False
        self._num_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._source)
        self.lines.append(line)
        self._num_bytes += line.size
        if self._num_bytes > self._max_bytes:
            raise _RecordTooLong
        text, bad_text = self._source.decode(line)
        self.bad_text = self.bad_text or bad_text
        self.has_nul = self.has_nul or "\x00" in text
        return text


class RecordReader:
    """Records of a feed of separated fields, in memory bounded by the longest row that is allowed.

    Quoting is strict: a field that starts with a quotation mark ends with one, and those within it are doubled.
    Otherwise a forgotten mark could swallow the rows after it unnoticed.
    """

    def __init__(self, source: LineSource, delimiter: str, max_row_bytes: int) -> None:
        self._source = source
        self._delimiter = delimiter
        self._max_row_bytes = max_row_bytes
        self._num_reread = 0
        self._current = _RecordLines(source, max_row_bytes)
        self._parser = csv.reader(self._current, delimiter=delimiter, strict=True, skipinitialspace=True)

    def read(self) -> Record | BrokenRecord | None:
        """The next record, or None at the end."""
        current = self._current
        current.start_record()
        try:
            fields = next(self._parser)
        except StopIteration:
            return None
        except _RecordTooLong:
            found, expected = self._describe_too_long(current.lines)
        except csv.Error as error:
            found, expected = self._describe(error)
        else:
            return Record(current.lines, fields, current.bad_text, current.has_nul)
        start = self._source.excerpt(current.lines[0]).rstrip("\r\n")
        return BrokenRecord(current.lines, f"{found}, in a row that starts {shorten(start[:60])}", expected)

    def resume_within(self, lines: list[Line], num_fields: int) -> int | None:
        """Go back to the first line after a faulty record's first that is a whole record by itself.

        A quotation mark that is never closed takes in the rows after it; this finds them again.

        Args:
            lines: The lines of the faulty record.
            num_fields: How many fields a whole record has.

        Returns:
            The number of the line at which reading goes on, or None when it goes on after ``lines``.
        """
        for index in range(1, len(lines)):
            if self._is_whole(lines[index], num_fields):
                num_bytes = sum(line.size for line in lines[index:])
                if self._num_reread + num_bytes > _REREAD_FACTOR * self._source.position + _REREAD_ALLOWANCE:
                    return None
                self._num_reread += num_bytes
                self._source.put_back(lines[index:])
                return lines[index].number
        return None

    def _is_whole(self, line: Line, num_fields: int) -> bool:
        if line.is_cut:
            return False
        text = line.data.decode(errors="surrogateescape")
        try:
            fields = next(csv.reader([text], delimiter=self._delimiter, strict=True, skipinitialspace=True), [])
        except csv.Error:
            return False
        return len(fields) == num_fields

    def _describe_too_long(self, lines: list[Line]) -> tuple[str, str]:
        expected = f"at most {self._max_row_bytes:,} bytes in a row"
        if len(lines) == 1:
            return f"a line of {lines[0].size:,} bytes", expected
        return (
            f"a quoted field that has not ended after {sum(line.size for line in lines):,} bytes",
            f"a closing quotation mark, and {expected}",
        )

    def _describe(self, error: csv.Error) -> tuple[str, str]:
        # The csv module has one exception type for all faults; its message is the only thing that tells them apart.
        message = str(error)
        if "unexpected end of data" in message:
            return "a quoted field that has not ended at the end of the feed", "a closing quotation mark"
        if "expected after" in message:
            return (
                "text after a closing quotation mark",
                "a separator or the line's end after it; quotation marks inside a quoted field are doubled",
            )
        if "field limit" in message:
            return (
                f"a field of more than {csv.field_size_limit():,} characters",
                "shorter text, or the quotation mark closed where the field ends",
            )
        return f"fields that cannot be told apart ({message})", "separated fields, quoted where they hold the separator"
