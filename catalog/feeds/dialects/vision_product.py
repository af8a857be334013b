"""What the rows of one product of a Vision Product Search file say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from catalog.feeds import values
from catalog.feeds.dialects.bounding_polygons import parse_bounding_polygon
from catalog.feeds.dialects.variants import VARIANTS, raw_of_variants
from catalog.feeds.dialects.vision_columns import (
    VisionColumn,
    parse_label,
    parse_product_category,
    parse_product_set,
    parse_uri,
    split_labels,
)
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.row_values import RowValues
from catalog.types import EVERY_FIELD, Availability, FeedImage, Outcome, ProductField, ProductRecord, RowError
from embeddings.crop_box import CropBox, RelativeBox

NAMES: Mapping[VisionColumn, str] = {column: column.value for column in VisionColumn}

_GIVEN = EVERY_FIELD - {
    ProductField.DESCRIPTION,
    ProductField.PRICE,
    ProductField.AVAILABILITY,
    ProductField.LINK,
    ProductField.ITEM_GROUP,
}
_RAW_NAMES = frozenset({*NAMES.values(), VARIANTS})


class VisionProduct:
    """A product, row by row; of bounded size, whatever the number of its rows.

    Attributes:
        has_title: Whether one of the rows names it.
    """

    def __init__(self, external_id: str) -> None:
        self._external_id = external_id
        self._first_line: int | None = None
        self._title: str | None = None
        self._category: tuple[str, ...] | None = None
        self._attributes: set[str] = set()
        self._images: list[FeedImage] = []
        self._lines: dict[str, int] = {}
        self._raws: list[Mapping[str, object]] = []

    @property
    def has_title(self) -> bool:
        return self._title is not None

    def take(self, rows: Iterable[FeedRow]) -> Iterator[RowError]:
        """Take all its rows; what is wrong with them, in their order."""
        for row in rows:
            if self._first_line is None:
                self._first_line = row.line
            taken = RowValues(row, NAMES, self._first_line)
            taken.external_id = self._external_id
            self._take_row(row, taken)
            # Text that no database can hold was found before the id was known.
            yield from (replace(error, external_id=self._external_id) for error in taken.errors)

    def record(self) -> ProductRecord | None:
        """The product; None where no row had an image."""
        if not self._images or self._first_line is None:
            return None
        return ProductRecord(
            line=self._first_line,
            external_id=self._external_id,
            title=self._title or self._external_id,
            description="",
            category=self._category or (),
            attributes=tuple(sorted(self._attributes)),
            price=None,
            availability=Availability.IN_STOCK,
            link=None,
            item_group=None,
            images=tuple(self._images),
            raw=raw_of_variants(self._raws),
            given=_GIVEN,
            raw_names=_RAW_NAMES,
        )

    def _take_row(self, row: FeedRow, taken: RowValues) -> None:
        source = taken.take(VisionColumn.IMAGE_URI, parse_uri, "", is_required=True)
        if taken.has_failed:
            return
        self._take_facts(taken)
        earlier = self._lines.get(source)
        if earlier is not None:
            expected = "each image of a product once; this one stays as it came first"
            fault = ValueFault(f"{shorten(source)}, as on line {earlier}", expected)
            taken.add(VisionColumn.IMAGE_URI, fault, Outcome.IMAGE_LEFT_OUT)
            return
        if len(self._images) == values.MAX_IMAGES:
            fault = ValueFault(shorten(source), f"at most {values.MAX_IMAGES} images of a product")
            taken.add(VisionColumn.IMAGE_URI, fault, Outcome.IMAGE_LEFT_OUT)
            return
        box = taken.take(VisionColumn.BOUNDING_POLY, parse_bounding_polygon, None, outcome=Outcome.MENDED)
        self._lines[source] = row.line
        self._raws.append(row.raw)
        self._images.append(
            FeedImage(
                source,
                len(self._images),
                box if isinstance(box, CropBox) else None,
                box if isinstance(box, RelativeBox) else None,
            )
        )

    def _take_facts(self, taken: RowValues) -> None:
        """The first name and category, and every label and set."""
        no_levels: tuple[str, ...] | None = None
        category = taken.take(
            VisionColumn.PRODUCT_CATEGORY, parse_product_category, no_levels, is_required=True, outcome=Outcome.MENDED
        )
        if self._category is None:
            self._category = category
        if self._title is None:
            self._title = taken.take(
                VisionColumn.PRODUCT_DISPLAY_NAME, _parse_display_name, None, outcome=Outcome.MENDED
            )
        product_set = taken.value(VisionColumn.PRODUCT_SET_ID)
        if product_set:
            self._add(taken, VisionColumn.PRODUCT_SET_ID, parse_product_set, str(product_set))
        for label in split_labels(taken.value(VisionColumn.LABELS)):
            self._add(taken, VisionColumn.LABELS, parse_label, label)

    def _add(self, taken: RowValues, column: VisionColumn, parse: Callable[[str], tuple[str, ...]], text: str) -> None:
        try:
            attributes = parse(text)
            if len(self._attributes.union(attributes)) > values.MAX_ATTRIBUTES:
                raise ValueFault(
                    f"more than {values.MAX_ATTRIBUTES} labels of one product",
                    f"at most {values.MAX_ATTRIBUTES}; {shorten(attributes[0])} is left out",
                )
        except ValueFault as fault:
            taken.add(column, fault, Outcome.MENDED)
        else:
            self._attributes.update(attributes)


def _parse_display_name(value: object) -> str | None:
    """The title; None of a blank, which is what stands for no name."""
    return values.parse_title(value) if isinstance(value, str) and value.strip() else None
