"""Products as they are browsed: one with all its images, and pages of them."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered
from catalog.api_schemas.hits import ImageAnswer, ProductAnswer
from catalog.types import ImageStanding


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


class WholeProductAnswer(ProductAnswer):
    """A product as the feed describes it, with all its images."""

    description: str
    images: Annotated[tuple[ProductImageAnswer, ...], Field(description="The main one first.")]
    created_at: Annotated[datetime.datetime, Field(description="When a feed brought it.")]
    updated_at: Annotated[datetime.datetime, Field(description="When a feed last changed it.")]


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
