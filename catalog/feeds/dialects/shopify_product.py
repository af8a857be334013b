"""From the rows of one Shopify product to a product record, or to what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from catalog.feeds import values
from catalog.feeds.dialects import shopify_values
from catalog.feeds.dialects.dialect import ReadingOptions
from catalog.feeds.dialects.option_names import COLOR, MATERIAL, PATTERN, group_of_name, group_of_option
from catalog.feeds.dialects.shopify_columns import OPTIONS, ShopifyColumn, ShopifyHeader
from catalog.feeds.dialects.shopify_values import STANDARD_METAFIELDS, Status
from catalog.feeds.dialects.variants import VARIANTS, best_availability, lowest_price, raw_of_variants
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.row_values import RowValues
from catalog.types import (
    EVERY_FIELD,
    Availability,
    FeedImage,
    Outcome,
    Price,
    ProductField,
    ProductRecord,
    RowError,
)

_DEFAULT_VALUE = "default title"
_GROUP_OF_METAFIELD = {
    "color-pattern": COLOR,
    "fabric": MATERIAL,
    "pattern": PATTERN,
    "target-gender": "gender",
    "age-group": "age_group",
}
_METAFIELDS_NOT_TAKEN = frozenset({"care-instructions"})
_SEVERAL_IN_ONE = frozenset({COLOR, MATERIAL, PATTERN})
_NO_POSITION = 10**9


class LeftOut(StrEnum):
    """Why a product that can be read is none of the catalog's.

    ``unpublished`` is what is not on the shop's online store: a customer who found it could not open its page.
    """

    DRAFT = "draft"
    ARCHIVED = "archived"
    UNLISTED = "unlisted"
    UNPUBLISHED = "not published on the online store"
    GIFT_CARD = "gift card"


_LEFT_OUT_BY_STATUS = {
    Status.DRAFT: LeftOut.DRAFT,
    Status.ARCHIVED: LeftOut.ARCHIVED,
    Status.UNLISTED: LeftOut.UNLISTED,
}


def group_of_metafield(key: str, label: str) -> str | None:
    """The attribute group of a metafield: of Shopify's own any, of others those whose label is that of an option."""
    if not key.startswith(STANDARD_METAFIELDS):
        return group_of_name(label)
    name = key.removeprefix(STANDARD_METAFIELDS)
    if name in _METAFIELDS_NOT_TAKEN:
        return None
    if (group := _GROUP_OF_METAFIELD.get(name)) is not None:
        return group
    words = name.removesuffix("-type").replace("-", " ").replace("=", " ").replace(":", " ")
    # "shoe size" and "jewelry material" are a size and a material.
    return group_of_name(words) or " ".join(words.split()) or None


@dataclass(slots=True)
class ShopifyCounts:
    """What is told of a feed as a whole.

    Args:
        left_out: Products that their shop does not list, by why.
        without_currency: Products with a price that has none.
        categories_by_id: Products whose category is named by its id alone.
        without_quantity: Products of which a variant is counted by the shop, in a feed without quantities.
    """

    left_out: Counter[LeftOut] = field(default_factory=Counter)
    without_currency: int = 0
    categories_by_id: int = 0
    without_quantity: int = 0


