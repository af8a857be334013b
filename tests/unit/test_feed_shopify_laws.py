"""What holds for every Shopify export: any bytes are survived, every row is accounted for, and products read back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, reading_options
from catalog.feeds.dialects.variants import VARIANTS
from catalog.types import Availability, DialectName, Outcome, Price, ProductRecord, RowError

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "feeds"
EXPORTS = tuple((FIXTURES / name).read_bytes() for name in ("shopify-older.csv", "shopify-newer.csv"))
OPTIONS = reading_options(DialectName.SHOPIFY, "EUR")

PIECES = st.sampled_from(
    [b"", b'"', b'""', b",", b",,", b"\n", b"\r\n", b"\x00", b"\xe9", b"\xff\xfe", b"true", b"draft", b"-1", b"9" * 300,
     b"Handle", b"wrap-dress", b"silk-scarf,", b"<b", b"&#0;", b"ftp://x", b"> > >", b";", b"aa-1", b"Default Title"]
)  # fmt: skip


@st.composite
def damaged_exports(draw):
    """An export with some stretches replaced, and some lines moved."""
    data = draw(st.sampled_from(EXPORTS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(PIECES) + data[start + draw(st.sampled_from([0, 0, 1, 5, 200])) :]
    lines = data.splitlines(keepends=True)
    if draw(st.booleans()):
        lines.insert(draw(st.integers(1, len(lines))), lines.pop(draw(st.integers(0, len(lines) - 1))))
    return b"".join(lines)


@settings(max_examples=200, deadline=None)
@given(damaged_exports())
def test_damaged_exports_are_products_and_errors_or_unreadable(data):
    """Nothing but FeedUnreadable is raised, no row is lost, and the errors of a product start where it starts."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "feed.csv"
        path.write_bytes(data)
        try:
            with open_feed(path, OPTIONS) as feed:
                items = list(feed)
        except FeedUnreadable:
            return
    skipped = {item.line for item in items if isinstance(item, RowError) and item.outcome is Outcome.ROW_SKIPPED}
    taken = sum(len(item.raw.get(VARIANTS, [item])) for item in items if isinstance(item, ProductRecord))
    assert len(skipped) == feed.num_failed_rows
    if any("does not list" in note for note in feed.notes):
        assert len(skipped) + taken < feed.num_rows
    else:
        assert len(skipped) + taken == feed.num_rows
    for before, item in zip([None, *items], items, strict=False):
        if not isinstance(item, ProductRecord) or not isinstance(before, RowError):
            continue
        # Rows that stand apart from the others of their handle have errors of their own, above.
        if before.external_id == item.external_id and before.line > item.line:
            assert before.product_line == item.line


@dataclass(frozen=True)
class Variant:
    color: str
    size: str
    cents: int
    quantity: int
    image: str


WORDS = st.text("abcdefgäß ", min_size=1, max_size=8).map(str.strip).filter(bool)
VARIANTS_OF_A_PRODUCT = st.lists(
    st.builds(
        Variant, WORDS, st.sampled_from(["S", "M", "38"]), st.integers(0, 10**6), st.integers(-3, 3),
        st.sampled_from(["", "v-1.jpg", "v-2.jpg", "1.jpg"]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip
PRODUCTS = st.tuples(WORDS, st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20),
                     VARIANTS_OF_A_PRODUCT, st.integers(1, 6))  # fmt: skip


def write_product(writer, number, title, text, variants, num_images, *, has_blank_handles):
    """Rows as Shopify writes them: variants and images beside each other, the longer ones below the shorter."""
    for place in range(max(len(variants), num_images)):
        row = {"Handle": f"p-{number}" if place == 0 or not has_blank_handles else ""}
        if place == 0:
            body = text.replace("&", "&amp;").replace("<", "&lt;")
            row |= {"Title": title, "Body (HTML)": f"<p>{body}</p>", "Option1 Name": "Farbe", "Option2 Name": "Größe"}
        if place < len(variants):
            variant = variants[place]
            row |= {
                "Option1 Value": variant.color, "Option2 Value": variant.size, "Variant Inventory Tracker": "shopify",
                "Variant Price": f"{variant.cents / 100:.2f}", "Variant Inventory Qty": str(variant.quantity),
                "Variant Image": variant.image,
            }  # fmt: skip
        if place < num_images:
            # In the opposite order of the rows.
            row |= {"Image Src": f"{num_images - place}.jpg", "Image Position": str(num_images - place)}
        writer.writerow(row)


COLUMNS = (
    "Handle", "Title", "Body (HTML)", "Option1 Name", "Option1 Value", "Option2 Name", "Option2 Value",
    "Variant Inventory Tracker", "Variant Inventory Qty", "Variant Price", "Image Src", "Image Position",
    "Variant Image",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(PRODUCTS, max_size=4), st.booleans())
def test_written_products_read_back(products, has_blank_handles):
    """Whatever its variants and images, a product comes back with all of them and nothing of its neighbours."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "feed.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            for number, product in enumerate(products):
                write_product(writer, number, *product, has_blank_handles=has_blank_handles)
        with open_feed(path, OPTIONS) as feed:
            found = list(feed)
    assert [item.external_id for item in found] == [f"p-{number}" for number in range(len(products))]
    for item, (title, text, variants, num_images) in zip(found, products, strict=True):
        assert (item.title, item.description) == (" ".join(title.split()), text)
        assert item.price == Price(min(Decimal(variant.cents) / 100 for variant in variants), "EUR")
        is_left = any(variant.quantity > 0 for variant in variants)
        assert item.availability is (Availability.IN_STOCK if is_left else Availability.OUT_OF_STOCK)
        own = [f"{place + 1}.jpg" for place in range(num_images)]
        shown = [variant.image for variant in variants if variant.image]
        assert [image.source for image in item.images] == list(dict.fromkeys([*own, *shown]))
        assert set(item.attributes) == {
            name
            for variant in variants
            for name in (f"color={' '.join(variant.color.casefold().split())}", f"size={variant.size.lower()}")
        }
