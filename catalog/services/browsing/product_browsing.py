"""A merchant's products as the feed describes them, one by one and page by page."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final

from catalog.errors import InvalidRequest, ProductNotFound
from catalog.repositories.browsing import DescribedImage, WholeProduct
from catalog.repositories.products import ShownProduct
from catalog.rows import ImageState
from catalog.services.browsing.facets import conditions_of
from catalog.types import ImageStanding, ProductOrder, SearchFilters
from catalog.unit_of_work import UnitOfWorkFactory

MAX_LISTED: Final = 100
_LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Some products in order.

    Args:
        total: How many there are on all pages.
        following: Names the place behind the last of them, for the next page; None where nothing follows.
    """

    products: tuple[ShownProduct, ...]
    total: int
    following: str | None


class ProductBrowsing:
    """Shows products, whether or not searches find them."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def get(self, merchant_id: int, external_id: str) -> WholeProduct:
        """A product with all its images.

        Raises:
            ProductNotFound: the merchant has none of this id.
        """
        with self._unit_of_work() as work:
            product = work.browsing.product(merchant_id, external_id)
        if product is None:
            raise product_not_found(external_id)
        return product

    def page(
        self,
        merchant_id: int,
        filters: SearchFilters | None = None,
        order: ProductOrder = ProductOrder.NEWEST,
        *,
        after: str | None = None,
        limit: int = 24,
    ) -> ProductPage:
        """Products that have an image to be shown by.

        Pages do not shift when products come or go meanwhile: each begins behind a product, not after a number.

        Args:
            after: ``following`` of the page before, in the same order.
            limit: 1 to 100.

        Raises:
            InvalidRequest: the filters have no meaning, or there is no such place in this order.
        """
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequest("limit is out of range", received=str(limit), expected=f"1 to {MAX_LISTED}")
        place = None if after is None else _Place.parse(after, order)
        with self._unit_of_work() as work:
            conditions = conditions_of(work, merchant_id, filters or SearchFilters())
            # One more than is shown, to know whether anything follows.
            if order is ProductOrder.NEWEST:
                before = None if place is None else place.id
                listed = work.browsing.newest(merchant_id, conditions, before, limit + 1)
            else:
                above = None if place is None else place.external_id
                listed = work.browsing.by_external_id(merchant_id, conditions, above, limit + 1)
        shown = listed.products[:limit]
        following = None
        if len(listed.products) > limit:
            following = str(_Place(order, shown[-1].product_id, shown[-1].external_id))
        return ProductPage(shown, listed.num_products, following)


def standing(image: DescribedImage) -> tuple[ImageStanding, str]:
    """How an image stands, and the same in words."""
    match image.state:
        case ImageState.QUARANTINED:
            return ImageStanding.SET_ASIDE, "cannot be used"
        case ImageState.DUPLICATE:
            return ImageStanding.DUPLICATE, "another image of the product shows the same photo"
        case ImageState.PENDING:
            return ImageStanding.WAITS, "waits to be fetched"
        case ImageState.READY if not image.is_held:
            return ImageStanding.WAITS, "waits to be indexed"
    if image.is_dirty:
        return ImageStanding.INDEXED, "searches find it; a change waits to be indexed"
    return ImageStanding.INDEXED, "searches find it"


def product_not_found(external_id: str) -> ProductNotFound:
    """What is raised of a product that the merchant does not have."""
    return ProductNotFound(
        "No such product",
        received=external_id,
        expected="the id of a product of the catalog",
        remedy="look the id up in the feed, or in GET /v1/products",
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in an order, behind a product, which need not be there any more.

    As text it is only meant to be handed back: the order and both ids, as JSON in URL-safe Base64. Whoever makes up
    one sees no more than by any other: whose products are listed is never read from it.
    """

    order: ProductOrder
    id: int
    external_id: str

    def __str__(self) -> str:
        said = json.dumps([self.order, self.id, self.external_id], ensure_ascii=False)
        return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, order: ProductOrder) -> _Place:
        """Read what ``str`` gave.

        Raises:
            InvalidRequest: it is none, or of another order.
        """
        try:
            said = json.loads(base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
            told, id, external_id = said
            if not isinstance(id, int) or not 0 <= id <= _LARGEST_ID or "\0" in external_id:
                raise ValueError("ids that none can have")
            # PostgreSQL takes no half of a surrogate pair.
            external_id.encode()
            place = cls(ProductOrder(told), id, external_id)
        except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidRequest(
                "There is no such place in the list",
                received=text,
                expected="the `next` of a page",
                remedy="leave `after` out to start from the beginning",
            ) from error
        if place.order != order:
            raise InvalidRequest(
                "The place is one of another order",
                received=f"a place by {place.order}, in a list by {order}",
                expected="the `next` of a page in the same order",
                remedy="leave `after` out to start from the beginning",
            )
        return place
