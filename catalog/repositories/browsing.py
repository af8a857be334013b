"""Products one by one and page by page, as whoever browses the catalog sees them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import CTE, Select, func, literal, select, true
from sqlalchemy.orm import Session

from catalog.repositories.facets import ProductConditions, conditions_on_products
from catalog.repositories.products import ShownProduct
from catalog.rows import (
    GalleryRow,
    GalleryState,
    ImageFetchRow,
    ImageRow,
    ImageState,
    IndexedImageRow,
    OutboxRow,
    ProductRow,
)


@dataclass(frozen=True, slots=True)
class DescribedImage:
    """All that is known of one image of a product.

    Args:
        source: What the feed calls it.
        crop: The item's box in pixels of the upright photo: left, top, right, bottom.
        is_held: The live gallery holds it, so that searches find it.
        is_dirty: A change of it, or of its product, waits to be indexed.
        error: Why it was set aside, or why it was not fetched or indexed the last time that was tried.
    """

    id: int
    source: str
    position: int
    crop: tuple[int, ...] | None
    sha256: str | None
    width: int | None
    height: int | None
    state: ImageState
    is_held: bool
    is_dirty: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class WholeProduct:
    """A product with all its images, the main one first."""

    id: int
    external_id: str
    title: str
    description: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    given_attributes: tuple[str, ...]
    price: Decimal | None
    currency: str | None
    availability: str
    link: str | None
    item_group: str | None
    created_at: datetime.datetime
    updated_at: datetime.datetime
    images: tuple[DescribedImage, ...]


@dataclass(frozen=True, slots=True)
class ListedProducts:
    """Some of the products that hold to conditions, in order, and how many there are of these in all."""

    num_products: int
    products: tuple[ShownProduct, ...]


_PRODUCT_COLUMNS: Final = (
    ProductRow.id,
    ProductRow.external_id,
    ProductRow.title,
    ProductRow.category,
    ProductRow.attributes,
    ProductRow.given_attributes,
    ProductRow.price,
    ProductRow.currency,
    ProductRow.availability,
    ProductRow.link,
    ProductRow.item_group,
)


class BrowsingRepository:
    """Questions of whoever looks at products, not at what looks like one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def product(self, merchant_id: int, external_id: str) -> WholeProduct | None:
        """The merchant's product of this id, or None."""
        row = self._session.execute(
            select(ProductRow.description, ProductRow.created_at, ProductRow.updated_at, *_PRODUCT_COLUMNS).where(
                ProductRow.merchant_id == merchant_id, ProductRow.external_id == external_id
            )
        ).one_or_none()
        if row is None:
            return None
        description, created_at, updated_at, id, external_id, title, category, attributes, given, *rest = row
        price, currency, availability, link, item_group = rest
        return WholeProduct(
            id,
            external_id,
            title,
            description,
            tuple(category),
            tuple(attributes),
            tuple(given),
            price,
            currency,
            availability,
            link,
            item_group,
            created_at,
            updated_at,
            self._images_of(id),
        )

    def _images_of(self, product_id: int) -> tuple[DescribedImage, ...]:
        held = (
            select(literal(1))
            .select_from(IndexedImageRow)
            .join(GalleryRow, GalleryRow.id == IndexedImageRow.gallery_id)
            .where(
                IndexedImageRow.image_id == ImageRow.id,
                GalleryRow.merchant_id == ImageRow.merchant_id,
                GalleryRow.state == GalleryState.LIVE,
            )
        )
        rows = self._session.execute(
            select(
                ImageRow.id,
                ImageRow.source,
                ImageRow.position,
                ImageRow.crop,
                ImageRow.sha256,
                ImageRow.width,
                ImageRow.height,
                ImageRow.state,
                held.exists(),
                OutboxRow.image_id.is_not(None),
                func.coalesce(ImageRow.last_error, ImageFetchRow.last_error, OutboxRow.last_error),
            )
            .outerjoin(OutboxRow, OutboxRow.image_id == ImageRow.id)
            .outerjoin(ImageFetchRow, ImageFetchRow.image_id == ImageRow.id)
            .where(ImageRow.product_id == product_id)
            .order_by(ImageRow.position, ImageRow.id)
        )
        return tuple(
            DescribedImage(
                id,
                source,
                position,
                None if crop is None else tuple(crop),
                sha256,
                width,
                height,
                ImageState(state),
                is_held,
                is_dirty,
                error or None,
            )
            for id, source, position, crop, sha256, width, height, state, is_held, is_dirty, error in rows
        )

    def newest(self, merchant_id: int, conditions: ProductConditions, before: int | None, limit: int) -> ListedProducts:
        """Products that came into the catalog before the one of the id ``before``, the latest first."""
        found = _found(merchant_id, conditions)
        rest = select(found.c.id).order_by(found.c.id.desc()).limit(limit)
        return self._listed(found, rest if before is None else rest.where(found.c.id < before), is_newest_first=True)

    def by_external_id(
        self, merchant_id: int, conditions: ProductConditions, after: str | None, limit: int
    ) -> ListedProducts:
        """Products in the order of the merchant's own ids, as the database sorts texts, those above ``after``."""
        found = _found(merchant_id, conditions)
        rest = select(found.c.id).order_by(found.c.external_id).limit(limit)
        rest = rest if after is None else rest.where(found.c.external_id > after)
        return self._listed(found, rest, is_newest_first=False)

    def _listed(self, found: CTE, ids: Select[Any], *, is_newest_first: bool) -> ListedProducts:
        # One statement, and so of one moment; and the conditions are looked at once for the page and for the number.
        total = select(func.count().label("num_products")).select_from(found).subquery("total")
        shown = (
            select(ImageRow.id, ImageRow.sha256)
            .where(
                ImageRow.product_id == ProductRow.id,
                ImageRow.state == ImageState.READY,
                ImageRow.sha256.is_not(None),
            )
            .order_by(ImageRow.position, ImageRow.id)
            .limit(1)
            .lateral("shown")
        )
        page = (
            select(shown.c.id.label("image_id"), shown.c.sha256, *_PRODUCT_COLUMNS, ProductRow.created_at)
            .select_from(ProductRow)
            .join(shown, true())
            .where(ProductRow.id.in_(ids))
            .subquery("page")
        )
        place = page.c.id.desc() if is_newest_first else page.c.external_id
        rows = self._session.execute(
            select(total.c.num_products, page).outerjoin_from(total, page, true()).order_by(place)
        ).all()
        return ListedProducts(rows[0][0], tuple(_shown(*row[1:]) for row in rows if row[1] is not None))


def _found(merchant_id: int, conditions: ProductConditions) -> CTE:
    return (
        select(ProductRow.id, ProductRow.external_id)
        .where(*conditions_on_products(merchant_id, conditions))
        .cte("found")
    )


def _shown(
    image_id: int,
    sha256: str,
    product_id: int,
    external_id: str,
    title: str,
    category: Sequence[str],
    attributes: Sequence[str],
    given_attributes: Sequence[str],
    *facts: Any,  # noqa: ANN401 - price, currency, availability, link, item group and time of a row.
) -> ShownProduct:
    return ShownProduct(
        image_id,
        sha256,
        product_id,
        external_id,
        title,
        tuple(category),
        tuple(attributes),
        tuple(given_attributes),
        *facts,
    )
