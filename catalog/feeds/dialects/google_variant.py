"""What one row of a Google Merchant Center feed says: one size of a product, or all of it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from catalog.feeds import values
from catalog.feeds.dialects.dialect import ReadingOptions
from catalog.feeds.dialects.google_fields import CUSTOM_LABELS, GoogleField
from catalog.feeds.dialects.google_values import (
    check_gtin,
    parse_category_path,
    parse_description,
    parse_moment,
    parse_old_availability,
    parse_period,
    split_details,
    split_image_links,
    split_slashes,
    texts_of,
)
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.row_values import RowValues
from catalog.types import Availability, Outcome, Price

T = TypeVar("T")

MAX_COLORS = 3
MAX_ADDITIONAL_IMAGES = 10
"""So many of either Google allows; Drape takes more."""

_MAX_LENGTHS = {GoogleField.ID: 50, GoogleField.TITLE: 150, GoogleField.DESCRIPTION: 5000}
_PRICE_FORM = "an amount and a currency, such as 49.90 EUR"
_GROUPS = {
    GoogleField.BRAND: "brand",
    GoogleField.CONDITION: "condition",
    GoogleField.COLOR: "color",
    GoogleField.MATERIAL: "material",
    GoogleField.PATTERN: "pattern",
    GoogleField.SIZE_TYPE: "size-type",
    GoogleField.SIZE_SYSTEM: "size-system",
    GoogleField.GENDER: "gender",
    GoogleField.AGE_GROUP: "age_group",
    GoogleField.CUSTOM_LABEL_0: "custom-label-0",
    GoogleField.CUSTOM_LABEL_1: "custom-label-1",
    GoogleField.CUSTOM_LABEL_2: "custom-label-2",
    GoogleField.CUSTOM_LABEL_3: "custom-label-3",
    GoogleField.CUSTOM_LABEL_4: "custom-label-4",
}
_WITH_SLASHES = frozenset({GoogleField.COLOR, GoogleField.MATERIAL})


@dataclass(frozen=True, slots=True)
class GoogleRow:
    """A row, and which of its names mean what.

    Args:
        names: The row's names of each field that it has.
    """

    row: FeedRow
    names: Mapping[GoogleField, tuple[str, ...]]

    def texts(self, field: GoogleField) -> Sequence[str]:
        """All texts of a field that are not blank."""
        names = self.names.get(field)
        if names is None:
            return ()
        raw = self.row.raw
        if len(names) == 1:
            return texts_of(raw.get(names[0]))
        return [text for name in names for text in texts_of(raw.get(name))]

    def text(self, field: GoogleField) -> str:
        """The first text of a field, or an empty one."""
        texts = self.texts(field)
        return texts[0] if texts else ""


@dataclass(frozen=True, slots=True)
class Variant:
    """A row that can be taken.

    Args:
        line: Where it starts.
        row_id: Its own id, which is not its product's where that has several rows.
        attributes: In normal form, all but the size.
        sizes: The attributes of its size.
        price: What it costs now.
        sources: Its images, the main one first, each once.
        labels: The merchant's own, by the names of their fields.
    """

    line: int
    row_id: str
    title: str
    size: str
    description: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    sizes: tuple[str, ...]
    price: Price | None
    availability: Availability
    link: str | None
    sources: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    raw: Mapping[str, object]


def group_of(row: GoogleRow) -> str | None:
    """The item group that a row belongs to; None where it has none, or none that can be taken."""
    text = row.text(GoogleField.ITEM_GROUP_ID)
    try:
        return values.parse_id(text) if text else None
    except ValueFault:
        return None


def id_of(row: GoogleRow) -> str | None:
    """The row's own id, where it can be taken."""
    try:
        return values.parse_id(row.text(GoogleField.ID))
    except ValueFault:
        return None


def color_key(row: GoogleRow) -> tuple[str, ...]:
    """What the colours of one product share: without case, accents in one form, the order kept."""
    text = unicodedata.normalize("NFC", "/".join(row.texts(GoogleField.COLOR))).casefold()
    printable = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return tuple(split_slashes(printable))


