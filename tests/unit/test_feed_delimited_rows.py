"""CSV and TSV feeds: what is read, what is an error, and that good rows go on after bad ones."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed
from catalog.feeds.delimited_rows import read_delimited_rows
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.lines import LineSource
from catalog.feeds.records import RecordReader
from catalog.types import Availability, FeedImage, Price, ProductRecord, RowError
from embeddings.crop_box import CropBox

HEADER_NAMES = ("id", "title", "image")
HEADER = b"id,title,image\n"


def items_of(tmp_path, data, name="feed.csv", max_row_bytes=2**20):
    path = tmp_path / name
    path.write_bytes(data)
    with open_feed(path, max_row_bytes=max_row_bytes) as feed:
        return list(feed)


def ids_of(items):
    return [item.external_id for item in items if isinstance(item, ProductRecord)]


def errors_of(items):
    return [item for item in items if isinstance(item, RowError)]


def refusal_of(tmp_path, data, name="feed.csv", max_row_bytes=2**20):
    with pytest.raises(FeedUnreadable) as caught:
        items_of(tmp_path, data, name, max_row_bytes)
    return caught.value


def test_row_with_every_column_is_a_product(tmp_path):
    """Each column arrives in its field; the raw row keeps what the feed gave, unknown columns too."""
    data = (
        b"id,title,description,category,attributes,price,availability,link,image,additional_images,"
        b"item_group_id,image_box,brand\n"
        b'sku-1,Red dress,"Lace, maxi",Women > Dresses,color=Red; lace,49.90 EUR,preorder,https://shop.example/1,'
        b'a.jpg,b.jpg;c.jpg;b.jpg;a.jpg,group-9,"1,2,30,40", Acme\n'
    )
    (product,) = items_of(tmp_path, data)
    assert product == ProductRecord(
        line=2,
        external_id="sku-1",
        title="Red dress",
        description="Lace, maxi",
        category=("Women", "Dresses"),
        attributes=("color=red", "tag=lace"),
        price=Price(Decimal("49.90"), "EUR"),
        availability=Availability.PREORDER,
        link="https://shop.example/1",
        item_group="group-9",
        # The repeats of b.jpg and of the main image are dropped; the box belongs to the main image alone.
        images=(FeedImage("a.jpg", 0, CropBox(1, 2, 30, 40)), FeedImage("b.jpg", 1), FeedImage("c.jpg", 2)),
        raw={
            "id": "sku-1",
            "title": "Red dress",
            "description": "Lace, maxi",
            "category": "Women > Dresses",
            "attributes": "color=Red; lace",
            "price": "49.90 EUR",
            "availability": "preorder",
            "link": "https://shop.example/1",
            "image": "a.jpg",
            "additional_images": "b.jpg;c.jpg;b.jpg;a.jpg",
            "item_group_id": "group-9",
            "image_box": "1,2,30,40",
            "brand": "Acme",
        },
        fields=("brand=acme",),
    )


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_line_end_with_and_without_byte_order_mark(tmp_path, line_end, mark):
    """Line ends and the byte order mark make no difference, and line numbers count a line break in a field."""
    lines = [b"id,title,image", b'1,"two', b'lines",a.jpg', b"", b"2,plain,b.jpg"]
    items = items_of(tmp_path, mark + line_end.join(lines))
    # Row 1 starts on line 2 and ends on line 3; line 4 is blank.
    assert [(item.line, item.external_id) for item in items] == [(2, "1"), (5, "2")]
    assert items[0].title == "two lines"


def test_header_alone_is_a_feed_without_products(tmp_path):
    """A merchant may have nothing to sell."""
    assert items_of(tmp_path, HEADER) == []


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_feed_without_text_is_unreadable(tmp_path, data):
    """Nothing at all is no feed: more likely an export that failed."""
    assert "is empty" in str(refusal_of(tmp_path, data))


def test_missing_required_column_lists_found_and_expected(tmp_path):
    """The message has both lists, so that the merchant sees which name to change."""
    error = refusal_of(tmp_path, b"sku,title,picture\n1,Red,a.jpg\n")
    assert "no column id and no column image" in error.message
    assert error.received == "sku, title, picture"
    assert error.expected.startswith("the columns id, title, image; also understood: description, category")


def test_a_feed_without_title_or_image_updates_known_products(tmp_path):
    """What it has no column for is not given; what is empty is given, as nothing. The feed as a whole says so."""
    path = tmp_path / "feed.csv"
    path.write_bytes(b"id,price,link\n7,,\n")
    with open_feed(path) as feed:
        (product,) = feed
        assert product.given == {"price", "link"}
        assert (product.price, product.link, product.title, product.images) == (None, None, "", ())
        assert feed.notes == (
            "The feed has no column title and no column image: "
            "it can update known products only, and bring no new ones.",
        )


def test_a_feed_of_ids_has_nothing_to_update(tmp_path):
    """So it is no feed."""
    assert "no column title and no column image" in refusal_of(tmp_path, b"id,brand\n7,Acme\n").message


def test_repeated_known_column_is_unreadable(tmp_path):
    """Which of two titles is meant cannot be guessed."""
    error = refusal_of(tmp_path, b"id,title,image,Title\n")
    assert "more than one column title" in error.message


def test_repeated_and_nameless_unknown_columns_are_kept_by_position(tmp_path):
    """Spreadsheets leave columns without a name; their values stay in the raw row."""
    (product,) = items_of(tmp_path, b"id,title,image,,brand,brand\n1,Red,a.jpg,x,y,z\n")
    assert dict(product.raw) == {
        "id": "1",
        "title": "Red",
        "image": "a.jpg",
        "column 4": "x",
        "brand": "y",
        "column 6": "z",
    }


def test_positions_as_names_do_not_hide_columns_that_have_such_names(tmp_path):
    """No value of a row is lost, whatever the columns are called."""
    (product,) = items_of(tmp_path, b"id,title,image,column 5,\n1,Red,a.jpg,x,y\n")
    assert dict(product.raw) == {
        "id": "1",
        "title": "Red",
        "image": "a.jpg",
        "column 5": "x",
        "column 5 (unnamed)": "y",
    }


def test_column_names_match_without_case_and_spacing(tmp_path):
    """``Item Group ID`` is ``item_group_id``."""
    (product,) = items_of(tmp_path, b" ID ,TITLE,Image,Item Group-ID\n1,Red,a.jpg,g\n")
    assert product.item_group == "g"


def test_rows_without_text_are_left_out(tmp_path):
    """Blank lines and rows of separators, as spreadsheets append them, are neither products nor errors."""
    assert ids_of(items_of(tmp_path, HEADER + b"\n,,\n , ,\n   \n1,Red,a.jpg\n,,\n")) == ["1"]


@pytest.mark.parametrize(("row", "found"), [(b"7,Red", "2 fields"), (b"7,Red,a.jpg,b", "4 fields"), (b"7", "1 field")])
def test_wrong_number_of_fields_is_an_error_with_the_id(tmp_path, row, found):
    """The row's id is in its first field, which a missing or surplus separator further on cannot have moved."""
    items = items_of(tmp_path, HEADER + row + b"\n8,Blue,b.jpg\n")
    (error,) = errors_of(items)
    assert (error.line, error.column, error.found, error.external_id) == (2, None, found, "7")
    assert error.expected.startswith("3 fields")
    assert ids_of(items) == ["8"]


