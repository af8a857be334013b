"""Shopify's product export, of both header sets."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, reading_options
from catalog.feeds.dialects import shopify
from catalog.types import (
    EVERY_FIELD,
    Availability,
    DialectName,
    FeedImage,
    Outcome,
    Price,
    ProductField,
    ProductRecord,
    RowError,
)

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "feeds"
CDN = "https://cdn.shopify.com/s/files/1/0042/files/"


def read(path, currency="EUR", dialect=None):
    """Items, and the reader at its end."""
    with open_feed(path, reading_options(dialect, currency)) as feed:
        return list(feed), feed


def write(path, rows):
    """A feed of the columns that the rows have, in their order."""
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(names), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(handle, title="", image="", **more):
    return {"Handle": handle, "Title": title, "Image Src": image} | {
        name.replace("_", " "): v for name, v in more.items()
    }


def sources(product):
    return [image.source for image in product.images]


def errors_of(items):
    return [item for item in items if isinstance(item, RowError)]


def products_of(items):
    return [item for item in items if isinstance(item, ProductRecord)]


def test_older_header_set():
    """Four rows of a dress in two colours; what the shop does not list is left out; a jumper of two rows."""
    items, feed = read(FIXTURES / "shopify-older.csv")
    assert feed.read_as == "a Shopify product export (CSV in UTF-8)"
    dress, scarf, jumper = items
    assert replace(dress, raw={}) == ProductRecord(
        line=2,
        external_id="leinenkleid-mit-gürtel",
        title="Leinenkleid „Ährenfeld“ mit Gürtel",
        description="Luftiges Kleid aus Leinen & Baumwolle,\nmit Bindegürtel.\nLänge: 110 cm\n2 Taschen",
        category=("Apparel & Accessories", "Clothing", "Dresses"),
        # The option's colours, that of a tag that names its group, and those of the metafield.
        attributes=(
            "age_group=adult", "brand=nähstube ost", "color=beige", "color=bordeaux", "color=creme", "color=dark-red",
            "color=sand", "gender=female", "size=36", "size=38", "tag=leinen", "tag=neu", "tag=sommer", "type=kleider",
        ),
        # The lowest of 119.00, 119.00 and 109.00; the row with but an image has none.
        price=Price(Decimal("109.00"), "EUR"),
        # Quantities 0, 3 and -2.
        availability=Availability.IN_STOCK,
        link=None,
        item_group=None,
        # By position, not by row; then the image of a variant that is not among them. Commas belong to the address.
        images=tuple(
            FeedImage(f"{CDN}{name}.jpg?v=1", position)
            for position, name in enumerate(
                ["kleid-sand,vorn", "kleid-hinten", "kleid-seite", "kleid-detail", "kleid-bordeaux"]
            )
        ),
        raw={},
        given=EVERY_FIELD - {ProductField.LINK, ProductField.ITEM_GROUP, ProductField.IMAGE_BOX},
    )  # fmt: skip
    assert (scarf.line, scarf.external_id, scarf.category) == (11, "silk-scarf", ("Scarves",))
    assert scarf.attributes == ("brand=oat & ivory", "type=scarves")
    assert (scarf.price, scarf.availability) == (Price(Decimal(59), "EUR"), Availability.IN_STOCK)
    assert (jumper.line, jumper.external_id, jumper.availability) == (18, "pull-marin", Availability.OUT_OF_STOCK)
    assert jumper.attributes == (
        "brand=atelier nord", "color=écru", "material=coton", "material=laine", "size=m", "size=s", "type=pulls",
    )  # fmt: skip


def test_raw_tells_which_image_shows_which_variant():
    """What the product's first row says once is at the top, also where other rows leave it empty."""
    raw = read(FIXTURES / "shopify-older.csv")[0][0].raw
    assert raw["Vendor"] == "Nähstube Ost"
    assert raw["Body (HTML)"].startswith("<p>Luftiges Kleid aus <b>Leinen</b>")
    assert [(v.get("Option1 Value"), v.get("Variant Image", "").removeprefix(CDN)) for v in raw["variants"]] == [
        ("Sand", "kleid-sand,vorn.jpg?v=1"),
        ("Sand", "kleid-sand,vorn.jpg?v=1"),
        ("Bordeaux/Creme", "kleid-bordeaux.jpg?v=1"),
        (None, ""),
    ]
    assert raw["variants"][0]["Variant Compare At Price"] == "149.00"
    assert raw["variants"][0]["Image Alt Text"] == "Kleid in Sand, von vorn"