class VariantReader:
    """Takes the values out of rows.

    Attributes:
        excesses: How many values there were of which Google takes fewer or shorter ones, by what they are.
        num_dated_prices: How many rows had a sale price that begins or ends later.
    """

    def __init__(self, options: ReadingOptions) -> None:
        self.excesses: Counter[str] = Counter()
        self.num_dated_prices = 0
        self._options = options

    def read(self, row: GoogleRow, external_id: str | None, first_line: int) -> tuple[Variant | None, RowValues]:
        """The variant, or None where a fault costs the row; and the errors.

        Args:
            external_id: The product's id, where it is known.
            first_line: The product's first line.
        """
        first_names = {field: names[0] for field, names in row.names.items()}
        taken = RowValues(row.row, first_names, first_line, external_id)
        row_id = taken.take(GoogleField.ID, _first(values.parse_id), "", is_required=True)
        title = taken.take(GoogleField.TITLE, _first(values.parse_title), "", is_required=True)
        self._note_lengths(row)
        variant = Variant(
            line=row.row.line,
            row_id=row_id,
            title=title,
            size=" ".join(row.text(GoogleField.SIZE).split()),
            description=_optional(taken, GoogleField.DESCRIPTION, parse_description, ""),
            category=_take_category(taken),
            attributes=self._take_attributes(row, taken),
            sizes=_attributes_of(taken, GoogleField.SIZE, "size", row.texts(GoogleField.SIZE)),
            price=self._take_price(row, taken),
            availability=_take_availability(row, taken),
            link=_optional(taken, GoogleField.LINK, values.parse_link, None)
            or _optional(taken, GoogleField.MOBILE_LINK, values.parse_link, None),
            sources=self._take_images(row, taken),
            labels=tuple((field.value, text) for field in CUSTOM_LABELS for text in row.texts(field)),
            raw=row.row.raw,
        )
        _check_kept(row, taken)
        return (None if taken.has_failed else variant), taken

    @property
    def notes(self) -> tuple[str, ...]:
        """What is more than Google takes, in sentences."""
        return tuple(
            f"Taken whole, though Google would not: {number:,} times {what}." for what, number in self.excesses.items()
        )

    def _note_lengths(self, row: GoogleRow) -> None:
        for field, most in _MAX_LENGTHS.items():
            if len(row.text(field)) > most:
                self.excesses[f"{field} of more than {most:,} characters"] += 1

    def _take_attributes(self, row: GoogleRow, taken: RowValues) -> tuple[str, ...]:
        found: list[str] = []
        for field, group in _GROUPS.items():
            texts = row.texts(field)
            if not texts:
                continue
            if field in _WITH_SLASHES:
                texts = [part for text in texts for part in split_slashes(text)]
            elif field is not GoogleField.SIZE_TYPE:
                texts = texts[:1]
            if field is GoogleField.COLOR and len(texts) > MAX_COLORS:
                self.excesses[f"more than {MAX_COLORS} colors"] += 1
            found.extend(_attributes_of(taken, field, group, texts))
        for group, text in _details_of(row, taken):
            found.extend(_attributes_of(taken, GoogleField.PRODUCT_DETAIL, group, [text]))
        return tuple(sorted(set(found)))

    def _take_price(self, row: GoogleRow, taken: RowValues) -> Price | None:
        """The sale price while it is in effect, else the price."""
        price = self._take_money(taken, GoogleField.PRICE)
        sale = self._take_money(taken, GoogleField.SALE_PRICE)
        if sale is None:
            return price
        period = _optional(taken, GoogleField.SALE_PRICE_EFFECTIVE_DATE, parse_period, None)
        if period is None:
            return price if row.text(GoogleField.SALE_PRICE_EFFECTIVE_DATE) else sale
        start, end = period
        if self._options.now <= end:
            self.num_dated_prices += 1
        return sale if start <= self._options.now <= end else price

    def _take_money(self, taken: RowValues, field: GoogleField) -> Price | None:
        found: tuple[Price, bool] | None = None

        def parse(value: object) -> tuple[Price, bool]:
            return values.parse_money(value, self._options.currency)

        found = _optional(taken, field, parse, None)
        if found is None:
            return None
        price, is_mended = found
        if is_mended:
            taken.add(field, ValueFault(f"{_shown(taken.value(field))}, taken as {price}", _PRICE_FORM), Outcome.MENDED)
        return price

    def _take_images(self, row: GoogleRow, taken: RowValues) -> tuple[str, ...]:
        main = taken.take(GoogleField.IMAGE_LINK, _first(values.parse_image_source), "", is_required=True)
        field = GoogleField.ADDITIONAL_IMAGE_LINK
        links = [link for text in row.texts(field) for link in split_image_links(text)]
        if len(links) > MAX_ADDITIONAL_IMAGES:
            self.excesses[f"more than {MAX_ADDITIONAL_IMAGES} additional images"] += 1
        sources = {main: None}
        for link in links:
            try:
                source = values.parse_image_source(link)
            except ValueFault as fault:
                taken.add(field, fault, Outcome.IMAGE_LEFT_OUT)
                continue
            if source not in sources and len(sources) == values.MAX_IMAGES:
                most = f"at most {values.MAX_IMAGES - 1} additional images"
                taken.add(field, ValueFault(f"{len(links)} images", most), Outcome.IMAGE_LEFT_OUT)
                break
            sources[source] = None
        return tuple(sources)


