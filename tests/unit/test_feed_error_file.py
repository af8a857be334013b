"""The table of row errors: streamed, readable in a spreadsheet, and inert there."""

from __future__ import annotations

import csv

import pytest

from catalog.feeds import RowErrorWriter, write_errors
from catalog.types import RowError


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_errors_become_rows_under_their_columns(tmp_path):
    """Unknown ids and columns are empty cells; the count comes back."""
    errors = [RowError(7, "price", "'5, EURO'", "a code", "sku-1"), RowError(9, None, "2 fields", "3 fields")]
    assert write_errors(tmp_path / "errors.csv", "feed.csv", iter(errors)) == 2
    assert rows_of(tmp_path / "errors.csv") == [
        ["file", "line", "id", "column", "found", "expected", "outcome"],
        ["feed.csv", "7", "sku-1", "price", "'5, EURO'", "a code", "row skipped"],
        ["feed.csv", "9", "", "", "2 fields", "3 fields", "row skipped"],
    ]


def test_no_errors_leave_the_header(tmp_path):
    """The file says that there were none."""
    assert write_errors(tmp_path / "errors.csv", "feed.csv", []) == 0
    assert rows_of(tmp_path / "errors.csv") == [["file", "line", "id", "column", "found", "expected", "outcome"]]


def test_file_starts_with_the_mark_by_which_excel_knows_utf8(tmp_path):
    """Without it, Excel shows é as Ã©."""
    write_errors(tmp_path / "errors.csv", "feed.csv", [RowError(1, "title", "é", "e")])
    assert (tmp_path / "errors.csv").read_bytes().startswith(b"\xef\xbb\xbffile,")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "\r\n=", "＝", "＋", "－", "＠"])
def test_cells_that_would_run_as_formulas_are_made_text(tmp_path, start):
    """Ids and names of columns come from the feed; an apostrophe makes a spreadsheet show them as they are."""
    text = start + "HYPERLINK(A1)"
    write_errors(tmp_path / "errors.csv", text, [RowError(1, text, text, text, text)])
    feed, line, *cells, outcome = rows_of(tmp_path / "errors.csv")[1]
    assert (line, outcome) == ("1", "row skipped")
    for cell in (feed, *cells):
        assert cell.startswith("'")
        assert cell.endswith("HYPERLINK(A1)")


def test_every_error_is_one_line_of_text(tmp_path):
    """Line ends in an id become spaces, half surrogate pairs their escapes: line-based tools can read the file."""
    write_errors(tmp_path / "errors.csv", "feed.csv", [RowError(1, None, "a\nb\u2028c\x00d", "\ud800", "x\ry")])
    assert rows_of(tmp_path / "errors.csv")[1] == ["feed.csv", "1", "x y", "", "a b c d", "\\ud800", "row skipped"]
    assert len((tmp_path / "errors.csv").read_bytes().splitlines()) == 2


def test_writer_takes_errors_as_they_come(tmp_path):
    """An ingest that fails half-way leaves the errors up to there."""

    def fail_half_way():
        with RowErrorWriter(tmp_path / "errors.csv", "feed.csv") as writer:
            writer.write(RowError(1, None, "a", "b"))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail_half_way()
    assert len(rows_of(tmp_path / "errors.csv")) == 2
