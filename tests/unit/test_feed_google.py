"""Google Merchant Center feeds of separated fields: what their rows become."""

from __future__ import annotations

import contextlib
import datetime
import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import ReadingOptions, open_feed
from catalog.feeds.dialects import google_product
from catalog.feeds.dialects.google_product import external_id_of
from catalog.feeds.values import MAX_ID_LENGTH
from catalog.types import EVERY_FIELD, Availability, DialectName, Outcome, Price, ProductField, ProductRecord, RowError
from tests.unit.test_feed_laws import assert_storable

FIXTURE = Path(__file__).parents[1] / "fixtures" / "feeds" / "google.tsv"
DURING_SALE = datetime.datetime(2026, 11, 15, tzinfo=datetime.UTC)
AFTER_SALE = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)


def read(path, **options):
    """Products by id, errors, and the reader."""
    with open_feed(path, ReadingOptions(**options)) as feed:
        items = list(feed)
    products = {item.external_id: item for item in items if isinstance(item, ProductRecord)}
    return products, [item for item in items if isinstance(item, RowError)], feed


def rows_of(tmp_path, *rows, name="feed.csv", **options):
    """A CSV feed of rows given as dicts, which need not have the required fields."""
    required = {"id": "1", "title": "T", "image_link": "https://i.example/1.jpg"}
    whole = [required | row for row in rows]
    names = list(dict.fromkeys(field for row in whole for field in row))
    lines = [names, *([row.get(field, "") for field in names] for row in whole)]
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in line) for line in lines]
    path = tmp_path / name
    path.write_text("\n".join(quoted) + "\n")
    return read(path, **options)


def only(products):
    (product,) = products.values()
    return product


def test_a_feed_with_sizes_out_of_order():
    """Sizes of one colour are one product, wherever their rows stand; rows without a group are one each."""
    products, errors, feed = read(FIXTURE, now=DURING_SALE)
    assert feed.dialect.name == DialectName.GOOGLE
    assert feed.read_as == "a Google Merchant Center feed (TSV in UTF-8)"
    assert list(products) == ["H9", "K1/marine+weiss", "K1/rot"]
    assert (feed.num_rows, feed.num_failed_rows, feed.num_products) == (6, 1, 3)
    assert feed.unused_columns == ("shipping",)
    blue = products["K1/marine+weiss"]
    assert (blue.line, blue.item_group, blue.title) == (2, "K1", "Wickelkleid")
    assert blue.description == "Weich & fließend.\nLänge: 110 cm"
    assert blue.category == ("Damen", "Kleider", "Wickelkleider")
    # M is out of stock, XL has no image; 89.90 of S is less than 94.90 of L.
    assert blue.attributes == (
        "age_group=adult", "ausschnitt=v-ausschnitt, tief", "brand=müller & söhne", "color=marine", "color=weiss",
        "condition=new", "custom-label-0=herbst", "gender=female", "material=elasthan", "material=viskose",
        "size=l", "size=s", "wäsche=30 grad",
    )  # fmt: skip
    assert blue.fields == ("custom_label_0=herbst",)
    assert blue.price == Price(Decimal("89.90"), "EUR")
    assert blue.availability == Availability.IN_STOCK
    assert blue.link == "https://shop.example/k1?farbe=marine,blau"
    assert [image.source for image in blue.images] == [
        "https://img.example/k1,w_900.jpg",
        "https://img.example/k1-l.jpg",
        "https://img.example/k1,back.jpg",
        "https://img.example/k1,side.jpg",
    ]
    assert [variant["id"] for variant in blue.raw["variants"]] == ["K1-S", "K1-M", "K1-L"]
    assert blue.raw["google product category"] == "2271"
    assert blue.raw["variants"][0]["shipping"] == "DE:::4.90 EUR"
    (failed,) = [error for error in errors if error.outcome is Outcome.ROW_SKIPPED]
    assert (failed.line, failed.column, failed.external_id, failed.first_line) == (7, "image_link", blue.external_id, 2)
    assert failed.product_line == blue.line


