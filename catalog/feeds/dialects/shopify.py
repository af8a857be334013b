"""Shopify's product CSV, of both header sets: the rows of one handle are one product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from catalog.errors import FeedUnreadable
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects.dialect import Dialect, DialectReader, ReadingOptions
from catalog.feeds.dialects.shopify_columns import ShopifyColumn, match_shopify_columns
from catalog.feeds.dialects.shopify_product import LeftOut, ShopifyProducts, group_of_metafield
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.layout import FeedFormat
from catalog.feeds.row_values import RowValues
from catalog.types import DialectName, ProductRecord, RowError

MAX_PRODUCT_ROWS = 5_000
"""A Shopify product has at most 2,048 variants and 250 images."""
MAX_PRODUCT_CHARACTERS = 2**23

_IMAGES = (ShopifyColumn.IMAGE, ShopifyColumn.VARIANT_IMAGE)


class ShopifyDialect(Dialect):
    """What a shop's admin exports and imports."""

    name: ClassVar[DialectName] = DialectName.SHOPIFY
    label: ClassVar[str] = "a Shopify product export"
    expected: ClassVar[str] = "the columns Handle, Title, Image Src, or URL handle, Title, Product image URL"
    formats: ClassVar[frozenset[FeedFormat]] = frozenset({FeedFormat.CSV, FeedFormat.TSV})

    def count_known(self, fields: Sequence[str]) -> int:
        """As ``Dialect``."""
        header = match_shopify_columns(fields)
        is_one = {ShopifyColumn.HANDLE, ShopifyColumn.TITLE} <= header.names.keys() and any(
            column in header.names for column in _IMAGES
        )
        return len(header.names) + len(header.metafields) if is_one else 0

    def knows(self, name: str) -> bool:
        """As ``Dialect``."""
        header = match_shopify_columns([name])
        return bool(header.names or header.metafields)

    def check_header(self, path: Path, names: Sequence[str]) -> tuple[str, ...]:
        """As ``Dialect``."""
        header = match_shopify_columns(names)
        missing = [
            what
            for what, columns in (
                ("Handle", (ShopifyColumn.HANDLE,)),
                ("Title", (ShopifyColumn.TITLE,)),
                ("Image Src", _IMAGES),
            )
            if not any(column in header.names for column in columns)
        ]
        if missing:
            raise FeedUnreadable(
                f"The feed {path} has no column {' and no column '.join(missing)}.",
                received=list_names([name for name in names if name]),
                expected=f"a Shopify product export, with {self.expected}",
                remedy="Export the products (not the inventory) from Shopify's admin, or name Drape's own columns.",
            )
        repeated = [*header.repeated, *(name for name in header.metafields if names.count(name) > 1)]
        if repeated:
            raise FeedUnreadable(
                f"The feed {path} has more than one column for {repeated[0]}.",
                received=list_names(names),
                expected="each column once, in one of its spellings",
                remedy="Remove or rename one of them.",
            )
        return tuple(names)

    def has_id_first(self, header: Sequence[str]) -> bool:
        """As ``Dialect``."""
        return match_shopify_columns(header[:1]).names.keys() == {ShopifyColumn.HANDLE}

    def open(self, header: Sequence[str], options: ReadingOptions) -> DialectReader:
        """As ``Dialect``."""
        return _ShopifyReader(header, options)


@dataclass(slots=True)
class _OpenProduct:
    """The rows of the product that is being read.

    Args:
        is_too_long: Whether there were so many that none is kept.
    """

    handle: str
    first_line: int
    items: list[FeedRow | RowError] = field(default_factory=list)
    num_characters: int = 0
    is_too_long: bool = False


