"""From one row of a feed to a product record, or to what is wrong with the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from catalog.feeds import values
from catalog.feeds.columns import Column
from catalog.feeds.feed_row import FeedRow, ValueFault
from catalog.feeds.own_fields import own_fields
from catalog.feeds.row_values import RowValues
from catalog.types import Availability, FeedImage, Outcome, ProductField, ProductRecord, RowError
from embeddings.crop_box import CropBox

T = TypeVar("T")


def product_of_row(row: FeedRow, names: Mapping[Column, str]) -> tuple[ProductRecord | None, tuple[RowError, ...]]:
    """The product of a row of Drape's own columns, and an error for every fault of the row.

    A fault in an additional image costs only that image; any other costs the product, which then is None. A row without
    title or image is a product, too: it may be one that is known already.

    Args:
        names: The feed's name of each known column.
    """
    taken = RowValues(row, names)
    external_id = taken.take_id(Column.ID)
    known = set(names.values())
    given = frozenset(field for field in ProductField if taken.gives(field))
    product = ProductRecord(
        line=row.line,
        external_id=external_id,
        title=taken.take(Column.TITLE, values.parse_title, "", is_required=ProductField.TITLE in given),
        description=taken.take(Column.DESCRIPTION, values.parse_description, ""),
        category=taken.take(Column.CATEGORY, values.parse_category, ()),
        attributes=taken.take(Column.ATTRIBUTES, values.parse_attributes, ()),
        price=taken.take(Column.PRICE, values.parse_price, None),
        availability=taken.take(Column.AVAILABILITY, values.parse_availability, Availability.IN_STOCK),
        link=taken.take(Column.LINK, values.parse_link, None),
        item_group=taken.take(Column.ITEM_GROUP_ID, values.parse_item_group, None),
        images=(images := _take_images(taken))[0],
        raw=row.raw,
        given=given,
        image_box=images[1],
        fields=own_fields((name, value) for name, value in row.raw.items() if name not in known),
    )
    return (None if taken.has_failed else product), tuple(taken.errors)


def _take_images(taken: RowValues) -> tuple[tuple[FeedImage, ...], CropBox | None]:
    """The main image with its box, then the additional ones, each source once; the box alone without a main image."""
    has_main = taken.gives(Column.IMAGE)
    main = taken.take(Column.IMAGE, values.parse_image_source, "", is_required=has_main)
    box: CropBox | None = taken.take(Column.IMAGE_BOX, values.parse_image_box, None)
    no_more: Sequence[object] = ()
    sources = {main: None} if has_main else {}
    for part in taken.take(Column.ADDITIONAL_IMAGES, values.split_image_sources, no_more):
        try:
            sources.setdefault(values.parse_image_source(part))
        except ValueFault as fault:
            taken.add(Column.ADDITIONAL_IMAGES, fault, Outcome.IMAGE_LEFT_OUT)
    images = tuple(
        FeedImage(source, position, box if position == 0 else None)
        for position, source in enumerate(sources, 0 if has_main else 1)
    )
    return images, None if has_main else box
