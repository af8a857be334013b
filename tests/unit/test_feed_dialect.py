"""Which kind of feed a file is taken for."""

from __future__ import annotations

import gzip

import pytest

from catalog.errors import FeedUnreadable
from catalog.feeds import FeedFormat, FeedLayout, open_feed
from catalog.types import ProductRecord

CSV = FeedLayout(FeedFormat.CSV, ",")
SEMICOLON = FeedLayout(FeedFormat.CSV, ";")
TSV = FeedLayout(FeedFormat.TSV, "\t")
JSONL = FeedLayout(FeedFormat.JSONL, None)

COMMAS = b"id,title,image\n1,Red; long,a.jpg\n"
SEMICOLONS = b"id;title;image\n1;Red, long;a.jpg\n"
TABS = b"id\ttitle\timage\n1\tRed, long\ta.jpg\n"
OBJECTS = b'{"id": 1, "title": "Red, long", "image": "a.jpg"}\n'


def open_bytes(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return open_feed(path)


@pytest.mark.parametrize("name", ["feed.csv", "feed.tsv", "feed.jsonl", "feed.txt", "feed"])
@pytest.mark.parametrize(
    ("data", "dialect"),
    [(COMMAS, CSV), (SEMICOLONS, SEMICOLON), (TABS, TSV), (OBJECTS, JSONL), (b"\n" + OBJECTS, JSONL)],
)
def test_content_decides_whatever_the_name(tmp_path, name, data, dialect):
    """The first line with text tells the dialect, and its product is read."""
    with open_bytes(tmp_path, name, data) as feed:
        assert feed.layout == dialect
        (product,) = feed
    assert isinstance(product, ProductRecord)
    assert product.external_id == "1"


def test_name_that_promises_another_format_is_noted(tmp_path):
    """The user is told what the feed was taken for; a fitting name needs no note."""
    with open_bytes(tmp_path, "feed.csv", TABS) as feed:
        assert feed.notes == ("The feed is named as CSV and was read as TSV.",)
    with open_bytes(tmp_path, "feed.JSONL", SEMICOLONS) as feed:
        assert feed.notes == ("The feed is named as JSONL and was read as CSV separated by ';'.",)
    with open_bytes(tmp_path, "feed.csv", SEMICOLONS) as feed:
        assert feed.notes == ()


def test_separator_is_the_one_that_names_most_columns(tmp_path):
    """A header may hold the other separators in the names of unknown columns."""
    with open_bytes(tmp_path, "feed.csv", b'id\ttitle\timage\t"colour, size; fit"\n') as feed:
        assert feed.layout == TSV
        assert feed.columns == ("id", "title", "image", "colour, size; fit")


def test_header_with_a_line_break_in_a_name(tmp_path):
    """Spreadsheets break long names; the first row then starts on line 3."""
    with open_bytes(tmp_path, "feed.csv", b'id,title,image,"brand\nname"\n1,Red,a.jpg,Acme\n') as feed:
        (product,) = feed
    assert product.line == 3
    assert product.raw["brand\nname"] == "Acme"


def test_json_lines_by_name_with_a_broken_first_line_is_json_lines(tmp_path):
    """What is no header in any dialect is a broken row, and good rows go on."""
    with open_bytes(tmp_path, "feed.jsonl", b'"id": 7}\n' + OBJECTS) as feed:
        assert feed.layout == JSONL
        error, product = feed
    assert error.line == 1
    assert product.external_id == "1"


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"PK\x03\x04\x14\x00", "a ZIP archive that is damaged or not complete"),
        (gzip.compress(gzip.compress(COMMAS, mtime=0), mtime=0), "an archive within an archive"),
        (b"feed.csv" + bytes(249) + b"ustar  \x00" + COMMAS, "a tar archive"),
        (COMMAS.decode().encode("utf-32"), "UTF-32 text"),
        (COMMAS.decode().encode("utf-16-le"), "NUL bytes in its first line"),
        (b'[\n{"id": 1}\n]\n', "a first line that starts with '['"),
        (b'[{"id": 1}]', "a first line that starts with '['"),
        (b"Dear customer,\n", "Dear customer"),
        (b'id,title,"image\n1,Red,a.jpg\n', "a quoted field that has not ended at the end of the feed"),
        (b"id,title,image," + b"x" * 2**20, "a line of 1,048,591 bytes"),
        (b"id,title,image" + b",x" * 1000, "1,003 columns"),
    ],
)
def test_what_is_no_feed_is_unreadable_with_what_it_is(tmp_path, data, received):
    """The message says what the file is instead."""
    with pytest.raises(FeedUnreadable) as caught:
        open_bytes(tmp_path, "feed.csv", data)
    assert caught.value.received.startswith(received)
    assert "feed.csv" in caught.value.message