def test_newer_header_set():
    """Handles come once and the rows below belong to them; options may be linked to metafields."""
    items, feed = read(FIXTURES / "shopify-newer.csv")
    dress, boot = items
    assert (dress.line, dress.external_id, dress.description) == (2, "wrap-dress", "A dress\nto wrap.")
    # The category's own column has nothing but an id.
    assert dress.category == ("Apparel & Accessories", "Clothing", "Dresses")
    assert dress.attributes == (
        "age_group=adult", "brand=acme", "color=gold", "color=goud", "color=green", "color=groen", "gender=female",
        "material=viscose", "neckline=v-neck", "size=s/m", "tag=new", "type=dresses",
    )  # fmt: skip
    # None left of either variant, but one is sold on.
    assert (dress.price, dress.availability) == (Price(Decimal("74.95"), "EUR"), Availability.IN_STOCK)
    assert sources(dress) == [f"{CDN}wrap-{name}.jpg" for name in ("1", "2", "green", "gold")]
    assert (boot.line, boot.external_id, boot.availability) == (5, "ankle-boot", Availability.OUT_OF_STOCK)
    assert boot.attributes == ("brand=acme", "heel=high", "heel=low", "size=eu 38", "size=eu 39")
    assert "Price" in feed.used_columns
    assert "Compare-at price" in feed.unused_columns


def test_what_the_shop_does_not_list_is_counted_and_no_error():
    """A full sync thus takes it for gone: neither a product nor an error names its handle."""
    items, feed = read(FIXTURES / "shopify-older.csv")
    assert errors_of(items) == []
    assert feed.notes == (
        "4 products that the shop does not list were left out (draft 1, archived 1, not published on the online store "
        "1, gift card 1); a full sync removes what was listed before.",
    )
    assert (feed.num_rows, feed.num_products, feed.num_failed_rows) == (13, 3, 0)


def test_without_a_currency_there_are_no_prices():
    """The export cannot tell; one note says so, and what to do."""
    items, feed = read(FIXTURES / "shopify-newer.csv", currency=None)
    assert [product.price for product in items] == [None, None]
    assert feed.notes == (
        "1 product that the shop does not list was left out (unlisted 1); a full sync removes what was listed before.",
        "2 products were taken without a price: the export does not say of what currency prices are; --currency does.",
        "1 product names its category by its id alone, which was not taken.",
    )


