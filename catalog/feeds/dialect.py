"""What kind of feed a file is, by its first line and its name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath

from catalog.errors import FeedUnreadable
from catalog.feeds.columns import REQUIRED_COLUMNS, Column, match_columns
from catalog.feeds.lines import Line, LineSource
from catalog.feeds.records import Record, RecordReader


class FeedFormat(StrEnum):
    """How rows are written."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class FeedDialect:
    """The format, and what separates fields (None for JSON Lines)."""

    format: FeedFormat
    delimiter: str | None

    def __str__(self) -> str:
        return f"CSV separated by {self.delimiter!r}" if self.delimiter == ";" else self.format.upper()


CSV = FeedDialect(FeedFormat.CSV, ",")
SEMICOLON_CSV = FeedDialect(FeedFormat.CSV, ";")
TSV = FeedDialect(FeedFormat.TSV, "\t")
JSONL = FeedDialect(FeedFormat.JSONL, None)

_FORMAT_OF_SUFFIX = {
    ".csv": FeedFormat.CSV,
    ".tsv": FeedFormat.TSV,
    ".tab": FeedFormat.TSV,
    ".jsonl": FeedFormat.JSONL,
    ".ndjson": FeedFormat.JSONL,
}
_SIGNATURES = {
    b"PK\x03\x04": ("an archive within an archive", "Unpack one of them."),
    b"\x1f\x8b": ("an archive within an archive", "Unpack one of them."),
    b"%PDF": ("a PDF document", "Export the feed as CSV in UTF-8."),
    b"\xff\xfe\x00\x00": ("UTF-32 text", "Save the feed as UTF-8."),
    b"\x00\x00\xfe\xff": ("UTF-32 text", "Save the feed as UTF-8."),
}
# The start of any tar archive is the name of its first file, padded with NUL bytes.
_TAR_OFFSET, _TAR = 257, b"ustar"


def format_of_name(name: str) -> FeedFormat | None:
    """The format that a file's name promises, or None."""
    return _FORMAT_OF_SUFFIX.get(PurePath(name).suffix.casefold())


def detect_dialect(path: Path, name: str, source: LineSource, max_row_bytes: int) -> FeedDialect:
    """The dialect of the feed, whose lines are all still in ``source`` afterwards, but for blank ones at its start.

    What the first line holds decides; the name only where that leaves a choice.

    Args:
        name: What the feed is called in its archive, if it is in one.

    Raises:
        FeedUnreadable: nothing but blank lines, or evidently something else than a feed.
    """
    first = next((line for line in source if not line.is_blank), None)
    if first is None:
        raise FeedUnreadable(
            f"The feed {path} is empty.",
            received="no line with text",
            expected=f"a first line that names the columns {', '.join(REQUIRED_COLUMNS)}, or one JSON object per line",
        )
    source.put_back([first])
    _refuse_what_is_no_text(path, first)
    promised = format_of_name(name)
    start = first.data.lstrip()[:1]
    if start == b"{":
        return JSONL
    dialect, matched = _best_delimited(source, max_row_bytes, promised)
    if not matched.issuperset(REQUIRED_COLUMNS):
        if start == b"[":
            raise FeedUnreadable(
                f"The feed {path} is a JSON array.",
                received="a first line that starts with '['",
                expected="JSON Lines: one object on each line, without brackets and commas around them",
                remedy="Write each product as one JSON object on its own line.",
            )
        if promised is FeedFormat.JSONL:
            # The header is none, so the line is a broken row, which its reader reports.
            return JSONL
    return dialect


def _best_delimited(
    source: LineSource, max_row_bytes: int, promised: FeedFormat | None
) -> tuple[FeedDialect, frozenset[Column]]:
    candidates = sorted((CSV, TSV, SEMICOLON_CSV), key=lambda dialect: dialect.format is not promised)
    matches = [(dialect, _columns_by(dialect, source, max_row_bytes)) for dialect in candidates]
    # The first of equals wins, and those that the name promises come first.
    return max(matches, key=lambda match: len(match[1]))


def _columns_by(dialect: FeedDialect, source: LineSource, max_row_bytes: int) -> frozenset[Column]:
    """The columns that the first record names when it is split in this way."""
    if dialect.delimiter is None:
        return frozenset()
    record = RecordReader(source, dialect.delimiter, max_row_bytes).read()
    if record is None:
        return frozenset()
    source.put_back(record.lines)
    return frozenset(match_columns(record.fields).names) if isinstance(record, Record) else frozenset()


def _refuse_what_is_no_text(path: Path, first: Line) -> None:
    for signature, (what, remedy) in _SIGNATURES.items():
        if first.data.startswith(signature):
            raise FeedUnreadable(
                f"The feed {path} is not text in UTF-8.",
                received=what,
                expected="CSV, TSV or JSON Lines in UTF-8",
                remedy=remedy,
            )
    if first.data[_TAR_OFFSET:].startswith(_TAR):
        raise FeedUnreadable(
            f"The feed {path} is not text in UTF-8.",
            received="a tar archive",
            expected="one file in CSV, TSV or JSON Lines, as it is, in gzip or in a ZIP archive",
            remedy="Compress the feed itself.",
        )
