"""Rows of CSV and TSV feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.errors import FeedUnreadable
from catalog.feeds.columns import REQUIRED_COLUMNS, Column, ColumnMatch, match_columns
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.records import BrokenRecord, Record, RecordReader
from catalog.feeds.values import parse_id
from catalog.types import RowError

_MAX_COLUMNS = 1000


def read_header(path: Path, records: RecordReader) -> tuple[str, ...]:
    """Names of the columns: those of the first record, made distinct.

    A column without a name, or with the name of an earlier unknown one, is called ``column 7`` after its position.

    Raises:
        FeedUnreadable: the header cannot be split or decoded, lacks a required column or has a known one twice.
    """
    record = records.read()
    if record is None:
        raise FeedUnreadable(f"The feed {path} is empty.", expected=_expected_columns())
    if isinstance(record, BrokenRecord):
        raise FeedUnreadable(
            f"The header of the feed {path} cannot be read.", received=record.found, expected=record.expected
        )
    _check_text(path, record)
    names: list[str] = []
    for index, field in enumerate(record.fields):
        name = field.strip()
        is_known = bool(match_columns([name]).names)
        if not is_known and (not name or name in names):
            name = f"column {index + 1}"
            while name in names:
                name += " (unnamed)"
        names.append(name)
    match = match_columns(names)
    missing = [column for column in REQUIRED_COLUMNS if column not in match.names]
    if missing:
        raise FeedUnreadable(
            f"The feed {path} has no column {' and no column '.join(missing)}.",
            received=list_names([name for name in names if name]),
            expected=_expected_columns(),
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


def read_delimited_rows(
    records: RecordReader, header: Sequence[str], match: ColumnMatch
) -> Iterator[FeedRow | RowError]:
    """Rows after the header; a row that cannot be split into the header's fields is an error, and reading goes on.

    Rows without any text (blank lines, separators only) are left out.
    """
    id_comes_first = header[0] == match.names[Column.ID]
    num_fields = len(header)
    while (record := records.read()) is not None:
        line = record.lines[0].number
        if isinstance(record, BrokenRecord):
            resumed_at = records.resume_within(record.lines, num_fields)
            yield RowError(line, None, record.found + _describe_resuming(record, resumed_at), record.expected)
            continue
        fields = record.fields
        if not any(fields) or not any(field.strip() for field in fields):
            continue
        if len(fields) != num_fields:
            resumed_at = records.resume_within(record.lines, num_fields)
            yield RowError(
                line,
                None,
                f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}{_describe_resuming(record, resumed_at)}",
                f"{num_fields} fields, as the header has; a field that holds the separator must be quoted",
                # A missing or surplus separator moves every field after it: only the first surely is what it seems.
                _readable_id(fields[0], record) if id_comes_first else None,
            )
            continue
        raw = dict(zip(header, fields, strict=True))
        yield FeedRow(line, match.names, raw, record.bad_text, record.has_nul or record.bad_text is not None)


def _readable_id(field: str, record: Record) -> str | None:
    if record.bad_text is not None:
        return None
    try:
        return parse_id(field)
    except ValueFault:
        return None


def _describe_resuming(record: Record | BrokenRecord, resumed_at: int | None) -> str:
    if len(record.lines) == 1:
        return ""
    if resumed_at is None:
        return f", up to and with line {record.lines[-1].number}"
    return f"; reading resumed at line {resumed_at}"


def _check_text(path: Path, header: Record) -> None:
    if header.bad_text is not None:
        raise FeedUnreadable(
            f"The header of the feed {path} cannot be decoded.",
            received=header.bad_text.found,
            expected=header.bad_text.expected,
            remedy="Save the feed as UTF-8.",
        )
    if header.has_nul:
        raise FeedUnreadable(
            f"The feed {path} is not text.",
            received="NUL bytes in its first line",
            expected="CSV, TSV or JSON Lines in UTF-8",
            remedy="Save the feed as CSV in UTF-8.",
        )
    if len(header.fields) > _MAX_COLUMNS:
        raise FeedUnreadable(
            f"The feed {path} has too many columns.",
            received=f"{len(header.fields):,} columns",
            expected=f"at most {_MAX_COLUMNS:,}",
        )


def list_names(names: Sequence[str]) -> str:
    """The first twenty names, and how many more there are."""
    shown = ", ".join(shorten(name)[1:-1] for name in names[:20])
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return shown + more if shown else "no names"


def _expected_columns() -> str:
    optional = ", ".join(column for column in Column if column not in REQUIRED_COLUMNS)
    return f"the columns {', '.join(REQUIRED_COLUMNS)}; also understood: {optional}"
