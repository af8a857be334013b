"""Products as the API tells of them."""

from __future__ import annotations

from catalog.api_schemas.hits import ImageAnswer, ProductAnswer
from catalog.api_schemas.prices import price_answer
from catalog.api_schemas.products import (
    BoxAnswer,
    ListedProduct,
    ProductImageAnswer,
    ProductsAnswered,
    WholeProductAnswer,
)
from catalog.repositories.browsing import DescribedImage, WholeProduct
from catalog.repositories.products import ShownProduct
from catalog.rows import ImageState
from catalog.services.browsing.product_browsing import ProductPage, standing
from catalog.types import Availability, ImageStanding


def page_answer(page: ProductPage) -> ProductsAnswered:
    """A page of the catalog."""
    items = tuple(
        ListedProduct(
            product=product_answer(shown),
            image=ImageAnswer(id=shown.image_id, sha256=shown.sha256, url=f"/v1/images/{shown.sha256}"),
        )
        for shown in page.products
    )
    return ProductsAnswered(items=items, total=page.total, next=page.following)


def whole_answer(product: WholeProduct, *, is_for_merchant: bool) -> WholeProductAnswer:
    """A product with all its images.

    Args:
        is_for_merchant: Whether whoever asks may know what went wrong, and what is where on other servers.
    """
    return WholeProductAnswer(
        **dict(product_answer(product)),
        description=product.description,
        images=tuple(_image_answer(image, is_for_merchant=is_for_merchant) for image in product.images),
        created_at=product.created_at,
        updated_at=product.updated_at,
    )


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


def _image_answer(image: DescribedImage, *, is_for_merchant: bool) -> ProductImageAnswer:
    state, note = standing(image)
    is_shown = image.state in (ImageState.READY, ImageState.DUPLICATE) and image.sha256 is not None
    box = None
    if image.crop is not None:
        left, top, right, bottom = image.crop
        box = BoxAnswer(left=left, top=top, right=right, bottom=bottom)
    return ProductImageAnswer(
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