def test_every_fault_of_a_row_is_reported_with_its_column_and_the_id(tmp_path):
    """One run shows all that must be corrected; the row is counted once."""
    path = tmp_path / "feed.csv"
    path.write_bytes(b"id,title,image,price,availability\n7,,ftp://x/a.jpg,5 EURO,maybe\n8,Blue,b.jpg,,\n")
    with open_feed(path) as feed:
        items = list(feed)
        assert (feed.num_rows, feed.num_failed_rows) == (2, 1)
    errors = errors_of(items)
    assert [error.column for error in errors] == ["title", "price", "availability", "image"]
    assert {(error.line, error.external_id) for error in errors} == {(2, "7")}
    assert str(errors[0]) == "line 2, column title: found nothing; expected a title; row skipped"
    assert ids_of(items) == ["8"]


def test_bad_additional_image_costs_only_itself(tmp_path):
    """The product is taken with its other images, after the error."""
    data = b"id,title,image,additional_images\n7,Red,a.jpg,b.jpg;file:///c.jpg;d.jpg\n"
    error, product = items_of(tmp_path, data)
    assert (error.column, error.found) == ("additional_images", "an address with file: 'file:///c.jpg'")
    assert [(image.source, image.position) for image in product.images] == [("a.jpg", 0), ("b.jpg", 1), ("d.jpg", 2)]


