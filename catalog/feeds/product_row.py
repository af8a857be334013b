"""From one row of a feed to a product record, or to what is wrong with the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from catalog.feeds import values
from catalog.feeds.columns import REQUIRED_COLUMNS, Column
from catalog.feeds.feed_row import FeedRow, ValueFault, check_storable, shorten
from catalog.types import Availability, FeedImage, ProductRecord, RowError
from embeddings.crop_box import CropBox

T = TypeVar("T")


def product_of_row(row: FeedRow) -> tuple[ProductRecord | None, tuple[RowError, ...]]:
    """The row's product, and an error for every fault of the row.

    A fault in an additional image costs only that image; any other costs the product, which then is None.
    """
    taken = _RowValues(row)
    product = ProductRecord(
        line=row.line,
        external_id=taken.external_id,
        title=taken.take(Column.TITLE, values.parse_title, ""),
        description=taken.take(Column.DESCRIPTION, values.parse_description, ""),
        category=taken.take(Column.CATEGORY, values.parse_category, ()),
        attributes=taken.take(Column.ATTRIBUTES, values.parse_attributes, ()),
        price=taken.take(Column.PRICE, values.parse_price, None),
        availability=taken.take(Column.AVAILABILITY, values.parse_availability, Availability.IN_STOCK),
        link=taken.take(Column.LINK, values.parse_link, None),
        item_group=taken.take(Column.ITEM_GROUP_ID, values.parse_item_group, None),
        images=taken.take_images(),
        raw=row.raw,
    )
    return (None if taken.has_failed else product), tuple(taken.errors)


class _RowValues:
    """Takes one value after the other out of a row, and keeps what is wrong with them.

    Attributes:
        errors: One for every fault found so far.
        has_failed: Whether one of them costs the product.
    """

    def __init__(self, row: FeedRow) -> None:
        self.errors: list[RowError] = []
        self.has_failed = False
        self.external_id = ""
        self._row = row
        self._unstorable: set[str] = set()
        self._check_storable()
        self.external_id = self.take(Column.ID, values.parse_id, "")

    def take(self, column: Column, parse: Callable[[object], T], fallback: T) -> T:
        """The column's parsed value; ``fallback``, and an error, where it cannot be taken.

        Args:
            fallback: What ``parse`` makes of an absent value, where the column is optional.
        """
        name = self._row.names.get(column)
        value = None if name is None else self._row.raw.get(name)
        if name in self._unstorable or (column not in REQUIRED_COLUMNS and (value is None or value == "")):
            return fallback
        try:
            return parse(value)
        except ValueFault as fault:
            self._add(column, fault)
            self.has_failed = True
            return fallback

    def take_images(self) -> tuple[FeedImage, ...]:
        """The main image with its box, then the additional ones, each source once."""
        main = self.take(Column.IMAGE, values.parse_image_source, "")
        box: CropBox | None = self.take(Column.IMAGE_BOX, values.parse_image_box, None)
        no_more: Sequence[object] = ()
        sources = {main: None}
        for part in self.take(Column.ADDITIONAL_IMAGES, values.split_image_sources, no_more):
            try:
                sources.setdefault(values.parse_image_source(part))
            except ValueFault as fault:
                self._add(Column.ADDITIONAL_IMAGES, fault)
        return tuple(
            FeedImage(source, position, box if position == 0 else None) for position, source in enumerate(sources)
        )

    def _check_storable(self) -> None:
        row = self._row
        for name, value in row.raw.items():
            if not row.is_suspect and not isinstance(value, list | dict):
                continue
            try:
                check_storable(value, row.bad_text, is_suspect=row.is_suspect)
            except ValueFault as fault:
                self._unstorable.add(name)
                self._add(shorten(name)[1:-1], fault)
                self.has_failed = True

    def _add(self, column: str, fault: ValueFault) -> None:
        self.errors.append(RowError(self._row.line, str(column), fault.found, fault.expected, self.external_id or None))