class ShopifyProducts:
    """Makes products of rows, and counts what is told of the whole feed."""

    def __init__(self, header: ShopifyHeader, options: ReadingOptions) -> None:
        self.counts = ShopifyCounts()
        self._header = header
        self._names = {name: name for name in (*header.names.values(), *header.metafields)}
        self._currency = options.currency
        self._given = _given_by(frozenset(header.names))
        self._raw_names: frozenset[str] | None = None

    def of_rows(self, handle: str, items: Sequence[FeedRow | RowError]) -> tuple[ProductRecord | None, list[RowError]]:
        """The product, and an error for every fault; neither where its shop does not list it.

        Where there is no product, every row has an error.

        Args:
            items: At least one; errors are of rows that could not be read.
        """
        first_line = items[0].line
        rows = [self._values_of(item, handle, first_line) for item in items if isinstance(item, FeedRow)]
        good = [taken for taken in rows if not taken.values.has_failed]
        # A spreadsheet may have sorted the rows: the product's fields are where its title is.
        head = next((taken for taken in good if self._text(taken, ShopifyColumn.TITLE)), None)
        shown = head or (good[0] if good else None)
        if shown is not None and (reason := self._why_left_out(shown)) is not None:
            self.counts.left_out[reason] += 1
            return None, []
        record = None
        if head is not None:
            record = self._record(handle, first_line, head, good)
        elif good and good[0].row is items[0]:
            good[0].values.add(
                self._name(ShopifyColumn.TITLE),
                ValueFault("nothing", "a title on the product's first row, and its other rows next to that"),
                Outcome.ROW_SKIPPED,
            )
        errors_by_line = {taken.row.line: taken.values.errors for taken in rows}
        errors = [
            replace(error, external_id=handle, first_line=first_line)
            for item in items
            for error in ([item] if isinstance(item, RowError) else errors_by_line[item.line])
        ]
        if head is not None and (head.values.has_failed or record is None or not record.images):
            record = None
        return record, errors if record is not None else _with_all_rows(errors, items, handle)

    def _values_of(self, row: FeedRow, handle: str, first_line: int) -> _Row:
        taken = RowValues(row, self._names, first_line)
        taken.external_id = handle
        return _Row(row, taken)

    def _name(self, column: ShopifyColumn) -> str:
        return self._header.names.get(column, "")

    def _text(self, taken: _Row, column: ShopifyColumn) -> str:
        value = taken.values.value(self._name(column))
        return value.strip() if isinstance(value, str) else ""

    def _why_left_out(self, shown: _Row) -> LeftOut | None:
        status = Status.ACTIVE
        if self._text(shown, ShopifyColumn.STATUS):
            status = shown.values.take(
                self._name(ShopifyColumn.STATUS), shopify_values.parse_status, status, outcome=Outcome.MENDED
            )
        if status is not Status.ACTIVE:
            return _LEFT_OUT_BY_STATUS[status]
        if not self._is_true(shown, ShopifyColumn.PUBLISHED, otherwise=True):
            return LeftOut.UNPUBLISHED
        return LeftOut.GIFT_CARD if self._is_true(shown, ShopifyColumn.GIFT_CARD, otherwise=False) else None

    def _is_true(self, taken: _Row, column: ShopifyColumn, *, otherwise: bool) -> bool:
        if not self._text(taken, column):
            return otherwise
        return taken.values.take(self._name(column), shopify_values.parse_truth, otherwise, outcome=Outcome.MENDED)

    def _record(self, handle: str, first_line: int, head: _Row, rows: Sequence[_Row]) -> ProductRecord:
        variants = [taken for taken in rows if taken is head or self._is_variant(taken)]
        return ProductRecord(
            line=first_line,
            external_id=handle,
            title=head.values.take(self._name(ShopifyColumn.TITLE), values.parse_title, "", is_required=True),
            description=head.values.take(
                self._name(ShopifyColumn.DESCRIPTION), shopify_values.parse_html, "", outcome=Outcome.MENDED
            ),
            category=self._category(head),
            attributes=self._attributes(head, rows),
            price=self._price(variants),
            availability=self._availability(variants),
            link=None,
            item_group=None,
            images=self._images(head, rows),
            raw=self._raw(head, rows),
            given=self._given,
            raw_names=self._names_of(head.row),
        )

    def _is_variant(self, taken: _Row) -> bool:
        columns = (ShopifyColumn.PRICE, *(value for _, value, _ in OPTIONS))
        return any(self._text(taken, column) for column in columns)

    def _category(self, head: _Row) -> tuple[str, ...]:
        no_levels: tuple[str, ...] = ()
        for column in (ShopifyColumn.CATEGORY, ShopifyColumn.GOOGLE_CATEGORY, ShopifyColumn.TYPE):
            text = self._text(head, column)
            if column is not ShopifyColumn.TYPE and shopify_values.is_category_id(text):
                self.counts.categories_by_id += column is ShopifyColumn.CATEGORY
                continue
            parse = values.parse_category if column is ShopifyColumn.TYPE else shopify_values.parse_category_path
            levels = head.values.take(self._name(column), parse, no_levels, outcome=Outcome.MENDED)
            if levels:
                return levels
        return ()

    def _price(self, variants: Sequence[_Row]) -> Price | None:
        if self._currency is None:
            self.counts.without_currency += any(self._text(taken, ShopifyColumn.PRICE) for taken in variants)
            return None
        prices = (self._price_of(taken, self._currency) for taken in variants)
        return lowest_price([price for price in prices if price is not None])

    def _price_of(self, taken: _Row, currency: str) -> Price | None:
        text = self._text(taken, ShopifyColumn.PRICE)
        if not text:
            return None
        try:
            price, is_mended = shopify_values.parse_amount(text, currency)
        except ValueFault as fault:
            taken.values.add(self._name(ShopifyColumn.PRICE), fault, Outcome.MENDED)
            return None
        if is_mended:
            mended = ValueFault(shorten(text), shopify_values.AMOUNT_FORM)
            taken.values.add(self._name(ShopifyColumn.PRICE), mended, Outcome.MENDED)
        return price

    def _availability(self, variants: Sequence[_Row]) -> Availability:
        if not self._name(ShopifyColumn.QUANTITY):
            # Shops with several locations have their quantities in a file of its own.
            self.counts.without_quantity += any(self._text(taken, ShopifyColumn.TRACKER) for taken in variants)
            return Availability.IN_STOCK
        # Every variant is looked at, so that every fault is told.
        return best_availability([self._availability_of(taken) for taken in variants])

    def _availability_of(self, taken: _Row) -> Availability:
        quantity = 0
        if self._text(taken, ShopifyColumn.QUANTITY):
            # What cannot be read is not known to be sold out.
            quantity = taken.values.take(
                self._name(ShopifyColumn.QUANTITY), shopify_values.parse_whole_number, 1, outcome=Outcome.MENDED
            )
        is_sold_on = bool(self._text(taken, ShopifyColumn.POLICY)) and taken.values.take(
            self._name(ShopifyColumn.POLICY), shopify_values.parse_policy, False, outcome=Outcome.MENDED
        )
        is_tracked = not self._name(ShopifyColumn.TRACKER) or bool(self._text(taken, ShopifyColumn.TRACKER))
        return Availability.IN_STOCK if quantity > 0 or is_sold_on or not is_tracked else Availability.OUT_OF_STOCK

    def _images(self, head: _Row, rows: Sequence[_Row]) -> tuple[FeedImage, ...]:
        """The product's images in their order, then those of variants that are not among them, each once."""
        placed: list[tuple[int, str]] = []
        of_variants: list[str] = []
        for taken in rows:
            if self._text(taken, ShopifyColumn.IMAGE):
                position = _NO_POSITION
                if self._text(taken, ShopifyColumn.IMAGE_POSITION):
                    position = taken.values.take(
                        self._name(ShopifyColumn.IMAGE_POSITION),
                        shopify_values.parse_whole_number,
                        _NO_POSITION,
                        outcome=Outcome.MENDED,
                    )
                placed.append((position, self._image_source(taken, ShopifyColumn.IMAGE)))
            if self._text(taken, ShopifyColumn.VARIANT_IMAGE):
                of_variants.append(self._image_source(taken, ShopifyColumn.VARIANT_IMAGE))
        # Sorting keeps those of one position in the order of the rows.
        ordered = [source for _, source in sorted(placed, key=lambda image: image[0])]
        sources = [source for source in dict.fromkeys([*ordered, *of_variants]) if source]
        column = self._name(ShopifyColumn.IMAGE) or self._name(ShopifyColumn.VARIANT_IMAGE)
        if not sources and not ordered and not of_variants:
            where = "its row" if len(rows) == 1 else f"any of its {len(rows):,} rows"
            head.values.add(column, ValueFault(f"no image on {where}", "a product with at least one image"))
        if len(sources) > values.MAX_IMAGES:
            head.values.add(
                column,
                ValueFault(f"{len(sources):,} images", f"at most {values.MAX_IMAGES}, of which the first are taken"),
                Outcome.IMAGE_LEFT_OUT,
            )
        return tuple(FeedImage(source, position) for position, source in enumerate(sources[: values.MAX_IMAGES]))

    def _image_source(self, taken: _Row, column: ShopifyColumn) -> str:
        return taken.values.take(
            self._name(column), values.parse_image_source, "", outcome=Outcome.IMAGE_LEFT_OUT, is_required=True
        )

    def _attributes(self, head: _Row, rows: Sequence[_Row]) -> tuple[str, ...]:
        found = _Attributes()
        for option in OPTIONS:
            self._add_option(found, option, head, rows)
        for name, (key, label) in self._header.metafields.items():
            group = group_of_metafield(key, label)
            text = head.values.value(name)
            if group is not None and isinstance(text, str):
                for part in shopify_values.split_metafield(key, text):
                    found.add(head, name, group, part)
        found.add(head, self._name(ShopifyColumn.VENDOR), "brand", self._text(head, ShopifyColumn.VENDOR))
        found.add(head, self._name(ShopifyColumn.TYPE), "type", self._text(head, ShopifyColumn.TYPE))
        found.add(head, self._name(ShopifyColumn.GENDER), "gender", self._text(head, ShopifyColumn.GENDER))
        age_group = self._text(head, ShopifyColumn.AGE_GROUP).partition("(")[0]
        found.add(head, self._name(ShopifyColumn.AGE_GROUP), "age_group", age_group)
        for tag in self._text(head, ShopifyColumn.TAGS).split(","):
            group, colon, value = tag.partition(":")
            of_group = group_of_name(group) if colon else None
            found.add(head, self._name(ShopifyColumn.TAGS), of_group or "tag", value if of_group else tag)
        return found.all(head, self._name(ShopifyColumn.TAGS))

    def _add_option(
        self,
        found: _Attributes,
        option: tuple[ShopifyColumn, ShopifyColumn, ShopifyColumn],
        head: _Row,
        rows: Sequence[_Row],
    ) -> None:
        name_column, value_column, link_column = option
        first_rows: dict[str, _Row] = {}
        for taken in rows:
            value = self._text(taken, value_column)
            if value and value.casefold() != _DEFAULT_VALUE:
                first_rows.setdefault(value, taken)
        if not first_rows:
            return
        link = self._text(head, link_column)
        group = group_of_metafield(link, "") if link.startswith(STANDARD_METAFIELDS) else None
        if group is None:
            group = group_of_option(self._text(head, name_column), first_rows)
        for value, taken in first_rows.items():
            found.add(taken, self._name(value_column), group, value)

    def _names_of(self, row: FeedRow) -> frozenset[str]:
        """What ``raw`` may hold, the same of all rows."""
        if self._raw_names is None:
            self._raw_names = frozenset({*row.raw, VARIANTS})
        return self._raw_names

    def _raw(self, head: _Row, rows: Sequence[_Row]) -> dict[str, object]:
        """The rows as the feed gave them, the product's own fields told once."""
        own = {name: value for name, value in head.row.raw.items() if name in self._header.of_products and value}
        own[self._name(ShopifyColumn.HANDLE)] = head.values.external_id
        return raw_of_variants(
            [own | {name: value for name, value in taken.row.raw.items() if value} for taken in rows]
        )


