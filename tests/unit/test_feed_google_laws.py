"""What holds for every Google Merchant Center feed: products with their variants read back, however written."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import ReadingOptions, open_feed
from catalog.types import Availability, DialectName, Price, ProductRecord

NAMESPACE = 'xmlns:g="http://base.google.com/ns/1.0"'


def one_line(text):
    return " ".join(text.split())


def normal(text):
    return one_line(text.casefold())


PLAIN = st.text("abcdefgäöüßéñ ", min_size=1, max_size=8).map(str.strip).filter(bool)
MARKED = st.sampled_from(
    ["A & B", "size < 40", "Größe »M«", "]]>", "<b>", "&amp;", "</item>", "<entry>", "<!-- -->", "'\"", "a,b;c", "50 %"]
)
TITLES = st.builds("{} {}".format, PLAIN, PLAIN | MARKED).map(one_line)
# Markup in descriptions is taken for HTML, and goes.
DESCRIPTIONS = st.builds("{} {}".format, PLAIN, PLAIN | st.sampled_from(["A & B", "1,5 cm; 'x'", "2 < 3"])).map(
    one_line
)
ADDRESSES = st.builds(
    "https://img.example/{}{}.jpg{}".format,
    st.sampled_from(["", "w_90,h_120/", "größe/", "a%20b/", "it's/"]), st.integers(0, 9),
    st.sampled_from(["", "?a=1&b=2", "?crop=1,2,3,4"]),
)  # fmt: skip
AVAILABILITY = {"in_stock": Availability.IN_STOCK, "out of stock": Availability.OUT_OF_STOCK,
                "preorder": Availability.PREORDER, "Backorder": Availability.BACKORDER}  # fmt: skip
BEST_FIRST = (Availability.IN_STOCK, Availability.PREORDER, Availability.BACKORDER, Availability.OUT_OF_STOCK)


@dataclass(frozen=True)
class Size:
    name: str
    cents: int
    availability: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """A product: the sizes of an item in one colour; with one size it may be without a group."""

    title: str
    description: str
    colors: tuple[str, ...]
    sizes: tuple[Size, ...]
    has_group: bool


SIZES = st.builds(
    Size, PLAIN, st.integers(1, 10**7), st.sampled_from(sorted(AVAILABILITY)),
    st.lists(ADDRESSES, min_size=1, max_size=4, unique=True).map(tuple),
)  # fmt: skip
ITEMS = st.builds(
    Item, TITLES, DESCRIPTIONS,
    st.lists(PLAIN, max_size=3, unique_by=normal).map(tuple),
    st.lists(SIZES, min_size=1, max_size=4).map(tuple), st.booleans(),
)  # fmt: skip


def group_of(number, item):
    return f"G{number}" if item.has_group or len(item.sizes) > 1 else ""


def rows_of(number, item):
    """One row for each size, as names and values; a name may come again."""
    for place, size in enumerate(item.sizes):
        yield [
            ("id", f"{number}-{place}"),
            ("title", item.title),
            ("description", item.description),
            ("image_link", size.images[0]),
            *(("additional_image_link", image) for image in size.images[1:]),
            ("price", f"{size.cents // 100}.{size.cents % 100:02} EUR"),
            ("availability", size.availability),
            ("color", "/".join(item.colors)),
            ("size", size.name),
            ("item_group_id", group_of(number, item)),
        ]


def write_tsv(rows, *, is_quoted):
    """With a column of additional images, in a list: quoted each, or with commas between."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name, _ in row)) or ["id", "title", "image_link"]
    writer = csv.DictWriter(text, names, restval="", dialect="excel-tab", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        links = [value for name, value in row if name == "additional_image_link"]
        joined = ",".join(f'"{link}"' for link in links) if is_quoted else ",".join(links)
        writer.writerow({**dict(row), **({"additional_image_link": joined} if links else {})})
    return text.getvalue()


def write_xml(rows, *, is_atom, is_in_sections):
    """RSS or Atom; values as references or in CDATA sections."""

    def element(name, value):
        prefix = "" if name in ("title", "description") else "g:"
        section = f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
        return f"<{prefix}{name}>{section if is_in_sections else html.escape(value)}</{prefix}{name}>"

    tag = "entry" if is_atom else "item"
    items = [f"<{tag}>{''.join(element(*field) for field in row)}</{tag}>\n" for row in rows]
    if is_atom:
        return f'<feed xmlns="http://www.w3.org/2005/Atom" {NAMESPACE}><title>Shop</title>{"".join(items)}</feed>'
    return f'<?xml version="1.0"?><rss {NAMESPACE}><channel><title>Shop</title>{"".join(items)}</channel></rss>'


WRITERS = {
    "TSV": lambda rows, is_other: write_tsv(rows, is_quoted=is_other),
    "RSS": lambda rows, is_other: write_xml(rows, is_atom=False, is_in_sections=is_other),
    "Atom": lambda rows, is_other: write_xml(rows, is_atom=True, is_in_sections=is_other),
}


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=60, deadline=None)
@given(items=st.lists(ITEMS, max_size=4), is_other=st.booleans(), shuffler=st.randoms(use_true_random=False))
def test_written_products_read_back(form, items, is_other, shuffler):
    """Each comes back with all of its sizes and nothing of its neighbours', whatever order the rows are in."""
    rows = [row for number, item in enumerate(items) for row in rows_of(number, item)]
    shuffler.shuffle(rows)
    place_of = {dict(row)["id"]: place for place, row in enumerate(rows)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("feed.tsv" if form == "TSV" else "feed.xml")
        path.write_text(WRITERS[form](rows, is_other), encoding="utf-8")
        with open_feed(path, ReadingOptions(DialectName.GOOGLE)) as feed:
            found = {product.external_id: product for product in feed}
    assert all(isinstance(product, ProductRecord) for product in found.values()), found
    assert feed.num_rows == len(rows)
    expected = {external_id_of(number, item): (number, item) for number, item in enumerate(items)}
    assert found.keys() == expected.keys()
    for key, (number, item) in expected.items():
        sizes = sorted(enumerate(item.sizes), key=lambda numbered, number=number: place_of[f"{number}-{numbered[0]}"])
        check(found[key], item, group_of(number, item), [size for _, size in sizes])


def external_id_of(number, item):
    group = group_of(number, item)
    return f"{group}/{'+'.join(map(normal, item.colors))}" if group else f"{number}-0"


def check(product, item, group, sizes):
    """Prices and sizes are those that can be had; the main images come before the others, each in the rows' order."""
    availabilities = [AVAILABILITY[size.availability] for size in sizes]
    had = [size for size in sizes if AVAILABILITY[size.availability] is not Availability.OUT_OF_STOCK] or sizes
    images = [*(size.images[0] for size in sizes), *(image for size in sizes for image in size.images)]
    assert product.title == item.title
    assert product.description == item.description
    assert product.price == Price(Decimal(min(size.cents for size in had)) / 100, "EUR")
    assert product.availability is min(availabilities, key=BEST_FIRST.index)
    assert [image.source for image in product.images] == list(dict.fromkeys(images))
    assert set(product.attributes) == {
        *(f"color={normal(color)}" for color in item.colors), *(f"size={normal(size.name)}" for size in had)
    }  # fmt: skip
    assert (product.item_group or "") == group
    assert len(product.raw.get("variants", [0])) == len(item.sizes)
