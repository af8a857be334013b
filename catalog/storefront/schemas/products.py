"""Products as they are browsed: one with all its images, and pages of them."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from catalog.repositories.browsing import DescribedImage, WholeProduct
from catalog.repositories.products import ShownProduct
from catalog.rows import ImageState
from catalog.services.product_browsing import ImageStanding, ProductPage, standing
from catalog.storefront.schemas.fields import Answered
from catalog.storefront.schemas.hits import ImageAnswer, ProductAnswer
from catalog.storefront.schemas.prices import price_answer
from catalog.types import Availability


class BoxAnswer(Answered):
    """The item's box in pixels of the upright photo: left and top inclusive, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int


class ProductImageAnswer(Answered):
    """One image of a product, and whether searches find it."""

    id: int
    position: Annotated[int, Field(description="The main image has the lowest.")]
    sha256: Annotated[str | None, Field(description="Of its bytes; none before they came.")]
    url: Annotated[str | None, Field(description="Path of its bytes, where they can be shown; takes ?width=.")]
    width: Annotated[int | None, Field(description="In pixels, upright.")]
    height: int | None
    box: Annotated[BoxAnswer | None, Field(description="The item's, where the feed gives one.")]
    state: Annotated[
        ImageStanding,
        Field(
            description="indexed: searches find it. waits: to be fetched or indexed. duplicate: another image of the "
            "product shows the same photo. set_aside: it cannot be used."
        ),
    ]
    note: Annotated[str, Field(description="The state in words.", examples=["waits to be fetched"])]
    reason: Annotated[
        str | None,
        Field(description="What failed last, if anything did. Told to keys with the scope ingest or admin only."),
    ]
    source: Annotated[
        str | None, Field(description="What the feed calls it. Told to keys with the scope ingest or admin only.")
    ]

    @classmethod
    def of(cls, image: DescribedImage, *, is_for_merchant: bool) -> ProductImageAnswer:
        """An image of the services.

        Args:
            is_for_merchant: Whether whoever asks may know what went wrong, and what is where on other servers.
        """
        state, note = standing(image)
        is_shown = image.state in (ImageState.READY, ImageState.DUPLICATE) and image.sha256 is not None
        box = None
        if image.crop is not None:
            left, top, right, bottom = image.crop
            box = BoxAnswer(left=left, top=top, right=right, bottom=bottom)
        return cls(
            id=image.id,
            position=image.position,
            sha256=image.sha256,
            url=f"/v1/images/{image.sha256}" if is_shown else None,
            width=image.width,
            height=image.height,
            box=box,
            state=state,
            note=note,
            reason=image.error if is_for_merchant and state is not ImageStanding.DUPLICATE else None,
            source=image.source if is_for_merchant else None,
        )


class WholeProductAnswer(ProductAnswer):
    """A product as the feed describes it, with all its images."""

    description: str
    images: Annotated[tuple[ProductImageAnswer, ...], Field(description="The main one first.")]
    created_at: Annotated[datetime.datetime, Field(description="When a feed brought it.")]
    updated_at: Annotated[datetime.datetime, Field(description="When a feed last changed it.")]

    @classmethod
    def of(cls, product: WholeProduct, *, is_for_merchant: bool) -> WholeProductAnswer:
        """A product of the services."""
        return cls(
            **dict(product_answer(product)),
            description=product.description,
            images=tuple(ProductImageAnswer.of(image, is_for_merchant=is_for_merchant) for image in product.images),
            created_at=product.created_at,
            updated_at=product.updated_at,
        )


class ListedProduct(Answered):
    """A product and its main image, in the shape that hits have them in."""

    product: ProductAnswer
    image: ImageAnswer


class ProductsAnswered(Answered):
    """A page of the catalog."""

    items: tuple[ListedProduct, ...]
    total: Annotated[int, Field(description="Products under the filters, on all pages.")]
    next: Annotated[
        str | None,
        Field(description="For `after`, to have what follows; null at the end. Holds while products come and go."),
    ]

    @classmethod
    def of(cls, page: ProductPage) -> ProductsAnswered:
        """A page of the services."""
        items = tuple(
            ListedProduct(
                product=product_answer(shown),
                image=ImageAnswer(id=shown.image_id, sha256=shown.sha256, url=f"/v1/images/{shown.sha256}"),
            )
            for shown in page.products
        )
        return cls(items=items, total=page.total, next=page.following)


def product_answer(product: WholeProduct | ShownProduct) -> ProductAnswer:
    """What is told of a product everywhere."""
    price = None
    if product.price is not None and product.currency is not None:
        price = price_answer(product.price, product.currency)
    return ProductAnswer(
        id=product.external_id,
        title=product.title,
        category=product.category,
        attributes=product.attributes,
        given_attributes=product.given_attributes,
        price=price,
        availability=Availability(product.availability),
        link=product.link,
        item_group=product.item_group,
    )