def _first(parse: Callable[[object], T]) -> Callable[[object], T]:
    """Parse the first text of what was given several times."""

    def parse_first(value: object) -> T:
        if isinstance(value, list):
            value = next(iter(texts_of(value)), value[0] if value else "")
        return parse(value)

    return parse_first


def _optional(taken: RowValues, field: GoogleField, parse: Callable[[object], T], fallback: T) -> T:
    """A value without which the row is taken, too."""
    value = taken.value(field)
    if value is None or not (texts_of(value) or isinstance(value, dict)):
        return fallback
    try:
        return _first(parse)(value)
    except ValueFault as fault:
        _leave_out(taken, field, fault)
        return fallback


def _leave_out(taken: RowValues, field: GoogleField, fault: ValueFault) -> None:
    taken.add(field, ValueFault(f"{fault.found}, left out", fault.expected), Outcome.MENDED)


def _shown(value: object) -> str:
    return shorten(next(iter(texts_of(value)), ""))


def _take_category(taken: RowValues) -> tuple[str, ...]:
    """The shop's own path; else Google's."""
    for field in (GoogleField.PRODUCT_TYPE, GoogleField.GOOGLE_PRODUCT_CATEGORY):
        none: tuple[str, ...] = ()
        if levels := _optional(taken, field, parse_category_path, none):
            return levels
    return ()


def _take_availability(row: GoogleRow, taken: RowValues) -> Availability:
    field = GoogleField.AVAILABILITY
    value = taken.value(field)
    old = parse_old_availability(next(iter(texts_of(value)), None))
    if old is not None:
        try:
            return values.parse_availability(row.text(field))
        except ValueFault as fault:
            found = f"{fault.found}, taken as {old}"
            taken.add(field, ValueFault(found, fault.expected), Outcome.MENDED)
            return old
    return _optional(taken, field, values.parse_availability, Availability.IN_STOCK)


def _attributes_of(taken: RowValues, field: GoogleField, group: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Each text as an attribute; those that cannot be one are left out."""
    if taken.value(field) is None:
        return ()
    found: dict[str, None] = {}
    for text in texts:
        try:
            found.update(dict.fromkeys(values.parse_attributes({group: text})))
        except ValueFault as fault:
            _leave_out(taken, field, fault)
    return tuple(found)


def _details_of(row: GoogleRow, taken: RowValues) -> list[tuple[str, str]]:
    """Name and value of the product's details, from texts or from nested elements."""
    field = GoogleField.PRODUCT_DETAIL
    if taken.value(field) is None:
        return []
    details: list[tuple[str, str]] = []
    for name in row.names[field]:
        value = row.row.raw.get(name)
        for part in value if isinstance(value, list) else [value]:
            try:
                if isinstance(part, dict):
                    details.append((str(part.get("attribute_name", "")), str(part.get("attribute_value", ""))))
                elif isinstance(part, str) and part.strip():
                    details.extend(split_details(part))
            except ValueFault as fault:
                _leave_out(taken, field, fault)
    return [(group, text) for group, text in details if group and text]


def _check_kept(row: GoogleRow, taken: RowValues) -> None:
    """Tell what is wrong with values that are kept as they are."""
    checks: tuple[tuple[GoogleField, Callable[[str], object]], ...] = (
        (GoogleField.GTIN, check_gtin),
        (GoogleField.AVAILABILITY_DATE, parse_moment),
    )
    for field, check in checks:
        text = row.text(field)
        if text and taken.value(field) is not None:
            try:
                check(text)
            except ValueFault as fault:
                taken.add(field, ValueFault(f"{fault.found}, kept as it is", fault.expected), Outcome.MENDED)
    if row.text(GoogleField.ITEM_GROUP_ID) and group_of(row) is None:
        _optional(taken, GoogleField.ITEM_GROUP_ID, values.parse_item_group, None)
