"""How rows are written: in a file as separated fields, as JSON Lines, as XML; or as the names in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath

from catalog.errors import FeedUnreadable
from catalog.feeds.lines import Line


class FeedFormat(StrEnum):
    """How rows are written."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    XML = "xml"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class FeedLayout:
    """The format, and what separates fields (None where they are not separated)."""

    format: FeedFormat
    delimiter: str | None

    def __str__(self) -> str:
        return f"CSV separated by {self.delimiter!r}" if self.delimiter == ";" else self.format.upper()


CSV = FeedLayout(FeedFormat.CSV, ",")
SEMICOLON_CSV = FeedLayout(FeedFormat.CSV, ";")
TSV = FeedLayout(FeedFormat.TSV, "\t")
JSONL = FeedLayout(FeedFormat.JSONL, None)
XML = FeedLayout(FeedFormat.XML, None)
FOLDER = FeedLayout(FeedFormat.FOLDER, None)

_FORMAT_OF_SUFFIX = {
    ".csv": FeedFormat.CSV,
    ".tsv": FeedFormat.TSV,
    ".tab": FeedFormat.TSV,
    ".jsonl": FeedFormat.JSONL,
    ".ndjson": FeedFormat.JSONL,
    ".xml": FeedFormat.XML,
    ".rss": FeedFormat.XML,
    ".atom": FeedFormat.XML,
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


def refuse_what_is_no_text(path: Path, first: Line) -> None:
    """Check that a feed does not start as something that is evidently none.

    Raises:
        FeedUnreadable: it is an archive within an archive, a document, or in UTF-32.
    """
    for signature, (what, remedy) in _SIGNATURES.items():
        if first.data.startswith(signature):
            raise FeedUnreadable(
                f"The feed {path} is not text in UTF-8.",
                received=what,
                expected="CSV, TSV, JSON Lines or XML in UTF-8",
                remedy=remedy,
            )
    if first.data[_TAR_OFFSET:].startswith(_TAR):
        raise FeedUnreadable(
            f"The feed {path} is not text in UTF-8.",
            received="a tar archive",
            expected="one file in CSV, TSV, JSON Lines or XML, as it is, in gzip or in a ZIP archive",
            remedy="Compress the feed itself.",
        )
