"""Where each id of a feed came first."""

from __future__ import annotations

import sqlite3


class FirstLines:
    """On which line each id came first, in a file that is gone afterwards: a feed may have millions of them."""

    def __init__(self) -> None:
        # SQLite's name for a temporary database that spills to disk.
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE first_lines (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def of(self, external_id: str, line: int) -> int:
        """The line on which the id came first, which may be this one."""
        new = self._database.execute("INSERT OR IGNORE INTO first_lines VALUES (?, ?)", (external_id, line))
        if new.rowcount:
            return line
        found: int
        (found,) = self._database.execute("SELECT line FROM first_lines WHERE id = ?", (external_id,)).fetchone()
        return found

    def close(self) -> None:
        self._database.close()
