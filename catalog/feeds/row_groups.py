"""Rows of one product that are spread over a feed, brought together."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator

from catalog.feeds.encodings import BadText
from catalog.feeds.feed_row import FeedRow


class RowGroups:
    """Rows by a key, kept in a temporary file that is gone afterwards: a feed may hold more than memory does."""

    def __init__(self) -> None:
        # SQLite's name for a temporary database that spills to disk.
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE keys (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)",
            "CREATE TABLE rows (number INTEGER, row INTEGER, text TEXT, PRIMARY KEY (number, row)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)
        self._num_rows = 0

    def add(self, key: str, row: FeedRow) -> None:
        """Take a row.

        Args:
            key: What the rows of its group share; without lone surrogates.
        """
        self._num_rows += 1
        self._database.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (self._num_rows, key))
        (number,) = self._database.execute("SELECT number FROM keys WHERE key = ?", (key,)).fetchone()
        self._database.execute("INSERT INTO rows VALUES (?, ?, ?)", (number, self._num_rows, _text_of(row)))

    def __iter__(self) -> Iterator[tuple[str, Iterator[FeedRow]]]:
        """The keys in the order of their first rows, each with its rows in theirs, which are read once, in order."""
        rows = self._database.execute(
            "SELECT rows.number, key, text FROM rows JOIN keys ON keys.number = rows.number ORDER BY rows.number, row"
        )
        for (_, key), group in itertools.groupby(rows, key=lambda row: (row[0], row[1])):
            yield key, (_row_of(text) for _, _, text in group)

    def close(self) -> None:
        """Remove the file. Safe to call twice."""
        self._database.close()


def _text_of(row: FeedRow) -> str:
    # Lone surrogates, which stand for undecodable bytes, become escapes.
    return json.dumps((row.line, dict(row.raw), row.bad_text, row.is_suspect, row.place))


def _row_of(text: str) -> FeedRow:
    line, raw, bad_text, is_suspect, place = json.loads(text)
    return FeedRow(line, raw, None if bad_text is None else BadText(*bad_text), is_suspect, place)