@dataclass(frozen=True, slots=True)
class _Row:
    row: FeedRow
    values: RowValues


class _Attributes:
    """Attributes in normal form, in the order in which they are found."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, taken: _Row, column: str, group: str, text: str) -> None:
        """Add what a text says of a group; what is no attribute is told, and left out."""
        words = shopify_values.split_words(text) if group in _SEVERAL_IN_ONE else [text]
        for word in words:
            if not word.strip():
                continue
            try:
                # With its group before it, a value may hold what would separate a group from a value.
                self._names.update(dict.fromkeys(values.parse_attributes([f"{group}={word}"])))
            except ValueFault as fault:
                taken.values.add(column, fault, Outcome.MENDED)

    def all(self, head: _Row, column: str) -> tuple[str, ...]:
        """All of them, sorted; of too many the first found."""
        if len(self._names) > values.MAX_ATTRIBUTES:
            expected = f"at most {values.MAX_ATTRIBUTES} attributes, of which the first are taken"
            head.values.add(column, ValueFault(f"{len(self._names):,} attributes", expected), Outcome.MENDED)
        return tuple(sorted(list(self._names)[: values.MAX_ATTRIBUTES]))


def _given_by(columns: frozenset[ShopifyColumn]) -> frozenset[ProductField]:
    """What a feed with these columns says anything of; options, tags and metafields are attributes of any feed."""
    needed: Mapping[ProductField, set[ShopifyColumn]] = {
        ProductField.DESCRIPTION: {ShopifyColumn.DESCRIPTION},
        ProductField.CATEGORY: {ShopifyColumn.CATEGORY, ShopifyColumn.GOOGLE_CATEGORY, ShopifyColumn.TYPE},
        ProductField.PRICE: {ShopifyColumn.PRICE},
        ProductField.AVAILABILITY: {ShopifyColumn.QUANTITY, ShopifyColumn.TRACKER, ShopifyColumn.POLICY},
    }
    # What no column of Shopify's tells.
    unknown = {ProductField.LINK, ProductField.ITEM_GROUP, ProductField.IMAGE_BOX}
    return EVERY_FIELD - unknown - {field for field, any_of in needed.items() if not columns & any_of}


def _with_all_rows(errors: Sequence[RowError], items: Sequence[FeedRow | RowError], handle: str) -> list[RowError]:
    """The errors, and one for each row that has none that costs it: its product could not be taken."""
    # What was mended of a product that is not taken is not worth telling.
    skipping = [replace(error, outcome=Outcome.ROW_SKIPPED) for error in errors if error.outcome is not Outcome.MENDED]
    at_fault = min((error.line for error in skipping), default=items[0].line)
    by_line: dict[int, list[RowError]] = {}
    for error in skipping:
        by_line.setdefault(error.line, []).append(error)
    told: list[RowError] = []
    for item in items:
        told.extend(
            by_line.get(item.line)
            or [
                RowError(
                    item.line,
                    None,
                    f"a row of {shorten(handle)}, whose line {at_fault} cannot be taken",
                    "a product whose own row can be taken",
                    handle,
                    first_line=items[0].line,
                )
            ]
        )
    return told