def test_bytes_that_are_not_utf8_are_reported_with_line_column_and_byte(tmp_path):
    """Latin-1's é is the byte E9; it stands behind ``2,Caf``, at byte 6 of line 3. The é of line 2 is UTF-8."""
    items = items_of(tmp_path, HEADER + b"1,R\xc3\xa9d,a.jpg\n2,Caf\xe9 dress,b.jpg\n3,Blue,c.jpg\n")
    (error,) = errors_of(items)
    assert (error.line, error.column, error.external_id) == (3, "title", None)
    assert error.found == "byte 0xE9 at byte 6 of line 3, in 'Caf\N{REPLACEMENT CHARACTER} dress'"
    assert error.expected == "text encoded as UTF-8"
    assert ids_of(items) == ["1", "3"]


def test_bad_byte_in_a_later_line_of_a_row_names_that_line(tmp_path):
    """The row starts on line 2, the byte stands on line 3."""
    (error,) = items_of(tmp_path, HEADER + b'1,"R\xc3\xa9d\ndr\xffess",a.jpg\n')
    assert error.line == 2
    assert error.found.startswith("byte 0xFF at byte 3 of line 3")


def test_nul_is_an_error_of_its_row(tmp_path):
    """PostgreSQL's text holds no NUL."""
    items = items_of(tmp_path, HEADER + b"1,R\x00d,a.jpg\n2,Blue,b.jpg\n")
    assert [(error.column, error.found) for error in errors_of(items)] == [("title", "a NUL character in 'R\\x00d'")]
    assert ids_of(items) == ["2"]


def test_header_that_is_not_utf8_or_no_text_is_unreadable(tmp_path):
    """Names of columns that cannot be read make the feed unreadable, with the byte at fault."""
    assert refusal_of(tmp_path, b"id,title,image,caf\x81\n").received == "byte 0x81 at byte 19 of line 1"
    assert "NUL" in refusal_of(tmp_path, b"id,title,image,\x00\n").received