class _ShopifyReader(DialectReader):
    def __init__(self, header: Sequence[str], options: ReadingOptions) -> None:
        self._columns = tuple(header)
        self._header = match_shopify_columns(header)
        self._handle_name = self._header.names[ShopifyColumn.HANDLE]
        self._products = ShopifyProducts(self._header, options)

    @property
    def used_columns(self) -> tuple[str, ...]:
        used = set(self._header.names.values())
        used |= {name for name, metafield in self._header.metafields.items() if group_of_metafield(*metafield)}
        return tuple(name for name in self._columns if name in used)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        used = set(self.used_columns)
        return tuple(name for name in self._columns if name not in used)

    @property
    def notes(self) -> tuple[str, ...]:
        counts = self._products.counts
        notes = []
        if counts.left_out:
            reasons = ", ".join(
                f"{reason} {counts.left_out[reason]:,}" for reason in LeftOut if counts.left_out[reason]
            )
            number = _products(
                counts.left_out.total(), "that the shop does not list was", "that the shop does not list were"
            )
            notes.append(f"{number} left out ({reasons}); a full sync removes what was listed before.")
        if counts.without_currency:
            number = _products(counts.without_currency, "was", "were")
            notes.append(
                f"{number} taken without a price: the export does not say of what currency prices are; --currency does."
            )
        if counts.categories_by_id:
            number = _products(counts.categories_by_id, "names its", "name their")
            notes.append(f"{number} category by its id alone, which was not taken.")
        if counts.without_quantity:
            number = _products(counts.without_quantity, "was", "were")
            notes.append(f"{number} taken as in stock: the export has no column of quantities.")
        return tuple(notes)

    def products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        product: _OpenProduct | None = None
        # Rows without a handle belong to the product above, unless the row above could not be read.
        is_above_known = True
        for row in rows:
            handle = row.external_id or "" if isinstance(row, RowError) else self._handle_text(row)
            if product is not None and handle == product.handle:
                is_above_known = True
                yield from self._add(product, row)
            elif handle:
                if product is not None:
                    yield from self._finish(product)
                handle, errors = self._checked_handle(row, handle)
                yield from errors
                is_above_known = not errors
                product = _OpenProduct(handle, row.line) if is_above_known else None
                if product is not None:
                    yield from self._add(product, row)
            elif isinstance(row, RowError):
                is_above_known = False
                yield row
            elif product is None or not is_above_known:
                what = "a row that could not be read" if not is_above_known else "no row"
                yield RowError(
                    row.line,
                    self._handle_name,
                    f"nothing, below {what}",
                    "the product's handle, or rows without one directly below their product",
                )
            else:
                yield from self._add(product, row)
        if product is not None:
            yield from self._finish(product)

    def _handle_text(self, row: FeedRow) -> str:
        value = row.raw.get(self._handle_name)
        return value.strip() if isinstance(value, str) else ""

    def _checked_handle(self, row: FeedRow | RowError, handle: str) -> tuple[str, list[RowError]]:
        if isinstance(row, RowError):
            return handle, []
        taken = RowValues(row, {self._handle_name: self._handle_name})
        taken.take_id(self._handle_name)
        # Other faults of the row are told with its product.
        return handle, [] if taken.external_id else taken.errors

    def _add(self, product: _OpenProduct, row: FeedRow | RowError) -> Iterator[RowError]:
        if product.is_too_long:
            yield _too_long(product, row)
            return
        product.items.append(row)
        if isinstance(row, FeedRow):
            product.num_characters += sum(len(value) for value in row.raw.values() if isinstance(value, str))
        if len(product.items) > MAX_PRODUCT_ROWS or product.num_characters > MAX_PRODUCT_CHARACTERS:
            product.is_too_long = True
            for item in product.items:
                yield _too_long(product, item)
            product.items.clear()

    def _finish(self, product: _OpenProduct) -> Iterator[ProductRecord | RowError]:
        if product.is_too_long:
            return
        record, errors = self._products.of_rows(product.handle, product.items)
        yield from errors
        if record is not None:
            yield record


def _too_long(product: _OpenProduct, row: FeedRow | RowError) -> RowError:
    return RowError(
        row.line,
        None,
        f"a row of a product that has more than {MAX_PRODUCT_ROWS:,} rows or {MAX_PRODUCT_CHARACTERS:,} characters",
        "a product as Shopify exports them, with at most 2,048 variants",
        product.handle,
        first_line=product.first_line,
    )


def _products(number: int, one: str, several: str) -> str:
    return f"1 product {one}" if number == 1 else f"{number:,} products {several}"