@pytest.mark.shared
def test_shopifys_own_sample_is_taken_whole(shared_folder):
    """Against counts by the csv module alone: rows, products, images, and the sizes of the one that has any."""
    path = shared_folder / "data" / "feeds" / "shopify-apparel.csv"
    if not path.is_file():
        pytest.skip(f"Shopify's sample is not at {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    items, feed = read(path, "USD")
    assert feed.num_rows == len(rows) == 22
    assert [product.external_id for product in items] == list(dict.fromkeys(row["Handle"] for row in rows))
    assert len(items) == 20
    assert [source for product in items for source in sources(product)] == [
        row["Image Src"] for row in rows if row["Image Src"]
    ]
    assert Counter(product.price.amount for product in items) == Counter(
        Decimal(row["Variant Price"]) for row in rows if row["Title"]
    )
    assert all(product.availability is Availability.IN_STOCK for product in items)
    sized = [p.external_id for p in items if {"size=small", "size=medium", "size=large"} <= set(p.attributes)]
    assert sized == ["classic-varsity-top"]
    assert Counter(name for product in items for name in product.attributes if name.startswith("tag=")) == {
        "tag=women": 14,
        "tag=men": 6,
    }
    assert feed.notes == ()


@pytest.mark.parametrize(
    ("tracker", "quantity", "policy", "expected"),
    [
        ("", "0", "deny", Availability.IN_STOCK),
        ("shopify", "1", "deny", Availability.IN_STOCK),
        ("shopify", "0", "deny", Availability.OUT_OF_STOCK),
        ("shopify", "", "deny", Availability.OUT_OF_STOCK),
        ("shopify", "-3", "", Availability.OUT_OF_STOCK),
        ("shopify", "0", "continue", Availability.IN_STOCK),
        ("shopify", "0", "TRUE", Availability.IN_STOCK),
        ("shopify", "0", "FALSE", Availability.OUT_OF_STOCK),
        ("shopify", "2.0", "DENY", Availability.IN_STOCK),
    ],
)
def test_availability(tmp_path, tracker, quantity, policy, expected):
    """Untracked, some left, or sold on without any."""
    inventory = {
        "Variant Inventory Tracker": tracker,
        "Variant Inventory Qty": quantity,
        "Variant Inventory Policy": policy,
    }
    (product,), _ = read(write(tmp_path / "feed.csv", [row("a", "A", "a.jpg") | inventory]))
    assert product.availability is expected


def test_export_without_quantities_has_everything_in_stock(tmp_path):
    """Shops with several locations export them in a file of its own: nothing is known to be sold out."""
    rows = [row("a", "A", "a.jpg") | {"Variant Inventory Tracker": "shopify", "Variant Inventory Policy": "deny"}]
    (product,), feed = read(write(tmp_path / "feed.csv", rows))
    assert product.availability is Availability.IN_STOCK
    assert feed.notes == ("1 product was taken as in stock: the export has no column of quantities.",)


def test_bad_optional_values_cost_themselves(tmp_path):
    """Each is told by the feed's own column and the product's id, and the product follows."""
    bad = row(
        "a", "A", "a.jpg", Variant_Price="12,x", Image_Position="first", Published="perhaps", Status="gone",
        Gift_Card="?", Variant_Inventory_Qty="many", Variant_Inventory_Tracker="shopify",
        Variant_Inventory_Policy="maybe", Option1_Name="Color", Option1_Value="r" * 201,
    )  # fmt: skip
    more = row("a", Variant_Price="49,90", Option1_Value="Blue")
    items, feed = read(write(tmp_path / "feed.csv", [bad, more]))
    *errors, product = items
    assert all((error.outcome, error.external_id, error.first_line) == (Outcome.MENDED, "a", 2) for error in errors)
    assert [(error.line, error.column, error.found[:8]) for error in errors] == [
        (2, "Status", "'gone'"), (2, "Published", "'perhaps"), (2, "Gift Card", "'?'"),
        (2, "Option1 Value", "'color=r"), (2, "Variant Price", "'12,x'"),
        (2, "Variant Inventory Qty", "'many'"),
        (2, "Variant Inventory Policy", "'maybe'"), (2, "Image Position", "'first'"), (3, "Variant Price", "'49,90'"),
    ]  # fmt: skip
    assert product.price == Price(Decimal("49.90"), "EUR")
    assert product.availability is Availability.IN_STOCK
    assert product.attributes == ("color=blue",)
    assert feed.num_failed_rows == 0


def test_rows_that_cannot_be_split_are_told_with_their_product(tmp_path):
    """The product is taken without that variant, and starts where it starts: no repeat of its own id."""
    path = write(tmp_path / "feed.csv", [row("a", "A", "a.jpg", X="1"), row("a"), row("b", "B", "b.jpg")])
    lines = path.read_bytes().split(b"\r\n")
    lines[2] += b",surplus"
    path.write_bytes(b"\r\n".join(lines))
    (error, first, second), feed = read(path)
    assert (error.line, error.external_id, error.product_line, error.outcome) == (3, "a", 2, Outcome.ROW_SKIPPED)
    assert (first.external_id, first.line, second.external_id) == ("a", 2, "b")
    assert feed.num_failed_rows == 1


def test_product_whose_first_row_is_lost_is_lost_with_all_its_rows(tmp_path):
    """Every row is told, with the line at fault."""
    path = write(tmp_path / "feed.csv", [row("a", "A", "a.jpg", X="1"), row("a"), row(""), row("b", "B", "b.jpg")])
    path.write_bytes(path.read_bytes().replace(b"a,A,a.jpg,1", b"a,A,a.jpg"))
    (*errors, product), feed = read(path)
    assert [(error.line, error.external_id, error.product_line) for error in errors] == [(2, "a", 2), (3, "a", 2)]
    assert errors[1].found == "a row of 'a', whose line 2 cannot be taken"
    # The row of nothing but separators is none.
    assert (feed.num_rows, feed.num_failed_rows, product.external_id) == (3, 2, "b")


def test_rows_below_one_that_cannot_be_read_have_no_product(tmp_path):
    """Their handle may have stood on that row; taking them for the product above would mix two products."""
    rows = [
        {"Title": "A", "URL handle": "a", "Product image URL": "a.jpg", "Price": "1"},
        {"Title": "B", "URL handle": "b", "Product image URL": "b.jpg", "Price": "2"},
        {"Price": "3", "Product image URL": "b-2.jpg"},
        {"Title": "C", "URL handle": "c", "Product image URL": "c.jpg", "Price": "4"},
        {"Price": "5"},
    ]
    path = write(tmp_path / "feed.csv", rows)
    path.write_bytes(path.read_bytes().replace(b"B,b,b.jpg,2", b"B,b,b.jpg"))
    items, feed = read(path)
    assert [(error.line, error.column, error.external_id) for error in errors_of(items)] == [
        (3, None, None),
        (4, "URL handle", None),
    ]
    assert errors_of(items)[1].found == "nothing, below a row that could not be read"
    assert [(product.external_id, sources(product)) for product in products_of(items)] == [
        ("a", ["a.jpg"]),
        ("c", ["c.jpg"]),
    ]
    assert feed.num_failed_rows == 2


def test_rows_without_any_handle_above(tmp_path):
    """Nothing to belong to."""
    (error, product), _ = read(write(tmp_path / "feed.csv", [row("", "A", "a.jpg"), row("b", "B", "b.jpg")]))
    assert (error.line, error.column, error.found) == (2, "Handle", "nothing, below no row")
    assert product.external_id == "b"


def test_handle_that_cannot_be_an_id(tmp_path):
    """Its row is told, and the rows below it are not given to the product above."""
    rows = [row("a", "A", "a.jpg"), row("x" * 256, "B", "b.jpg"), row("", image="b-2.jpg")]
    (product, first, second), _ = read(write(tmp_path / "feed.csv", rows))
    assert (first.line, first.column, first.external_id) == (3, "Handle", None)
    assert first.expected == "an id of at most 255 characters"
    assert (second.line, second.found) == (4, "nothing, below a row that could not be read")
    assert (product.external_id, sources(product)) == ("a", ["a.jpg"])


def test_product_without_an_image(tmp_path):
    """It cannot be found by a photo: its rows are told."""
    rows = [row("a", "A", Variant_Price="1"), row("a", Variant_Price="2"), row("b", "B", "b.jpg")]
    (first, second, product), feed = read(write(tmp_path / "feed.csv", rows))
    assert (first.line, first.column, first.found) == (2, "Image Src", "no image on any of its 2 rows")
    assert first.expected == "a product with at least one image"
    assert (second.line, second.external_id, second.outcome) == (3, "a", Outcome.ROW_SKIPPED)
    assert (product.external_id, feed.num_failed_rows) == ("b", 2)


def test_images_that_are_no_images(tmp_path):
    """One of several is left out; where there is no other, the product is not taken."""
    rows = [row("a", "A", "ftp://x/a.jpg"), row("a", image="a-2.jpg"), row("b", "B", "data:image/png;base64,AA")]
    (left_out, product, skipped), _ = read(write(tmp_path / "feed.csv", rows))
    assert (left_out.line, left_out.column, left_out.outcome) == (2, "Image Src", Outcome.IMAGE_LEFT_OUT)
    assert sources(product) == ["a-2.jpg"]
    assert (skipped.line, skipped.column, skipped.outcome) == (4, "Image Src", Outcome.ROW_SKIPPED)


def test_images_beyond_the_most_that_a_product_may_have(tmp_path):
    """Shopify allows 250, Drape takes 100, each once."""
    rows = [row("a", "A" if n == 0 else "", f"{n // 2}.jpg", Image_Position=str(n + 1)) for n in range(202)]
    (error, product), _ = read(write(tmp_path / "feed.csv", rows))
    assert (error.found, error.outcome) == ("101 images", Outcome.IMAGE_LEFT_OUT)
    assert sources(product) == [f"{n}.jpg" for n in range(100)]


def test_rows_of_a_handle_that_comes_again_are_told(tmp_path):
    """Shopify writes a product's rows together. Apart from its title, a row is none that a product could start with."""
    rows = [row("a", "A", "a.jpg"), row("b", "B", "b.jpg"), row("a", image="a-2.jpg")]
    items, _ = read(write(tmp_path / "feed.csv", rows))
    (error,) = errors_of(items)
    assert (error.line, error.external_id, error.found) == (4, "a", "nothing")
    assert error.expected == "a title on the product's first row, and its other rows next to that"


def test_rows_that_a_spreadsheet_has_sorted(tmp_path):
    """A product's own fields are on the row with its title, wherever among its rows that stands."""
    rows = [row("a", Option1_Value="S"), row("a", "A", "a.jpg", Option1_Name="Size", Option1_Value="M", Vendor="Acme")]
    (product,), _ = read(write(tmp_path / "feed.csv", rows))
    assert (product.line, product.title) == (2, "A")
    assert product.attributes == ("brand=acme", "size=m", "size=s")


def test_text_that_cannot_be_stored_costs_its_row(tmp_path):
    """A variant's row alone; a product's own row takes the product with it."""
    rows = [
        row("a", "A", "a.jpg", Vendor="Acme"), row("a", image="a-2.jpg", Vendor="\x00"),
        row("b", "B\x00", "b.jpg"), row("b", image="b-2.jpg"), row("c", "C", "c.jpg"),
    ]  # fmt: skip
    items, feed = read(write(tmp_path / "feed.csv", rows))
    assert [(error.line, error.column, error.external_id, error.product_line) for error in errors_of(items)] == [
        (3, "Vendor", "a", 2), (4, "Title", "b", 4), (5, None, "b", 4),
    ]  # fmt: skip
    assert [(product.external_id, sources(product)) for product in products_of(items)] == [
        ("a", ["a.jpg"]), ("c", ["c.jpg"]),
    ]  # fmt: skip
    assert feed.num_failed_rows == 3


def test_product_of_endless_rows_is_refused_and_not_kept(tmp_path, monkeypatch):
    """Each of its rows is told, and the next product is taken."""
    monkeypatch.setattr(shopify, "MAX_PRODUCT_ROWS", 3)
    rows = [row("a", "A" if n == 0 else "", f"{n}.jpg") for n in range(6)] + [row("b", "B", "b.jpg")]
    (*errors, product), feed = read(write(tmp_path / "feed.csv", rows))
    assert [(error.line, error.external_id, error.product_line) for error in errors] == [
        (line, "a", 2) for line in range(2, 8)
    ]
    assert "more than 3 rows" in errors[0].found
    assert (product.external_id, feed.num_failed_rows) == ("b", 6)


@pytest.mark.parametrize(
    ("column", "text", "category"),
    [
        ("Product Category", "Apparel & Accessories > Clothing", ("Apparel & Accessories", "Clothing")),
        ("Product Category", "gid://shopify/TaxonomyCategory/aa-1 : Apparel > Clothing", ("Apparel", "Clothing")),
        ("Product Category", "Apparel (aa) > Clothing (aa-1)", ("Apparel", "Clothing")),
        ("Product Category", "aa-1-4", ("Shirts",)),
        ("Product Category", "Uncategorized", ("Shirts",)),
        (
            "Standardized Product Type",
            "Apparel > Shirts (gid://shopify/TaxonomyCategory/aa-1-2)",
            ("Apparel", "Shirts"),
        ),
        ("Google Shopping / Google Product Category", "212", ("Shirts",)),
        ("Tags", "", ("Shirts",)),
    ],
)
def test_category(tmp_path, column, text, category):
    """The path without ids, else the shop's own type as one level."""
    (product,), _ = read(write(tmp_path / "feed.csv", [row("a", "A", "a.jpg", Type="Shirts") | {column: text}]))
    assert product.category == category
    assert product.attributes == ("type=shirts",)


@pytest.mark.parametrize(
    ("name", "value", "attributes"),
    [
        ("Fabric (product.metafields.custom.stoff)", '["Wool", "Silk"]', ("material=silk", "material=wool")),
        ("Grösse (product.metafields.custom.x)", "S; M", ("size=m", "size=s")),
        ("Stoff (product.metafields.custom.stoff)", "Was der Stoff alles kann, " * 3, ()),
        ("Pflege (product.metafields.custom.care)", "Handwäsche", ()),
        ("Care (product.metafields.shopify.care-instructions)", "hand-wash", ()),
        ("X (product.metafields.shopify.sleeve-length-type)", "long", ("sleeve length=long",)),
        ("X (product.metafields.shopify.jewelry-material)", "gold; silver", ("material=gold", "material=silver")),
        ("Tags", "Color: Red/Blue, size:m, a:b, ,a=b", ("color=blue", "color=red", "size=m", "tag=a:b", "tag=a=b")),
    ],
)
def test_attributes_of_metafields_and_tags(tmp_path, name, value, attributes):
    """Shopify's own metafields by their key, a shop's own by their label, tags as they are."""
    (product,), feed = read(write(tmp_path / "feed.csv", [row("a", "A", "a.jpg") | {name: value}]))
    assert product.attributes == attributes
    assert feed.notes == ()


def test_names_of_columns_in_any_case_and_spacing(tmp_path):
    """As spreadsheets and apps write them; separated by semicolons, too."""
    path = tmp_path / "feed.csv"
    path.write_text("HANDLE;title ;IMAGE  SRC;variant_price;Body HTML\na;A;a.jpg;5;<b>x</b>\n")
    (product,), feed = read(path)
    assert (product.external_id, product.description, product.price) == ("a", "x", Price(Decimal(5), "EUR"))
    assert feed.dialect.name is DialectName.SHOPIFY


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Handle,Title,Image Src,Variant Price,Price", "more than one column for Price"),
        ("Handle,Title,Image Src,Title", "more than one column for Title"),
        ("Handle,Title,Option1 Name,Option1 Value,SKU,Location,Available", "no column Image Src"),
        ("Handle,Image Src,Variant Price", "no column Title"),
    ],
)
def test_header_that_cannot_be_read(tmp_path, header, message):
    """An inventory export has no images; what is there twice could mean either."""
    path = tmp_path / "feed.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(FeedUnreadable, match=message):
        read(path)


@pytest.mark.parametrize(
    "header", ["id,title,image,handle,vendor,tags,type,price", "handle,title,vendor,id,image", "id,title,image,status"]
)
def test_header_of_drapes_own_is_not_taken(tmp_path, header):
    """A handle beside an id is a column of the shop's own; without Shopify's image columns it is no export."""
    path = tmp_path / "feed.csv"
    path.write_text(f"{header}\n")
    assert read(path)[1].dialect.name is DialectName.DRAPE


def test_another_dialect_is_refused_by_what_it_expects():
    """The message tells what Drape's own feeds start with."""
    with pytest.raises(FeedUnreadable, match="no column id and no column image"):
        read(FIXTURES / "shopify-older.csv", dialect=DialectName.DRAPE)


def test_exports_in_other_encodings_and_layouts(tmp_path):
    """A spreadsheet saves with semicolons, in Windows-1252."""
    with (FIXTURES / "shopify-older.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows(rows)
    (tmp_path / "feed.csv").write_bytes(text.getvalue().encode("cp1252"))
    items, _ = read(tmp_path / "feed.csv")
    expected, _ = read(FIXTURES / "shopify-older.csv")
    assert items == expected
