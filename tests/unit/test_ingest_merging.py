"""What becomes of a product's columns and images when a feed says something of some of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.repositories.products import KnownImage
from catalog.services.ingesting.ingest_columns import difference, fingerprint, merged_columns, new_columns, put_back
from catalog.services.ingesting.ingest_images import images_of_known
from catalog.types import EVERY_FIELD, WHOLE_RAW, Availability, FeedImage, Price, ProductField, ProductRecord
from embeddings.crop_box import CropBox

BOX = CropBox(0, 0, 8, 8)
OTHER_BOX = CropBox(1, 1, 9, 9)
NAMES = ("color=blue",)
"""What the attributes of records mean."""

PICTURES = {ProductField.IMAGE, ProductField.ADDITIONAL_IMAGES, ProductField.IMAGE_BOX}

RECORDS = st.builds(
    ProductRecord,
    line=st.just(2),
    external_id=st.just("7"),
    title=st.sampled_from(["Dress", "Skirt"]),
    description=st.sampled_from(["", "Lace"]),
    category=st.sampled_from([(), ("Women",)]),
    attributes=st.sampled_from([(), ("color=red",)]),
    price=st.sampled_from([None, *(Price(Decimal(amount), "EUR") for amount in ("9.90", "9.9000", "100"))]),
    availability=st.sampled_from(Availability),
    link=st.sampled_from([None, "https://shop.example"]),
    item_group=st.sampled_from([None, "g"]),
    images=st.just((FeedImage("a", 0),)),
    raw=st.dictionaries(st.sampled_from(["title", "Title", "brand", "size"]), st.sampled_from(["", "x", 1, 1.5, None])),
    given=st.frozensets(st.sampled_from(ProductField)),
)  # fmt: skip
STORED = RECORDS.map(lambda record: new_columns(replace(record, given=EVERY_FIELD), record.attributes))


@given(STORED, RECORDS)
def test_what_a_feed_gives_is_taken_and_the_rest_stays(stored, record):
    """Every column is either the feed's or as it was."""
    merged = merged_columns(stored, record, NAMES)
    said = new_columns(record, NAMES)
    for column in stored.keys() - {"external_id", "raw", "fingerprint"}:
        given_by = {"given_attributes": "attributes", "currency": "price", "item_group": "item_group_id"}.get(
            column, column
        )
        assert merged[column] == (said if given_by in record.given else stored)[column]
    for name, value in record.raw.items():
        if value is not None:
            assert merged["raw"][name] == value
    assert merged["raw"].items() <= {**stored["raw"], **said["raw"]}.items()


def test_what_a_feed_leaves_out_of_its_raw_row_because_it_is_empty_goes():
    """A column of the feed that ``raw`` lacks is empty; one that the feed does not have stays."""
    stored = {**new_columns(_record(EVERY_FIELD), NAMES), "raw": {"Tags": "lace", "variants": [], "brand": "Acme"}}
    record = replace(_record(EVERY_FIELD), raw={"title": "Dress"}, raw_names=frozenset({"title", "tags", "variants"}))
    assert merged_columns(stored, record, NAMES)["raw"] == {"brand": "Acme", "title": "Dress"}
    assert fingerprint(record, NAMES) != fingerprint(replace(record, raw_names=None), NAMES)
    assert merged_columns(stored, replace(record, raw_names=WHOLE_RAW), NAMES)["raw"] == {"title": "Dress"}


@given(STORED, RECORDS)
def test_the_same_again_changes_nothing(stored, record):
    """Which is why an equal fingerprint spares reading what is stored."""
    merged = merged_columns(stored, record, NAMES)
    assert merged_columns(merged, record, NAMES) == merged
    assert difference(merged, merged_columns(merged, record, NAMES)) == ({}, {})


