"""How many products there are of each kind, under the same filters as searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, any_, cast, func, literal, null, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from catalog.rows import ImageRow, ImageState, IndexedImageRow, ProductRow

_NO_VALUE: Final = cast(null(), Text())
_NO_PATH: Final = cast(null(), ARRAY(Text()))
_NO_NUMBER: Final = cast(null(), ProductRow.price.type)


@dataclass(frozen=True, slots=True)
class ProductConditions:
    """What products are counted: all of it must hold.

    Args:
        categories: The product's category is one of these paths; None for any.
        attributes_of: Of each of these groups of attributes the product has at least one.
        no_attributes: It has none of these.
        lowest, highest: Inclusive bounds of the price.
        currency, availability: What they must be; None and empty for any.
        fields_of: Of each of these groups of own fields, ``name=value``, the product has at least one.
    """

    categories: Sequence[tuple[str, ...]] | None = None
    attributes_of: Sequence[Sequence[str]] = ()
    no_attributes: Sequence[str] = ()
    lowest: Decimal | None = None
    highest: Decimal | None = None
    currency: str | None = None
    availability: Sequence[str] = ()
    fields_of: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """The prices there are in one currency."""

    lowest: Decimal
    highest: Decimal
    count: int


@dataclass(frozen=True, slots=True)
class ProductCounts:
    """Numbers of products: of all, by attribute, by category path, by availability, by currency."""

    num_products: int
    attributes: Mapping[str, int]
    categories: Mapping[tuple[str, ...], int]
    availability: Mapping[str, int]
    prices: Mapping[str, PriceSpan]


class FacetRepository:
    """Counts products that have an image which searches can find."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def categories(self, merchant_id: int) -> list[tuple[str, ...]]:
        """Every category path that a product of the merchant has."""
        paths = select(ProductRow.category).where(ProductRow.merchant_id == merchant_id).distinct()
        return [tuple(path) for path in self._session.execute(paths).scalars()]

    def currencies(self, merchant_id: int) -> list[str]:
        """Every currency that a price of the merchant is in, in alphabetical order."""
        rows = select(ProductRow.currency).where(
            ProductRow.merchant_id == merchant_id, ProductRow.currency.is_not(None)
        )
        return sorted(currency for currency in self._session.execute(rows.distinct()).scalars() if currency)

    def counts(self, merchant_id: int, conditions: ProductConditions) -> ProductCounts:
        """Everything in one statement, and so of one moment."""
        products = (
            select(
                ProductRow.category,
                ProductRow.attributes,
                ProductRow.availability,
                ProductRow.price,
                ProductRow.currency,
            )
            .where(*conditions_on_products(merchant_id, conditions))
            .cte("products")
        )
        attributes = select(func.unnest(products.c.attributes).label("value")).subquery("attributes")
        rows = self._session.execute(
            union_all(
                _part("all").select_from(products),
                _part("attribute", attributes.c.value).group_by(attributes.c.value),
                _part("category", path=products.c.category).group_by(products.c.category),
                _part("availability", products.c.availability).group_by(products.c.availability),
                _part(
                    "price",
                    products.c.currency,
                    low=func.min(products.c.price),
                    high=func.max(products.c.price),
                )
                .where(products.c.currency.is_not(None))
                .group_by(products.c.currency),
            )
        ).all()
        return ProductCounts(
            num_products=next(row[3] for row in rows if row[0] == "all"),
            attributes={row[1]: row[3] for row in rows if row[0] == "attribute"},
            categories={tuple(row[2]): row[3] for row in rows if row[0] == "category"},
            availability={row[1]: row[3] for row in rows if row[0] == "availability"},
            prices={row[1]: PriceSpan(row[4], row[5], row[3]) for row in rows if row[0] == "price"},
        )

    def attributes(self, merchant_id: int, conditions: ProductConditions) -> dict[str, int]:
        """Numbers of products by attribute: a part of the counts, in less time."""
        value = func.unnest(ProductRow.attributes).label("value")
        named = select(value).where(*conditions_on_products(merchant_id, conditions)).subquery("attributes")
        rows = self._session.execute(select(named.c.value, func.count()).group_by(named.c.value))
        return {row[0]: row[1] for row in rows}

    def fields(
        self, merchant_id: int, conditions: ProductConditions, names: Sequence[str] | None = None, most: int = 100
    ) -> dict[str, int]:
        """Numbers of products by own field, ``name=value``, the most frequent first.

        Args:
            names: Only those of these names, in normal form; None for all.
            most: Values per name, those of most products.
        """
        entry = func.unnest(ProductRow.fields).label("entry")
        entries = select(entry).where(*conditions_on_products(merchant_id, conditions)).subquery("entries")
        name = func.split_part(entries.c.entry, "=", 1)
        number = func.count()
        place = func.row_number().over(partition_by=name, order_by=(number.desc(), entries.c.entry))
        counted = select(entries.c.entry, number.label("number"), place.label("place")).group_by(entries.c.entry)
        if names is not None:
            counted = counted.where(name == any_(cast(list(names), ARRAY(Text()))))
        ranked = counted.subquery("ranked")
        rows = self._session.execute(
            select(ranked.c.entry, ranked.c.number)
            .where(ranked.c.place <= most)
            .order_by(ranked.c.number.desc(), ranked.c.entry)
        )
        return {row[0]: row[1] for row in rows}

    def num_held(self, merchant_id: int, gallery_id: int, conditions: ProductConditions, at_most: int) -> int:
        """How many of the products the gallery holds an image of; not more than so many are counted."""
        held = (
            select(literal(1))
            .select_from(ImageRow)
            .join(IndexedImageRow, IndexedImageRow.image_id == ImageRow.id)
            .where(
                ImageRow.product_id == ProductRow.id,
                ImageRow.state == ImageState.READY,
                IndexedImageRow.gallery_id == gallery_id,
            )
        )
        some = (
            select(literal(1))
            .select_from(ProductRow)
            .where(*conditions_on_products(merchant_id, conditions), held.exists())
            .limit(at_most)
            .subquery("some")
        )
        return self._session.execute(select(func.count()).select_from(some)).scalar_one()


