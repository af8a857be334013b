"""The table in a folder of images that says more of its products, and what has been found of them so far."""

from __future__ import annotations

import json
import posixpath
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from catalog.feeds.columns import Column, match_columns
from catalog.feeds.dialects.own import OwnDialect
from catalog.feeds.encodings import BadText
from catalog.feeds.error_file import is_error_file
from catalog.feeds.feed_row import FeedRow, ValueFault
from catalog.feeds.file_rows import FileRows
from catalog.feeds.layout import FeedFormat, format_of_name
from catalog.feeds.values import parse_id, split_image_sources
from catalog.types import RowError

TABLE_STEM = "products"
_FORMATS = (FeedFormat.CSV, FeedFormat.TSV, FeedFormat.JSONL)


class TableDialect(OwnDialect):
    """Drape's own columns, of which a table beside images needs none but the id."""

    expected: ClassVar[str] = "the column id, and others of Drape's own"
    required: ClassVar[tuple[Column, ...]] = (Column.ID,)


class TopTables(NamedTuple):
    """Tables at the top of a folder.

    Args:
        names: The one called products, or all of them.
        known: These, and the files of errors, which ``--errors`` writes.
    """

    names: tuple[str, ...]
    known: frozenset[str]


def tables_of(folder: Path) -> TopTables:
    """The tables at the top of a folder; empty files are none.

    Raises:
        OSError: the folder or one of the tables cannot be read.
    """
    files = sorted(
        path
        for path in folder.iterdir()
        if format_of_name(path.name) in _FORMATS
        and not path.name.startswith(".")
        and path.is_file()
        and path.resolve().is_relative_to(folder.resolve())
        and path.stat().st_size
    )
    names = [path.name for path in files if not is_error_file(path)]
    named = [name for name in names if Path(name).stem.casefold() == TABLE_STEM]
    return TopTables(
        tuple(named or names), frozenset(named or names).union({path.name for path in files}.difference(names))
    )


class Described(NamedTuple):
    """A row of the table.

    Args:
        line: The line of the table on which it starts.
        raw: Its values by the table's names.
        columns: The table's name of each known column.
    """

    line: int
    raw: dict[str, Any]
    columns: Mapping[Column, str]
    bad_text: BadText | None
    is_suspect: bool


class FolderTable:
    """Rows by id, in a temporary file that is gone afterwards: a folder may have millions of products.

    Args:
        path: The table's file; None where there is no table.

    Raises:
        FeedUnreadable: it cannot be read, or has no ids.

    Attributes:
        name: The table's file name; empty where there is none.
        label: What it was taken for, with its name; None where there is none.
    """

    def __init__(self, path: Path | None, max_row_bytes: int) -> None:
        # SQLite's name for a temporary database that spills to disk.
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE described (number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, is_found INTEGER)",
            "CREATE TABLE claimed (path TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID",
            "CREATE TABLE found (id TEXT PRIMARY KEY, line INTEGER, place TEXT) WITHOUT ROWID",
            "CREATE TABLE faults (number INTEGER PRIMARY KEY, text TEXT)",
            "BEGIN",
        ):
            self._database.execute(statement)
        self.name = "" if path is None else path.name
        self.label: str | None = None
        if path is not None:
            try:
                self._read(path, max_row_bytes)
            except BaseException:
                self.close()
                raise

    def claimant(self, path: str) -> str | None:
        """The id of the row that names an image, or None."""
        row = self._database.execute("SELECT id FROM claimed WHERE path = ?", (path,)).fetchone()
        return None if row is None else str(row[0])

    def meet(self, external_id: str, line: int, place: str) -> tuple[int, str]:
        """Note where a product was found; the line and the place where it was found first, which may be these."""
        self._database.execute("INSERT OR IGNORE INTO found VALUES (?, ?, ?)", (external_id, line, place))
        return self.first_met(external_id) or (line, place)

    def first_met(self, external_id: str) -> tuple[int, str] | None:
        """The line and the place where a product was found first, or None."""
        found = self._database.execute("SELECT line, place FROM found WHERE id = ?", (external_id,)).fetchone()
        return None if found is None else (int(found[0]), str(found[1]))

    def take(self, external_id: str) -> Described | None:
        """The row of a product that was found, or None."""
        row = self._database.execute("SELECT text FROM described WHERE id = ?", (external_id,)).fetchone()
        if row is None:
            return None
        self._database.execute("UPDATE described SET is_found = 1 WHERE id = ?", (external_id,))
        return _described(row[0])

    def rest(self) -> Iterator[tuple[str, Described]]:
        """The ids and rows of products that were not found, in the table's order."""
        for external_id, text in self._database.execute(
            "SELECT id, text FROM described WHERE is_found = 0 ORDER BY number"
        ):
            yield external_id, _described(text)

    def faults(self) -> Iterator[RowError]:
        """What is wrong with rows of the table; lines are the table's."""
        for (text,) in self._database.execute("SELECT text FROM faults ORDER BY number"):
            line, column, found, expected, external_id = json.loads(text)
            yield RowError(line, column, found, expected, external_id)

    def close(self) -> None:
        """Remove the file. Safe to call twice."""
        self._database.close()

    def _read(self, path: Path, max_row_bytes: int) -> None:
        rows = FileRows(path, None, max_row_bytes, (TableDialect(),))
        try:
            for row in rows.rows():
                if isinstance(row, RowError):
                    self._fail(row)
                else:
                    self._describe(row)
            self.label = f"{path.name} ({rows.layout} in {rows.encoding})"
        finally:
            rows.close()

    def _describe(self, row: FeedRow) -> None:
        match = match_columns(row.raw)
        name = match.names.get(Column.ID)
        try:
            if match.repeated:
                raise ValueFault(f"the name {match.repeated[0]} in two spellings", "each name once in an object")
            external_id = parse_id(None if name is None else row.raw[name])
        except ValueFault as fault:
            self._fail(RowError(row.line, Column.ID, fault.found, fault.expected))
            return
        text = json.dumps((row.line, dict(row.raw), row.bad_text, row.is_suspect))
        added = self._database.execute(
            "INSERT OR IGNORE INTO described (id, text, is_found) VALUES (?, ?, 0)", (external_id, text)
        )
        if not added.rowcount:
            self._fail(RowError(row.line, Column.ID, external_id, "an id that no earlier row has", external_id))
            return
        for source in sources_of(row.raw, match.names):
            claim = (posixpath.normpath(str(source).strip()), external_id)
            if claim[0].isprintable():
                self._database.execute("INSERT OR IGNORE INTO claimed VALUES (?, ?)", claim)

    def _fail(self, error: RowError) -> None:
        told = (error.line, error.column, error.found, error.expected, error.external_id)
        self._database.execute("INSERT INTO faults (text) VALUES (?)", (json.dumps(told),))


def sources_of(raw: Mapping[str, object], columns: Mapping[Column, str]) -> Sequence[object]:
    """The images that a row names, the main one first; none where they are too many to be taken."""
    main = raw.get(columns.get(Column.IMAGE, ""))
    more = raw.get(columns.get(Column.ADDITIONAL_IMAGES, ""))
    try:
        return [*([] if is_absent(main) else [main]), *split_image_sources(more)]
    except ValueFault:
        return ()


def is_absent(value: object) -> bool:
    """Whether a row says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def _described(text: str) -> Described:
    line, raw, bad_text, is_suspect = json.loads(text)
    return Described(line, raw, match_columns(raw).names, None if bad_text is None else BadText(*bad_text), is_suspect)