def test_line_beyond_the_bound_is_skipped_and_reported(tmp_path):
    """A 50 MB line is one error with its size; the rows after it are read."""
    num_bytes = 50_000_000
    path = tmp_path / "feed.csv"
    with path.open("wb") as file:
        file.write(HEADER + b"1,Red,a.jpg\n2,")
        for _ in range(num_bytes // 1_000_000):
            file.write(b'x"' * 500_000)
        file.write(b",b.jpg\n3,Blue,c.jpg\n")
    with open_feed(path) as feed:
        items = list(feed)
    (error,) = errors_of(items)
    # "2," + 50,000,000 + ",b.jpg" + the line end = 2 + 50,000,000 + 6 + 1.
    assert error.line == 3
    assert error.found.startswith("a line of 50,000,009 bytes, in a row that starts '2,x\"x")
    assert error.expected == "at most 1,048,576 bytes in a row"
    assert ids_of(items) == ["1", "3"]


def test_quote_not_closed_costs_one_row_when_later_rows_have_quotes(tmp_path):
    """The next quotation mark closes the field in the wrong place, which strict quoting notices."""
    items = items_of(tmp_path, HEADER + b'1,"Red,a.jpg\n2,"Blue",b.jpg\n3,Green,c.jpg\n')
    (error,) = errors_of(items)
    assert error.line == 2
    assert error.found.startswith("text after a closing quotation mark, in a row that starts '1,\"Red,a.jpg'")
    assert error.found.endswith("reading resumed at line 3")
    assert ids_of(items) == ["2", "3"]


def test_quote_not_closed_until_the_end_costs_one_row(tmp_path):
    """Reading goes back to the first line that is a whole row by itself."""
    rows = b"".join(b"%d,Dress,%d.jpg\n" % (number, number) for number in range(2, 102))
    items = items_of(tmp_path, HEADER + b'1,"Red,a.jpg\n' + rows)
    (error,) = errors_of(items)
    assert (error.line, "has not ended at the end of the feed" in error.found) == (2, True)
    assert ids_of(items) == [str(number) for number in range(2, 102)]


def test_quote_not_closed_within_the_bound_costs_one_row(tmp_path):
    """With rows of 10 to 14 bytes and a bound of 1,000, the fault is noticed after some 80 rows, none of them lost."""
    rows = b"".join(b"%d,D,%d.jpg\n" % (number, number) for number in range(2, 500))
    items = items_of(tmp_path, HEADER + b'1,"Red,a.jpg\n' + rows, max_row_bytes=1000)
    (error,) = errors_of(items)
    assert (error.line, "has not ended after" in error.found) == (2, True)
    assert ids_of(items) == [str(number) for number in range(2, 500)]


def test_quote_that_joins_rows_into_one_of_wrong_length_costs_one_row(tmp_path):
    """Two stray marks make one well-quoted record of three rows; the rows in it that are whole are found again."""
    # Record: 1 | Red,a.jpg⏎2,Blue,b.jpg⏎3, | (a mark, the end of line 4) = 2 fields instead of 3.
    items = items_of(tmp_path, HEADER + b'1,"Red,a.jpg\n2,Blue,b.jpg\n3,"\n4,Green,d.jpg\n')
    assert ids_of(items) == ["2", "4"]
    assert [(error.line, error.found) for error in errors_of(items)] == [
        (2, "2 fields; reading resumed at line 3"),
        (
            4,
            "a quoted field that has not ended at the end of the feed, in a row that starts '3,\"'; "
            "reading resumed at line 5",
        ),
    ]


def test_field_longer_than_the_csv_module_takes_is_an_error_of_its_row(tmp_path):
    """The csv module's own bound is a setting of the whole process, which reading a feed leaves alone."""
    limit = csv.field_size_limit()
    items = items_of(tmp_path, HEADER + b"1," + b"x" * (limit + 1) + b",a.jpg\n2,Blue,b.jpg\n")
    (error,) = errors_of(items)
    assert error.found.startswith(f"a field of more than {limit:,} characters")
    assert ids_of(items) == ["2"]
    assert csv.field_size_limit() == limit


def test_marks_within_a_plain_field_are_text(tmp_path):
    """Only a mark at a field's start quotes it: 12" is a size."""
    (product,) = items_of(tmp_path, HEADER + b'1,12" ruler,a.jpg\n')
    assert product.title == '12" ruler'


def test_space_before_a_quoted_field_is_ignored(tmp_path):
    """Feeds written by hand have a space behind the separator."""
    (product,) = items_of(tmp_path, HEADER + b'1, "Red, long", a.jpg\n')
    assert (product.title, product.images[0].source) == ("Red, long", "a.jpg")


class CountingSource(LineSource):
    """Counts the bytes of all lines handed out, those put back and taken again included."""

    num_bytes_handed_out = 0

    def __next__(self):
        line = super().__next__()
        self.num_bytes_handed_out += line.size
        return line


def test_going_back_again_and_again_stays_within_a_multiple_of_the_feed():
    """Rows made to be unclosed at every second line do not make reading quadratic.

    Each odd line closes the quotation that the one before it opened and opens another, so that a record starting at
    any of them never ends; the even lines are whole rows to which reading goes back.
    """
    data = b'x","\n1,Blue,b.jpg\n' * 40_000
    source = CountingSource(io.BytesIO(data), 2**20)
    rows = list(read_delimited_rows(RecordReader(source, ",", 2**20), HEADER_NAMES, id_comes_first=True))
    # Unbounded, each of 40,000 records would take half of the 720,000 bytes on average: 14 GB.
    assert source.num_bytes_handed_out <= 5 * len(data) + 8 * 2**20
    assert sum(isinstance(row, FeedRow) for row in rows) > 0
