"""Rows of CSV and TSV feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from catalog.errors import FeedUnreadable
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.records import BrokenRecord, Record, RecordReader
from catalog.feeds.values import parse_id
from catalog.types import RowError

Fit: TypeAlias = Callable[[Sequence[str], int], Sequence[str]]

_MAX_COLUMNS = 1000


def read_header(path: Path, records: RecordReader, is_known: Callable[[str], bool]) -> tuple[str, ...]:
    """Names of the columns: those of the first record.

    A column without a name, or with the name of an earlier unknown one, is called ``column 7`` after its position.

    Args:
        is_known: Whether a name means something in the feed's dialect; such names stay, also where they come twice.

    Raises:
        FeedUnreadable: the header cannot be split or decoded.
    """
    record = records.read()
    if record is None:
        raise FeedUnreadable(f"The feed {path} is empty.", expected="a first line that names the columns")
    if isinstance(record, BrokenRecord):
        raise FeedUnreadable(
            f"The header of the feed {path} cannot be read.", received=record.found, expected=record.expected
        )
    _check_text(path, record)
    names: list[str] = []
    for index, field in enumerate(record.fields):
        name = field.strip()
        if not name or (name in names and not is_known(name)):
            name = f"column {index + 1}"
            while name in names:
                name += " (unnamed)"
        names.append(name)
    return tuple(names)


def exactly(fields: Sequence[str], num_columns: int) -> Sequence[str]:
    """The fields, where there are as many as columns.

    Raises:
        ValueFault: there are fewer or more.
    """
    if len(fields) != num_columns:
        expected = f"{num_columns} fields, as the header has; a field that holds the separator must be quoted"
        raise ValueFault(count_fields(fields), expected)
    return fields


def count_fields(fields: Sequence[str]) -> str:
    """``1 field``, ``7 fields``."""
    return f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}"


def read_delimited_rows(
    records: RecordReader, header: Sequence[str], *, id_comes_first: bool, fit: Fit = exactly
) -> Iterator[FeedRow | RowError]:
    """Rows after the header; a row that cannot be split into the header's fields is an error, and reading goes on.

    Rows without any text (blank lines, separators only) are left out.

    Args:
        header: Distinct names.
        id_comes_first: Whether the first column holds the products' ids, which errors then name.
        fit: As ``Dialect.fit``.
    """
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
        try:
            fitting = fit(fields, num_fields)
        except ValueFault as fault:
            resumed_at = records.resume_within(record.lines, num_fields)
            yield RowError(
                line,
                None,
                fault.found + _describe_resuming(record, resumed_at),
                fault.expected,
                # A missing or surplus separator moves every field after it: only the first surely is what it seems.
                _readable_id(fields[0], record) if id_comes_first else None,
            )
            continue
        raw = dict(zip(header, fitting, strict=True))
        yield FeedRow(line, raw, record.bad_text, record.has_nul or record.bad_text is not None)


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