@given(STORED, RECORDS)
def test_a_difference_put_back_gives_what_was(stored, record):
    """Unless the product is no longer as the change left it."""
    columns = {name: value for name, value in stored.items() if name != "fingerprint"}
    merged = merged_columns(columns, record, NAMES)
    before, after = difference(columns, merged)
    restored = put_back(merged, before, after)
    assert restored is not None
    assert (None if restored["price"] is None else Decimal(restored["price"])) == columns["price"]
    assert {**restored, "price": None} == {**columns, "price": None}
    for name in after:
        touched = {**merged["raw"], "brand": "other", "size": "other", "title": "other", "Title": "other"}
        assert put_back({**merged, name: touched if name == "raw" else "other"}, before, after) is None


@given(RECORDS, RECORDS)
def test_a_fingerprint_tells_apart_what_is_said(one, other):
    """What is not given does not matter to it."""
    unsaid = replace(one, link="https://other.example", given=one.given - {ProductField.LINK})
    assert fingerprint(unsaid, NAMES) == fingerprint(replace(unsaid, link=None), NAMES)
    if one.given == other.given == EVERY_FIELD and (one.title, one.link) != (other.title, other.link):
        assert fingerprint(one, NAMES) != fingerprint(other, NAMES)


def _known(*sources, crop=None):
    return {
        source: KnownImage(number, 1, source, number, crop if number == 0 else None, "ab", "ready", None)
        for number, source in enumerate(sources)
    }


def _record(given, *images, box=None):
    return ProductRecord(
        2, "7", "Dress", "", (), (), None, Availability.IN_STOCK, None, None, images, {}, frozenset(given), box
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # Nothing is said of images.
        (_record({ProductField.TITLE}), [("a", BOX), ("b", None), ("c", None)]),
        # Everything is.
        (_record(PICTURES, FeedImage("b", 0)), [("b", None)]),
        (_record(PICTURES, FeedImage("a", 0, OTHER_BOX), FeedImage("d", 1)), [("a", OTHER_BOX), ("d", None)]),
        # The main image alone: the old one goes, the additional ones stay, in their order.
        (_record({ProductField.IMAGE}, FeedImage("d", 0)), [("d", None), ("b", None), ("c", None)]),
        (_record({ProductField.IMAGE}, FeedImage("c", 0)), [("c", None), ("b", None)]),
        (_record({ProductField.IMAGE}, FeedImage("a", 0)), [("a", BOX), ("b", None), ("c", None)]),
        # The additional ones alone: the main one stays, with its box, also where it is named among them.
        (_record({ProductField.ADDITIONAL_IMAGES}), [("a", BOX)]),
        (_record({ProductField.ADDITIONAL_IMAGES}, FeedImage("a", 1), FeedImage("c", 2)), [("a", BOX), ("c", None)]),
        # The box alone, given and cleared.
        (_record({ProductField.IMAGE_BOX}, box=OTHER_BOX), [("a", OTHER_BOX), ("b", None), ("c", None)]),
        (_record({ProductField.IMAGE_BOX}), [("a", None), ("b", None), ("c", None)]),
        (_record(PICTURES - {ProductField.ADDITIONAL_IMAGES}, FeedImage("b", 0, BOX)), [("b", BOX), ("c", None)]),
    ],
)  # fmt: skip
def test_images_of_which_a_feed_says_nothing_stay(record, expected):
    """The product has the images a (with a box), b and c."""
    images = images_of_known(record, _known("a", "b", "c", crop=(0, 0, 8, 8)))
    assert [(image.source, image.crop) for image in images] == expected
    assert [image.position for image in images] == list(range(len(images)))


SOURCES = st.lists(st.sampled_from("abcd"), unique=True, min_size=1)


@settings(max_examples=50)
@given(SOURCES, SOURCES, st.frozensets(st.sampled_from(sorted(PICTURES))))
def test_the_same_images_again_are_the_same(stored, named, given):
    """Merging is idempotent for images, too."""
    first = 0 if ProductField.IMAGE in given else 1
    record = _record(given, *(FeedImage(source, first + number) for number, source in enumerate(named)))
    once = images_of_known(record, _known(*stored))
    known = {image.source: KnownImage(1, 1, image.source, image.position, None, "ab", "ready", None) for image in once}
    assert [image.source for image in images_of_known(record, known)] == [image.source for image in once]
