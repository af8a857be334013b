"""How a feed is written, and in which dialect: by its first record, and by its name where that leaves a choice."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path

from catalog.errors import FeedUnreadable
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects import DIALECTS, Dialect
from catalog.feeds.layout import (
    CSV,
    JSONL,
    SEMICOLON_CSV,
    TSV,
    FeedFormat,
    FeedLayout,
    format_of_name,
    refuse_what_is_no_text,
)
from catalog.feeds.lines import LineSource
from catalog.feeds.records import Record, RecordReader
from catalog.types import DialectName

NUM_HEAD_BYTES = 256
# The mark of UTF-16 is the start of one of UTF-32.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def starts_as_xml(head: bytes) -> bool:
    """Whether the first bytes of a feed, of whatever encoding, are those of XML."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            text = head[len(mark) :].decode(encoding, errors="replace")
            break
    else:
        # UTF-16 without its mark says so by what it must begin with.
        if head.startswith((b"<\x00", b"\x00<")):
            return True
        text = head.decode("latin-1")
    return text.lstrip(" \t\r\n").startswith("<")


def dialect_of_format(
    path: Path, layout: FeedLayout, wanted: DialectName | None, dialects: Sequence[Dialect] = DIALECTS
) -> Dialect:
    """The dialect of feeds whose rows name their values themselves.

    Raises:
        FeedUnreadable: the wanted one is never written so.
    """
    fitting = [dialect for dialect in dialects if layout.format in dialect.formats]
    for dialect in fitting:
        if wanted in (None, dialect.name):
            return dialect
    raise FeedUnreadable(
        f"The feed {path} cannot be read as {_label(wanted)}.",
        received=str(layout),
        expected=_formats(wanted),
        remedy="Leave --dialect out, and see what the feed is taken for." if fitting else None,
    )


def detect(
    path: Path,
    name: str,
    source: LineSource,
    wanted: DialectName | None,
    max_row_bytes: int,
    dialects: Sequence[Dialect] = DIALECTS,
) -> tuple[FeedLayout, Dialect]:
    """The layout and the dialect of a feed of lines.

    All its lines are still in ``source`` afterwards, but for blank ones at its start.

    Args:
        name: What the feed is called in its archive, if it is in one.
        wanted: The dialect, where it is known.
        dialects: Those that it may be in.

    Raises:
        FeedUnreadable: nothing but blank lines, evidently something else than a feed, or not in the wanted dialect.
    """
    candidates = [dialect for dialect in dialects if wanted in (None, dialect.name)]
    first = next((line for line in source if not line.is_blank), None)
    if first is None:
        raise FeedUnreadable(
            f"The feed {path} is empty.",
            received="no line with text",
            expected=f"a first line that names the columns ({candidates[0].expected}), or one JSON object per line",
        )
    source.put_back([first])
    refuse_what_is_no_text(path, first)
    promised = format_of_name(name)
    start = first.data.lstrip()[:1]
    if start == b"{":
        return JSONL, dialect_of_format(path, JSONL, wanted, dialects)
    records = {layout: _first_record(layout, source, max_row_bytes) for layout in (CSV, TSV, SEMICOLON_CSV)}
    # The first of equals wins, and those that the name promises come first.
    layouts = sorted(records, key=lambda layout: layout.format is not promised)
    matches = [
        (dialect.count_known(records[layout] or ()), layout, dialect)
        for layout in layouts
        for dialect in candidates
        if layout.format in dialect.formats
    ]
    num_known, layout, dialect = max(matches, key=lambda match: match[0], default=(0, CSV, candidates[0]))
    fields = records[layout] or ()
    # Who says that it is this dialect is believed, unless most of the feed is evidently another's.
    factor = 1 if wanted is None else 2
    if num_known and not _is_rather_of_another(fields, dialect, dialects, factor):
        return layout, dialect
    if num_known and wanted is not None:
        raise FeedUnreadable(
            f"The feed {path} cannot be read as {_label(wanted)}.",
            received=list_names([name.strip() for name in fields]),
            expected=dialect.expected,
            remedy="Leave --dialect out, and see what the feed is taken for.",
        )
    if start == b"[":
        raise FeedUnreadable(
            f"The feed {path} is a JSON array.",
            received="a first line that starts with '['",
            expected="JSON Lines: one object on each line, without brackets and commas around them",
            remedy="Write each product as one JSON object on its own line.",
        )
    if promised is FeedFormat.JSONL:
        # The header is none, so the line is a broken row, which its reader reports.
        return JSONL, dialect_of_format(path, JSONL, wanted, dialects)
    if promised is FeedFormat.XML or (matches == [] and wanted is not None):
        raise FeedUnreadable(
            f"The feed {path} cannot be read as {_label(wanted) if wanted else 'XML'}.",
            received=f"a first line that starts {source.excerpt(first).strip()[:60]!r}",
            expected=_formats(wanted) if wanted else "XML, which starts with '<'",
        )
    if records[layouts[0]] is None or b"\x00" in first.data:
        # Its reader says what is broken.
        return layouts[0], candidates[0]
    return _refuse_unknown_header(path, {layout: fields or () for layout, fields in records.items()}, candidates)


