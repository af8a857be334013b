"""JSON Lines feeds: what is read, what is an error, and that good rows go on after bad ones."""

from __future__ import annotations

import json

import pytest

from catalog.feeds import open_feed
from catalog.types import FeedImage, ProductRecord, RowError
from embeddings.crop_box import CropBox

GOOD = b'{"id": "99", "title": "Good", "image": "good.jpg"}'


def items_of(tmp_path, *lines, max_row_bytes=2**20):
    path = tmp_path / "feed.jsonl"
    path.write_bytes(b"\n".join(lines))
    with open_feed(path, max_row_bytes=max_row_bytes) as feed:
        return list(feed)


def test_values_may_be_lists_numbers_and_objects(tmp_path):
    """JSON says with types what the other formats say with separators; the raw row stays serialisable."""
    row = {
        "ID": 7001,
        "Title": "Red dress",
        "category": ["Women", "Dresses"],
        "attributes": {"color": ["Red", "Blue"], "kids": False},
        "image": "a.jpg",
        "additional-images": ["b.jpg", "a.jpg", "c;d.jpg", None],
        "image_box": [1, 2, 30, 40],
        "price": None,
        "weight": 1.5,
        "nested": {"list": [1, "x", None]},
    }
    (product,) = items_of(tmp_path, json.dumps(row).encode())
    assert product.external_id == "7001"
    assert product.category == ("Women", "Dresses")
    assert product.attributes == ("color=blue", "color=red", "kids=false")
    assert product.images == (
        FeedImage("a.jpg", 0, CropBox(1, 2, 30, 40)),
        FeedImage("b.jpg", 1),
        FeedImage("c;d.jpg", 2),
    )
    assert product.price is None
    assert json.loads(json.dumps(product.raw)) == row


def test_texts_are_read_as_in_the_other_formats(tmp_path):
    """A list written as one text is split as in CSV."""
    row = {"id": "1", "title": "T", "image": "a.jpg", "attributes": "lace; maxi", "additional_images": "b.jpg;c.jpg"}
    (product,) = items_of(tmp_path, json.dumps(row).encode())
    assert product.attributes == ("tag=lace", "tag=maxi")
    assert [image.source for image in product.images] == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"[1, 2]", "[1, 2]"),
        (b'"text"', "'text'"),
        (b"null", "None"),
        (b'{"id": "1", ', "broken JSON ("),
        (b'{"id": "1"} {"id": "2"}', "broken JSON (Extra data at character 13"),
        (b"id,title,image", "broken JSON ("),
        (b'{"id": "a\tb"}', "broken JSON (Invalid control character"),
        (b"[" * 100_000, "JSON nested too deeply"),
        (b'{"a":' * 100_000, "JSON nested too deeply"),
        (b'{"id": NaN}', "the constant NaN"),
        (b'{"id": -Infinity}', "the constant -Infinity"),
        (b'{"weight": 1e999}', "the number 1e999"),
        (b'{"id": 1' + b"0" * 5000 + b"}", "a number of thousands of digits"),
        (b'{"id": "1", "id": "2"}', "the name 'id' twice in one object"),
        (b'{"id": "1", "ID": "2"}', "the name id in two spellings"),
        (b'{"x": {"a": 1, "a": 2}}', "the name 'a' twice in one object"),
        (b'{"na\\ud800me": 1}', "half of a surrogate pair in 'na"),
        (b'{"na\\u0000me": 1}', "a NUL character in 'na\\x00me'"),
        (b'{"na\x81me": 1}', "byte 0x81 at byte 5 of line 2, in 'na"),
    ],
)
def test_line_that_is_no_usable_object_is_an_error(tmp_path, line, found):
    """The fault is of the row as a whole; the rows before and after it are read."""
    before, error, after = items_of(tmp_path, GOOD, line, GOOD)
    assert isinstance(error, RowError)
    assert (error.line, error.column) == (2, None)
    assert error.found.startswith(found)
    assert len(error.found) < 300
    assert (before.external_id, after.external_id, after.line) == ("99", "99", 3)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'"\\udce9"', "half of a surrogate pair"),
        (b'"a\\u0000b"', "a NUL character"),
        (b'"caf\x81"', "byte 0x81 at byte 50 of line 1"),
        (b'["x", {"y": "\\ud800"}]', "half of a surrogate pair"),
        (b'[{"\\u0000": 1}]', "a NUL character"),
        (b"[" * 17 + b"]" * 17, "values nested more than 16 deep"),
    ],
)
def test_value_that_no_database_holds_is_an_error_of_its_column(tmp_path, value, found):
    """Unknown columns are stored with the product, so they are checked as well."""
    # What stands before the value is 45 bytes long; in the fourth case, 4 more stand before the byte at fault.
    error, product = items_of(tmp_path, b'{"id": "1", "title": "T", "image": "a", "x": ' + value + b"}", GOOD)
    assert (error.line, error.column) == (1, "x")
    assert error.found.startswith(found)
    assert product.external_id == "99"