def test_each_mended_value_is_told():
    """Prices with comma decimals are taken, one without a currency is not, and what a spreadsheet spoiled is told."""
    products, errors, _ = read(FIXTURE, now=DURING_SALE)
    mended = [(error.line, error.column, error.found) for error in errors if error.outcome is Outcome.MENDED]
    assert mended == [
        (3, "price", "'1.049,00 EUR', taken as 1049.00 EUR"),
        (3, "availability", "'available for order', taken as in_stock"),
        (3, "gtin", "'4.00638E+12', kept as it is"),
        (2, "price", "'89,90 EUR', taken as 89.90 EUR"),
        (4, "price", "'89,90 EUR', taken as 89.90 EUR"),
        (6, "price", "'94,90 EUR', taken as 94.90 EUR"),
        (7, "price", "'94,90 EUR', taken as 94.90 EUR"),
        (5, "price", "'79.90', left out"),
    ]
    assert products["K1/rot"].price is None
    assert "--currency" in next(error for error in errors if error.line == 5).expected
    assert read(FIXTURE, now=DURING_SALE, currency="CHF")[0]["K1/rot"].price == Price(Decimal("79.90"), "CHF")


def test_sale_price_counts_while_it_is_in_effect(tmp_path):
    """From its start to its end; without dates always; with dates that nobody can read never."""
    assert read(FIXTURE, now=DURING_SALE)[0]["H9"].price == Price(Decimal("999.00"), "EUR")
    assert read(FIXTURE, now=AFTER_SALE)[0]["H9"].price == Price(Decimal("1049.00"), "EUR")
    sale = {"price": "10 EUR", "sale_price": "8 EUR"}

    def amount(dates, now=DURING_SALE):
        return only(rows_of(tmp_path, sale | {"sale_price_effective_date": dates}, now=now)[0]).price.amount

    assert amount("") == 8
    assert amount("2026-11-01/2026-11-15") == 8
    # An end without a time is the end of its day.
    assert amount("2026-11-01/2026-11-15", DURING_SALE + datetime.timedelta(hours=23)) == 8
    assert amount("2026-11-01/2026-11-15", DURING_SALE + datetime.timedelta(hours=24)) == 10
    assert amount("2026-11-01T00:00-0800 / 2026-11-15T00:00-0800") == 8
    assert amount("2026-11-16/2026-11-30") == 10
    assert amount("November") == 10
    assert amount("2026-11-30/2026-11-01") == 10


@pytest.mark.parametrize("header", ["id,title,image_link", "ID,g:title,Image Link", "g:id,Title,image-link"])
def test_names_in_any_spelling(tmp_path, header):
    """Underscores, spaces, case and the prefix g: make no difference."""
    path = tmp_path / "feed.csv"
    path.write_text(f"{header}\n1,T,https://i.example/1.jpg\n")
    products, errors, feed = read(path)
    assert feed.dialect.name == DialectName.GOOGLE
    assert list(products) == ["1"]
    assert errors == []
    assert feed.used_columns == ("id", "title", "image_link")


def test_repeated_and_numbered_columns_of_images(tmp_path):
    """Of additional images there may be several columns."""
    path = tmp_path / "feed.csv"
    path.write_text(
        "id,title,image_link,additional_image_link,additional_image_link,additional_image_link_3\n"
        "1,T,https://i.example/1.jpg,https://i.example/2.jpg,https://i.example/3.jpg,https://i.example/4.jpg\n"
    )
    product = only(read(path)[0])
    assert [image.source[-5] for image in product.images] == list("1234")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://i.example/a,b.jpg", ["https://i.example/a,b.jpg"]),
        ("https://i.example/a.jpg,https://i.example/b,c.jpg", ["https://i.example/a.jpg", "https://i.example/b,c.jpg"]),
        ('"https://i.example/a,1.jpg", "https://i.example/b.jpg"',
         ["https://i.example/a,1.jpg", "https://i.example/b.jpg"]),
        ("https://i.example/a.jpg , HTTP://i.example/b.jpg,", ["https://i.example/a.jpg", "HTTP://i.example/b.jpg"]),
    ],
)  # fmt: skip
def test_commas_in_addresses_of_images(tmp_path, text, expected):
    """A comma separates two addresses only where the next one starts right after it."""
    product = only(rows_of(tmp_path, {"additional_image_link": text})[0])
    assert [image.source for image in product.images[1:]] == expected