def _refuse_unknown_header(
    path: Path,
    records: Mapping[FeedLayout, Sequence[str]],
    candidates: Sequence[Dialect],
) -> tuple[FeedLayout, Dialect]:
    """The layout that splits the header into most names; where the choice of dialects is open, all are named."""
    layout = max(records, key=lambda layout: (sum(_is_known(name) for name in records[layout]), len(records[layout])))
    dialect = max(candidates, key=lambda dialect: sum(dialect.knows(name) for name in records[layout]))
    if len(candidates) > 1 and not any(dialect.knows(name) for name in records[layout]):
        raise FeedUnreadable(
            f"The feed {path} has a header that no dialect knows.",
            received=list_names([name.strip() for name in records[layout] if name.strip()]),
            expected="; or ".join(f"{dialect.expected} ({dialect.label})" for dialect in candidates),
            remedy="Name the columns in the feed's first line.",
        )
    if dialect.fixed_header is not None:
        raise FeedUnreadable(
            f"The feed {path} cannot be read as {dialect.label}.",
            received=f"a first line with {list_names([name.strip() for name in records[layout]])}",
            expected=dialect.expected,
            remedy="Leave --dialect out, and see what the feed is taken for.",
        )
    # Its dialect says what the header lacks.
    return layout, dialect


def _is_rather_of_another(fields: Sequence[str], dialect: Dialect, dialects: Sequence[Dialect], factor: int) -> bool:
    """Whether another dialect knows more than so many times as many of the columns, and says what they lack."""
    if not dialect.is_partial(fields):
        return False
    num_known = sum(dialect.knows(name) for name in fields)
    return any(sum(other.knows(name) for name in fields) > factor * num_known for other in dialects)


def _is_known(name: str) -> bool:
    return any(dialect.knows(name) for dialect in DIALECTS)


def _first_record(layout: FeedLayout, source: LineSource, max_row_bytes: int) -> Sequence[str] | None:
    """The fields of the first record when it is split in this way; None where it cannot be."""
    if layout.delimiter is None:
        return ()
    record = RecordReader(source, layout.delimiter, max_row_bytes).read()
    if record is None:
        return ()
    source.put_back(record.lines)
    return record.fields if isinstance(record, Record) else None


def _label(name: DialectName | None) -> str:
    return next((dialect.label for dialect in DIALECTS if dialect.name == name), "a feed")


def _formats(name: DialectName | None) -> str:
    formats = {format for dialect in DIALECTS if name in (None, dialect.name) for format in dialect.formats}
    return " or ".join(sorted(format.upper() for format in formats))