def test_nesting_up_to_the_bound_is_kept(tmp_path):
    """Sixteen lists within each other are the most."""
    value = b"[" * 16 + b"]" * 16
    (product,) = items_of(tmp_path, b'{"id": "1", "title": "T", "image": "a", "x": ' + value + b"}")
    assert json.dumps(product.raw["x"]).encode() == value


def test_whole_surrogate_pairs_are_text(tmp_path):
    """JSON may write characters beyond the first 65,536 as two escapes: together they are one character."""
    (product,) = items_of(tmp_path, b'{"id": "1", "title": "\\ud83d\\udc57", "image": "a"}')
    assert product.title == "\N{DRESS}"


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        ({"id": True}, "id", "True"),
        ({"id": 1.5}, "id", "1.5"),
        ({"title": ["T"]}, "title", "['T']"),
        ({"title": ""}, "title", "nothing"),
        ({"price": 49.9}, "price", "49.9"),
        ({"image": {"path": "a"}}, "image", "{'path': 'a'}"),
        ({"additional_images": 5.5}, "additional_images", "5.5"),
        ({"additional_images": ["b", 5.5]}, "additional_images", "5.5"),
    ],
)
def test_value_of_the_wrong_type_is_an_error_of_its_column(tmp_path, row, column, found):
    """What is no text is shown as it stands."""
    items = items_of(tmp_path, json.dumps({"id": "1", "title": "T", "image": "a"} | row).encode())
    assert [(error.column, error.found) for error in items if isinstance(error, RowError)] == [(column, found)]


def test_a_missing_id_is_an_error_of_the_row(tmp_path):
    """Without a header, each row must have its own."""
    (error,) = items_of(tmp_path, b'{"title": "T"}')
    assert (error.column, error.found) == ("id", "nothing")


def test_what_a_row_lacks_or_has_as_null_is_not_given(tmp_path):
    """What is empty is given, as nothing. Without the main image, the additional ones come after it."""
    (product,) = items_of(
        tmp_path,
        b'{"id": 7, "title": null, "link": "", "category": [], "additional_images": ["b"], "image_box": [1, 2, 3, 4]}',
    )
    assert product.given == {"link", "category", "additional_images", "image_box"}
    assert (product.link, product.category, product.title) == (None, (), "")
    assert product.images == (FeedImage("b", 1),)
    assert product.image_box == CropBox(1, 2, 3, 4)


def test_line_beyond_the_bound_is_skipped_and_reported(tmp_path):
    """A longer line is an error with its size."""
    error, product = items_of(tmp_path, b'{"id": "' + b"x" * 5000 + b'"}', GOOD, max_row_bytes=1000)
    # 8 + 5,000 + 2 bytes and the line end.
    assert (error.found, error.expected) == ("a line of 5,011 bytes", "at most 1,000 bytes in a row")
    assert product.external_id == "99"


def test_blank_lines_are_left_out_and_counted(tmp_path):
    """Rows keep the numbers of their lines."""
    (product,) = items_of(tmp_path, b"", b"  ", GOOD, b"")
    assert product.line == 3


def test_unknown_names_are_noted_once_and_in_bounded_number(tmp_path):
    """A feed with new names in each row does not fill memory with them."""
    path = tmp_path / "feed.jsonl"
    rows = [{"id": str(n), "title": "T", "image": "a", f"new {n}": 1, "brand": "b"} for n in range(300)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with open_feed(path) as feed:
        assert feed.notes == ()
        assert sum(isinstance(item, ProductRecord) for item in feed) == 300
        (note,) = feed.notes
    assert note.startswith("Columns kept with the products, to filter by: new 0, brand, new 1, ")
    assert note.endswith(" and 80 more.")