def test_missing_columns_are_told_by_googles_names(tmp_path):
    """Not by those of Drape's own columns."""
    path = tmp_path / "feed.tsv"
    path.write_text("id\ttitle\tlink\tprice\tgtin\n1\tT\thttps://s.example\t1 EUR\t1\n")
    with pytest.raises(FeedUnreadable) as caught:
        read(path)
    assert "no column image_link" in caught.value.message
    path.write_text("id\ttitle\timage_link\tg:id\n")
    with pytest.raises(FeedUnreadable, match="more than one column id"):
        read(path)
    path.write_text("id\ttitle\timage\n")
    with pytest.raises(FeedUnreadable) as caught:
        read(path, dialect=DialectName.GOOGLE)
    assert "no column image_link" in caught.value.message


@pytest.mark.parametrize(
    ("word", "meant", "is_mended"),
    [
        ("", Availability.IN_STOCK, False),
        ("In Stock", Availability.IN_STOCK, False),
        ("out-of-stock", Availability.OUT_OF_STOCK, False),
        ("back order", Availability.BACKORDER, False),
        ("pre-order", Availability.PREORDER, False),
        ("available for order", Availability.IN_STOCK, True),
        ("https://schema.org/OutOfStock", Availability.OUT_OF_STOCK, True),
        ("Discontinued", Availability.OUT_OF_STOCK, True),
        ("vielleicht", Availability.IN_STOCK, True),
    ],
)
def test_words_of_availability(tmp_path, word, meant, is_mended):
    """Google's with spaces and in any case as they stand, older and foreign ones mended."""
    products, errors, _ = rows_of(tmp_path, {"availability": word})
    assert only(products).availability == meant
    assert [error.outcome for error in errors] == [Outcome.MENDED] * is_mended


def test_category_is_the_shops_own_path_else_googles(tmp_path):
    """A number of Google's is no category."""
    google = {"google_product_category": "Apparel &amp; Accessories &gt; Shoes"}
    assert only(rows_of(tmp_path, google)[0]).category == ("Apparel & Accessories", "Shoes")
    assert only(rows_of(tmp_path, google | {"product_type": "Schuhe > Stiefel"})[0]).category == ("Schuhe", "Stiefel")
    number = only(rows_of(tmp_path, {"google_product_category": "187"})[0])
    assert number.category == ()
    assert number.raw["google_product_category"] == "187"


def test_bad_optional_values_cost_only_themselves(tmp_path):
    """The product is there without them, and each is told."""
    row = {
        "link": "shop.example", "additional_image_link": "ftp://i.example/2.jpg", "price": "free", "brand": "b" * 300,
        "item_group_id": "a\tb", "availability_date": "soon", "product_detail": "Neckline",
    }  # fmt: skip
    products, errors, _ = rows_of(tmp_path, row)
    product = only(products)
    assert (product.external_id, product.link, product.price, product.attributes) == ("1", None, None, ())
    assert len(product.images) == 1
    assert {error.column: error.outcome for error in errors} == dict.fromkeys(row, Outcome.MENDED) | {
        "additional_image_link": Outcome.IMAGE_LEFT_OUT
    }


def test_leading_zeros_stay_and_longer_texts_than_googles_are_counted(tmp_path):
    """What Google would cut or refuse is taken whole, with one note."""
    long = {"title": "T" * 151, "gtin": "0400638123457", "color": "a/b/c/d"}
    products, errors, feed = rows_of(tmp_path, long, long | {"id": "2"})
    assert errors == []
    assert products["1"].title == "T" * 151
    assert products["1"].raw["gtin"] == "0400638123457"
    assert feed.notes == (
        "Taken whole, though Google would not: 2 times title of more than 150 characters.",
        "Taken whole, though Google would not: 2 times more than 3 colors.",
    )


