"""The check of a feed: what it counts, how it groups faults, and which columns it names."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed
from catalog.services.ingesting.feed_check import Fault, check_feed
from catalog.services.ingesting.source_images import ImageFiles
from catalog.types import Outcome


@pytest.fixture
def check(tmp_path):
    """Checks a feed of these lines beside red.png; its report and its errors."""
    Image.new("RGB", (20, 30), "red").save(tmp_path / "red.png")

    def run(*lines, name="feed.csv", advance=lambda done, total: None):
        path = tmp_path / name
        path.write_text("\n".join(lines))
        errors = []
        files = ImageFiles(tmp_path, allow_absolute=False, max_pixels=10_000, max_bytes=10_000)
        with open_feed(path) as reader:
            return check_feed(reader, files, read_threads=2, on_error=errors.append, advance=advance), errors

    return run


def test_good_feed_has_no_faults(check):
    """Every row a product, every image there."""
    report, errors = check("id,title,image", "1,Red,red.png", "2,Rouge,red.png")
    assert (report.num_rows, report.num_products, report.num_images, report.faults) == (2, 2, 2, ())
    assert report.is_good
    assert errors == []


def test_faults_are_grouped_by_column_and_kind(check):
    """The most frequent first, with the first three lines of each and what the first was."""
    report, errors = check("id,title,image", *(f"{n},,red.png" for n in range(5)), "5,Red", "1,Red,red.png")
    assert report.faults[0] == Fault("title", Outcome.ROW_SKIPPED, "a title", "nothing", 5, [2, 3, 4])
    assert {(fault.column, fault.num_errors, *fault.lines) for fault in report.faults[1:]} == {
        (None, 1, 7),
        ("id", 1, 8),
    }
    assert (report.num_rows, report.num_products, report.num_failed_rows, len(errors)) == (7, 0, 7, 7)


def test_image_at_fault_leaves_its_product(check):
    """Missing and refused files are missing, what is no image is unreadable; both are no failed rows.

    Images by address are counted, and not looked at.
    """
    line = "1,Red,gone.png,../x.png;red.png;feed.csv;ftp://x/y;http://x/y;https://x/z"
    report, errors = check("id,title,image,additional_images", line)
    assert (report.num_products, report.num_images) == (1, 6)
    assert (report.num_missing_images, report.num_unreadable_images, report.num_images_by_address) == (2, 1, 2)
    assert len(errors) == 4
    assert not report.is_good


def test_columns_of_json_lines_are_those_of_any_row(check):
    """Rows name their values themselves, in any spelling."""
    rows = [{"id": 1, "title": "Red", "image": "red.png", "brand": "x"}, {"ID": 2, "Title": "R", "image": "red.png",
            "price": "1 EUR"}]  # fmt: skip
    report, _ = check(*map(json.dumps, rows), name="feed.jsonl")
    assert report.used_columns == ("id", "title", "price", "image")
    assert report.unused_columns == ("brand",)


def test_what_is_no_feed_is_unreadable(check):
    """As for an ingest."""
    with pytest.raises(FeedUnreadable):
        check("Dear customer,")


def test_progress_goes_on_while_products_wait_for_their_last_row(check):
    """Rows of one product may stand anywhere in a Google feed, so its products come after the last row."""
    told = []
    rows = [f"{n},T,red.png,{n % 2000}," + "x" * 60 for n in range(4000)]
    report, _ = check("id,title,image_link,item_group_id,mpn", *rows, advance=lambda done, total: told.append(done))
    assert report.num_products == 2000
    # Every 1,000 rows, and then for every 200 of what comes of them.
    assert told == sorted(told)
    assert len(told) == 4 + 10
    assert len({*told[:4]}) == 4
    assert told[-1] == told[4]
