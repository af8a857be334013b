"""What holds for every feed: any bytes are survived, and what is written reads back equal."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, write_feed
from catalog.feeds.values import parse_description, parse_title
from catalog.types import Availability, FeedImage, Price, ProductField, ProductRecord, RowError
from embeddings.crop_box import CropBox
from embeddings.taxonomy import normalize_attribute

SUFFIXES = st.sampled_from([".csv", ".tsv", ".jsonl", ".txt"])

# Pieces that mean something to a feed, so that random data reach past the header.
PIECES = st.one_of(
    st.sampled_from(
        [
            b'"', b'""', b",", b"\t", b";", b"\n", b"\r\n", b"\r", b"\x00", b"\xef\xbb\xbf", b"\xe9", b"\xed\xa0\x80",
            b"\x81", b"\xc3\xa9",
            b"id,title,image\n", b"id\ttitle\timage\r", b'{"id":1,"title":"t","image":"a"}', b"{", b"}", b"[", b"]",
            b":", b"\\ud800", b"\\u0000", b"1e999", b"NaN", b"1,Red,a.jpg\n", b'1,"Red', b"http://x", b"5 EUR",
        ]
    ),
    st.binary(max_size=6),
)  # fmt: skip
HEADERS = st.sampled_from(
    [b"", b"\xff\xfe", b"id,title,image,price,attributes\n", b"id\ttitle\timage\timage_box\n", b'{"id":1}\n']
)


@settings(max_examples=400, deadline=None)
@given(HEADERS, st.lists(PIECES, max_size=60).map(b"".join), SUFFIXES, st.sampled_from([30, 200, 2**20]))
def test_any_bytes_are_rows_or_an_unreadable_feed(header, body, suffix, max_row_bytes):
    """Whatever the bytes, reading ends with nothing raised but FeedUnreadable, and what it gives can be stored."""
    data = header + body
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"feed{suffix}"
        path.write_bytes(data)
        with contextlib.suppress(FeedUnreadable), open_feed(path, max_row_bytes=max_row_bytes) as feed:
            items = list(feed)
            assert feed.position == len(data)
            assert feed.num_failed_rows <= feed.num_rows
            for item in items:
                assert_storable(item)


def assert_storable(item):
    """Texts have a UTF-8 form without NUL, raw rows a JSON form without NaN."""
    if isinstance(item, RowError):
        texts = [item.found, item.expected, item.column or "", item.external_id or ""]
        assert item.line >= 1
        assert len(item.found) < 1000
    else:
        texts = [item.external_id, item.title, item.description, *item.category, *item.attributes]
        texts += [item.link or "", item.item_group or "", *(image.source for image in item.images)]
        texts.append(json.dumps(dict(item.raw), allow_nan=False, ensure_ascii=False))
        first = 0 if ProductField.IMAGE in item.given else 1
        assert [image.position for image in item.images] == list(range(first, first + len(item.images)))
        assert len({image.source for image in item.images}) == len(item.images)
    for text in texts:
        assert b"\x00" not in text.encode()


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=15)
IDS = PRINTABLE | st.builds("{} {}".format, PRINTABLE, PRINTABLE)
WORD = st.text("abcçdéñÅI-_.,'\"+", min_size=1, max_size=6)
WORDS = WORD | st.builds("{} {}".format, WORD, WORD)
SOURCES = st.builds("{}{}".format, st.sampled_from(["", "/", "./", "../", "a b/"]), WORD)
BOXES = st.builds(
    lambda left, top, width, height: CropBox(left, top, left + width, top + height),
    st.integers(0, 10**8), st.integers(0, 10**8), st.integers(1, 10**8), st.integers(1, 10**8),
)  # fmt: skip
PRICES = st.builds(
    Price,
    st.decimals(0, 2**31, places=2) | st.decimals(0, 1000, places=4) | st.integers(0, 2**31).map(Decimal),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)


@st.composite
def products(draw):
    sources = draw(st.lists(SOURCES, min_size=1, max_size=4, unique=True))
    box = draw(st.none() | BOXES)
    attributes = draw(st.lists(st.builds("{}={}".format, WORDS, WORDS).map(normalize_attribute), max_size=4))
    return ProductRecord(
        line=0,
        external_id=draw(IDS),
        title=parse_title(draw(TEXT) + "x"),
        description=parse_description(draw(TEXT)),
        category=tuple(draw(st.lists(WORDS, max_size=3))),
        attributes=tuple(sorted(set(attributes))),
        price=draw(st.none() | PRICES),
        availability=draw(st.sampled_from(Availability)),
        link=draw(st.none() | st.just("https://shop.example/p?a=1,2;3#\"'")),
        item_group=draw(st.none() | IDS),
        images=tuple(FeedImage(source, n, box if n == 0 else None) for n, source in enumerate(sources)),
        raw={},
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(products(), max_size=5), st.sampled_from(["feed.csv", "feed.tsv", "feed.jsonl"]))
def test_written_products_read_back_equal(given_products, name):
    """A feed written in any format holds the same products, in their order."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        assert write_feed(path, given_products) == len(given_products)
        if name == "feed.jsonl" and not given_products:
            # Without products and without a header, nothing at all is left to write.
            assert path.read_bytes() == b""
            return
        with open_feed(path) as feed:
            assert [replace(item, line=0, raw={}) for item in feed] == given_products
            assert feed.notes == ()


@pytest.mark.parametrize(
    "change",
    [{"attributes": ("fabric=a; b",)}, {"attributes": ("fabric=a|b",)},
     {"images": (FeedImage("a.jpg", 0), FeedImage("b;c.jpg", 1))},
     {"title": "", "images": (FeedImage("a.jpg", 1),), "given": frozenset({ProductField.ADDITIONAL_IMAGES})},
     {"title": "", "images": (), "image_box": CropBox(0, 0, 1, 1), "given": frozenset({ProductField.IMAGE_BOX})}],
)  # fmt: skip
def test_what_a_delimited_feed_cannot_express_is_refused(tmp_path, change):
    """Separators within a value would come back as several values; JSON Lines keeps them."""
    product = ProductRecord(
        line=0, external_id="1", title="T", description="", category=(), attributes=(), price=None,
        availability=Availability.IN_STOCK, link=None, item_group=None, images=(FeedImage("a.jpg", 0),), raw={},
    )  # fmt: skip
    product = replace(product, **change)
    with pytest.raises(ValueError, match="JSON Lines"):
        write_feed(tmp_path / "feed.csv", [product])
    write_feed(tmp_path / "feed.jsonl", [product])
    with open_feed(tmp_path / "feed.jsonl") as feed:
        assert [replace(item, line=0, raw={}) for item in feed] == [product]


def test_name_without_a_known_ending_is_refused(tmp_path):
    """The ending says which format to write."""
    with pytest.raises(ValueError, match=r"\.csv, \.tsv or \.jsonl"):
        write_feed(tmp_path / "feed.xml", [])