def _part(
    facet: str,
    value: ColumnElement[Any] = _NO_VALUE,
    path: ColumnElement[Any] = _NO_PATH,
    low: ColumnElement[Any] = _NO_NUMBER,
    high: ColumnElement[Any] = _NO_NUMBER,
) -> Select[Any]:
    """Facet, value or path, number of products, lowest and highest price: the columns of every part of the union."""
    return select(literal(facet), value, path, func.count(), low, high)


def conditions_on_products(merchant_id: int, conditions: ProductConditions) -> list[ColumnElement[bool]]:
    """What rows of ``ProductRow`` must hold to, to be counted or listed: it is the merchant's, and has an image."""
    image = select(literal(1)).where(ImageRow.product_id == ProductRow.id, ImageRow.state == ImageState.READY)
    found: list[ColumnElement[bool]] = [ProductRow.merchant_id == merchant_id, image.exists()]
    if conditions.categories is not None:
        paths = [list(path) for path in conditions.categories]
        found.append(ProductRow.category.in_(paths) if paths else ~true())
    found.extend(_overlaps(ProductRow.attributes, names) for names in conditions.attributes_of)
    found.extend(_overlaps(ProductRow.fields, entries) for entries in conditions.fields_of)
    if conditions.no_attributes:
        found.append(~_overlaps(ProductRow.attributes, conditions.no_attributes))
    if conditions.lowest is not None:
        found.append(ProductRow.price >= conditions.lowest)
    if conditions.highest is not None:
        found.append(ProductRow.price <= conditions.highest)
    if conditions.currency is not None:
        found.append(ProductRow.currency == conditions.currency)
    if conditions.availability:
        found.append(ProductRow.availability == any_(cast(list(conditions.availability), ARRAY(Text()))))
    return found


def _overlaps(column: InstrumentedAttribute[list[str]], names: Sequence[str]) -> ColumnElement[bool]:
    overlap: ColumnElement[bool] = cast(column, ARRAY(Text())).overlap(cast(list(names), ARRAY(Text())))
    return overlap
