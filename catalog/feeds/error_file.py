"""Row errors as a table that opens in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from catalog.types import RowError

ERROR_COLUMNS = ("file", "line", "id", "column", "found", "expected", "outcome")

_START = f"{','.join(ERROR_COLUMNS)}\r\n".encode("utf-8-sig")
_LINE_BREAKERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# What makes spreadsheets take a cell for a formula, with the full-width forms that some of them treat alike.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")


class RowErrorWriter:
    """A CSV file that takes one error after the other, and a context manager.

    Excel takes CSV for UTF-8 only behind a byte order mark, so there is one. A cell that a spreadsheet would run as a
    formula starts with an apostrophe: ids come from the feed, and the table is meant to be opened.

    Args:
        feed: What the feed is called in the column ``file``.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, feed: str) -> None:
        self._feed = _inert(feed)
        # A lone surrogate has no UTF-8 form; it is written as its escape.
        self._file = path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(ERROR_COLUMNS)
        # Where it lies in the folder that is the feed, it is known for what it is.
        self._file.flush()

    def write(self, error: RowError) -> None:
        """Add one row."""
        cells = (error.external_id or "", error.column or "", error.found, error.expected, error.outcome)
        self._writer.writerow((self._feed, error.line, *map(_inert, cells)))

    def close(self) -> None:
        """Finish the file. Safe to call twice."""
        self._file.close()

    def __enter__(self) -> RowErrorWriter:
        return self

    def __exit__(
        self, exception_type: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_error_file(path: Path) -> bool:
    """Whether the file is one that ``RowErrorWriter`` has written.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_START)) == _START


def write_errors(path: Path, feed: str, errors: Iterable[RowError]) -> int:
    """Write errors as they come, under ``ERROR_COLUMNS``.

    Returns:
        How many were written.

    Raises:
        OSError: the file cannot be written.
    """
    num_errors = 0
    with RowErrorWriter(path, feed) as writer:
        for error in errors:
            writer.write(error)
            num_errors += 1
    return num_errors


def _inert(text: str) -> str:
    """The text on one line, and never a formula."""
    line = _LINE_BREAKERS.sub(" ", text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA_STARTS) else line