def test_group_beside_a_row_that_is_named_like_it(tmp_path):
    """Many shops list the item itself beside its variants: two products, no repeated id."""
    products, errors, _ = rows_of(
        tmp_path, {"id": "AB"}, {"id": "AB-S", "item_group_id": "AB"}, {"id": "AB-M", "item_group_id": "AB"}
    )
    assert list(products) == ["AB", "AB/"]
    assert errors == []


def test_colours_are_one_whatever_their_case_but_not_their_order(tmp_path):
    """The first colour of several is the main one."""
    colors = ["Red/White", "red / white", "RED/WHITE", "White/Red", ""]
    rows = [{"id": str(n), "item_group_id": "G", "color": color} for n, color in enumerate(colors)]
    products, _, _ = rows_of(tmp_path, *rows)
    assert list(products) == ["G/red+white", "G/white+red", "G/"]
    assert len(products["G/red+white"].raw["variants"]) == 3


def test_long_ids_of_groups_stay_distinct_and_within_bounds():
    """A digest takes the place of what is too long; it depends on nothing but group and colour."""
    first, second = external_id_of("g" * 250, "dark red"), external_id_of("g" * 250, "dark blue")
    assert first != second
    assert first == external_id_of("g" * 250, "dark red")
    assert len(first) == MAX_ID_LENGTH
    # The last slash ends the group: no other group and colour have these ids.
    assert external_id_of("A/b", "c") != external_id_of("A", "b+c")


def test_a_row_that_repeats_an_id_within_its_group(tmp_path):
    """The second is left out, and told with the line of the first."""
    rows = [{"id": "1", "item_group_id": "G"}, {"id": "1", "item_group_id": "G"}]
    _, (error,), feed = rows_of(tmp_path, *rows)
    assert error.found == "1, as on line 2"
    assert (error.line, error.external_id, error.first_line) == (3, "G/", 2)
    assert (feed.num_rows, feed.num_failed_rows, feed.num_products) == (2, 1, 1)


def test_group_of_far_too_many_rows(tmp_path, monkeypatch):
    """A feed that gives all rows one group must not fill the memory: what is too much is told, row by row."""
    monkeypatch.setattr(google_product, "MAX_VARIANTS", 3)
    rows = [{"id": str(n), "item_group_id": "all"} for n in range(5)]
    products, errors, feed = rows_of(tmp_path, *rows)
    assert len(only(products).raw["variants"]) == 3
    assert [error.line for error in errors] == [5, 6]
    assert {error.found for error in errors} == {"more than 3 rows of one group and colour"}
    assert feed.num_failed_rows == 2
    monkeypatch.setattr(google_product, "MAX_CHARACTERS", 60)
    _, errors, _ = rows_of(tmp_path, *rows)
    assert [error.line for error in errors] == [4, 5, 6]


def test_images_of_all_variants_are_at_most_a_hundred(tmp_path):
    """The main ones come first."""
    rows = [{"id": str(n), "item_group_id": "G", "image_link": f"https://i.example/{n}.jpg"} for n in range(101)]
    products, (error,), _ = rows_of(tmp_path, *rows)
    assert len(only(products).images) == 100
    assert (error.outcome, error.found) == (Outcome.IMAGE_LEFT_OUT, "101 images of the variants together")


@pytest.mark.parametrize(
    ("titles", "sizes", "expected"),
    [
        (["Dress S", "Dress M"], ["S", "M"], "Dress"),
        (["Dress, size 36", "Dress, size 38"], ["36", "38"], "Dress"),
        (["Dress (S)", "Dress (M)"], ["S", "M"], "Dress"),
        (["Dress", "Dress M"], ["S", "M"], "Dress"),
        (["Dress", "Dress"], ["s", "s"], "Dress"),
        (["Short dress S", "Long dress M"], ["S", "M"], "Short dress S"),
        (["Jeans", "Trousers"], ["S", "S"], "Jeans"),
        (["S", "M"], ["S", "M"], "S"),
    ],
)
def test_size_at_the_end_of_titles(tmp_path, titles, sizes, expected):
    """It goes where the titles are one without it; else the first title stays."""
    rows = [
        {"id": str(n), "item_group_id": "G", "title": title, "size": size}
        for n, (title, size) in enumerate(zip(titles, sizes, strict=True))
    ]
    assert only(rows_of(tmp_path, *rows)[0]).title == expected


def test_rows_of_a_group_that_all_fail(tmp_path):
    """No product, but errors that name it: it is still in the feed."""
    rows = [{"id": str(n), "item_group_id": "G", "image_link": ""} for n in range(2)]
    products, errors, feed = rows_of(tmp_path, *rows)
    assert products == {}
    assert [(error.line, error.external_id, error.product_line) for error in errors] == [(2, "G/", 2), (3, "G/", 2)]
    assert feed.num_failed_rows == 2


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_product(tmp_path_factory, shuffler: random.Random):
    """Whichever row comes first, the same products come with the same attributes, prices and images."""
    header, *rows = FIXTURE.read_text().splitlines()
    shuffler.shuffle(rows)
    path = tmp_path_factory.mktemp("feed") / "feed.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")

    def facts(products):
        return {
            key: (product.attributes, product.price, product.availability, {image.source for image in product.images})
            for key, product in products.items()
        }

    assert facts(read(path, now=DURING_SALE)[0]) == facts(read(FIXTURE, now=DURING_SALE)[0])


PIECES = st.sampled_from(
    [b"\t", b"\n", b'"', b",", b"/", b">", b"\x00", b"\xe9", b"\xed\xa0\x80", b"K1", b"\r", b"E+12"]
)
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), max_size=8)


@settings(max_examples=150, deadline=None)
@given(CHANGES, st.sampled_from([200, 2**20]))
def test_any_damage_is_rows_or_an_unreadable_feed(tmp_path_factory, changes, max_row_bytes):
    """Whatever happens to a feed, nothing but FeedUnreadable is raised, and every row is part of a product or told."""
    data = FIXTURE.read_bytes()
    for place, num_dropped, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + num_dropped :]
    path = tmp_path_factory.mktemp("feed") / "feed.tsv"
    path.write_bytes(data)
    with contextlib.suppress(FeedUnreadable), open_feed(path, max_row_bytes=max_row_bytes) as feed:
        items = list(feed)
        for item in items:
            assert_storable(item)
        assert feed.position == len(data)
        products = [item for item in items if isinstance(item, ProductRecord)]
        if feed.dialect.name == DialectName.GOOGLE:
            num_taken = sum(len(product.raw.get("variants", [0])) for product in products)
            assert num_taken + feed.num_failed_rows == feed.num_rows
        assert json.dumps([dict(product.raw) for product in products])


def test_feeds_of_other_dialects_are_not_taken_for_googles():
    """Nor this one for any other; asking for the wrong dialect says what its columns would be."""
    for path in sorted(FIXTURE.parent.iterdir()):
        with open_feed(path) as feed:
            own = feed.dialect.name
            assert (feed.dialect.name is DialectName.GOOGLE) is path.name.startswith("google"), path.name
        for name in set(DialectName) - {own}:
            with pytest.raises(FeedUnreadable) as caught:
                open_feed(path, ReadingOptions(name))
            assert caught.value.expected


@pytest.mark.parametrize(
    ("header", "silent"),
    [
        ("id\ttitle\timage_link\tprice", set(ProductField) - {"title", "image", "price", "attributes"}),
        ("id\ttitle\timage_link\titem_group_id", set(ProductField) - {"title", "image", "additional_images",
                                                                      "item_group_id", "attributes"}),
    ],
)  # fmt: skip
def test_what_a_feed_has_no_column_for_is_not_given(tmp_path, header, silent):
    """Further variants' main images are additional ones. What ``raw`` leaves out of the feed's columns is empty."""
    path = tmp_path / "feed.tsv"
    path.write_text(f"{header}\n1\tT\thttps://s.example/a.jpg\t\n")
    with open_feed(path, ReadingOptions(DialectName.GOOGLE)) as feed:
        (product,) = feed
    assert product.given == EVERY_FIELD - silent
    assert product.raw_names == {*header.split("\t"), "variants"}
