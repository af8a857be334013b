"""What searches take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from catalog.api_schemas.fields import (
    MOST_FIELDS,
    Amount,
    AttributeNames,
    CategoryName,
    CurrencyCode,
    FieldName,
    FieldValues,
    ModeName,
    ProductId,
    ProductIds,
    Taken,
    Threshold,
    WebAddress,
    Words,
)
from catalog.types import AttributeChanges, Availability, Boosts, Examples, SearchFilters, SearchMode, SearchOptions
from embeddings.crop_box import CropBox


class Crop(Taken):
    """The item's box in pixels of the upright photo: left and top inclusive, right and bottom exclusive."""

    left: Annotated[int, Field(ge=0, le=100_000)]
    top: Annotated[int, Field(ge=0, le=100_000)]
    right: Annotated[int, Field(ge=1, le=100_000)]
    bottom: Annotated[int, Field(ge=1, le=100_000)]

    @model_validator(mode="after")
    def _holds_something(self) -> Crop:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError("a box with left < right and top < bottom")
        return self

    def box(self) -> CropBox:
        """The same as a value."""
        return CropBox(self.left, self.top, self.right, self.bottom)


class Filters(Taken):
    """What a hit must satisfy; what is left out restricts nothing."""

    category: Annotated[CategoryName | None, Field(description="A level, or a path: Women > Dresses")] = None
    all: Annotated[AttributeNames, Field(description="Attributes that it must have, such as color=red.")] = ()
    any: Annotated[AttributeNames, Field(description="Attributes of which it must have one.")] = ()
    none: Annotated[AttributeNames, Field(description="Attributes that it must not have.")] = ()
    min_price: Amount | None = None
    max_price: Amount | None = None
    currency: Annotated[CurrencyCode | None, Field(description="Prices in this currency only.")] = None
    availability: Annotated[tuple[Availability, ...], Field(max_length=len(Availability))] = ()
    fields: Annotated[
        Mapping[FieldName, FieldValues],
        Field(
            max_length=MOST_FIELDS,
            description="The merchant's own columns: of each name one of the values must hold.",
            examples=[{"season": ["summer", "spring"]}],
        ),
    ] = Field(default_factory=dict)

    def values(self) -> SearchFilters:
        """The same as the services take it."""
        return SearchFilters(
            category=self.category,
            all_of=self.all,
            any_of=self.any,
            none_of=self.none,
            min_price=self.min_price,
            max_price=self.max_price,
            currency=self.currency,
            availability=self.availability,
            fields=tuple(self.fields.items()),
        )


Strength = Annotated[float, Field(ge=0, le=1)]
"""How much something acts, from 0, not at all."""


class Boost(Taken):
    """What lifts hits beside their score: at 1 by as much as the best of 200 candidates leads the last, at 0.1 by a
    tenth of that."""

    in_stock: Annotated[Strength, Field(description="Items that are in stock.")] = 0.0
    newer: Annotated[
        Strength,
        Field(description="Items that came into the catalog later: half as much for 30 days before the newest."),
    ] = 0.0


class Ranking(Taken):
    """How hits are ranked, and which of them are answered with."""

    mode: Annotated[
        ModeName,
        Field(
            description="fused: the best candidates by looks and attributes together. visual (or fc6, pool): cosine of "
            "the visual feature. rerank: the best candidates by histogram intersection. native: histogram intersection "
            "over everything. exact: the same, compared with every image."
        ),
    ] = SearchMode.RERANK
    exact: Annotated[bool, Field(description="Compare with every image; for checking the index.")] = False
    limit: Annotated[int, Field(ge=1, le=100, description="Hits per page.")] = 10
    page: Annotated[int, Field(ge=0, le=99, description="Which page, from 0.")] = 0
    candidates: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="How many candidates rerank looks at, and fused by either; 200 to 1,000 with `but` or "
            "`without`.",
        ),
    ] = 200
    score_threshold: Annotated[Threshold | None, Field(description="Leave out hits that score lower.")] = None
    per_product: Annotated[bool, Field(description="One hit per product, its best image shown.")] = True
    diversity: Annotated[
        Strength,
        Field(
            description="How much hits that are like those before them give way, among the 200 best images (maximal "
            "marginal relevance, λ = 1 − diversity). 0 is the order of scores; 0.5 shows a good deal less of the same."
        ),
    ] = 0.0
    boost: Boost = Boost()

    def values(self) -> SearchOptions:
        """The same as the services take it."""
        return SearchOptions(
            mode=self.mode,
            limit=self.limit,
            page=self.page,
            candidates=max(self.candidates, self.limit),
            exact=self.exact,
            score_threshold=self.score_threshold,
            per_product=self.per_product,
            diversity=self.diversity,
            boosts=Boosts(in_stock=self.boost.in_stock, newer=self.boost.newer),
        )


class Query(Ranking):
    """What to search with: a product, the address of a photo, the photo that is uploaded beside this, words, or `like`.

    `like`, `unlike` and `words` may also stand beside a product or a photo.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"product_id": "D-1001", "limit": 12},
                {
                    "image_url": "https://shop.example/photo.jpg",
                    "filters": {"all": ["color=red"], "max_price": "80", "currency": "EUR"},
                },
                {"words": "red lace maxi dress under 50 EUR, without floral"},
                {"product_id": "D-1001", "but": ["color=blue"], "without": ["detail=belt"]},
                {"product_id": "D-1001", "words": "but in blue, without floral, under 50 EUR"},
                {"like": ["D-1001", "D-1007"], "unlike": ["D-1003"]},
                {"product_id": "D-1001", "diversity": 0.5, "boost": {"in_stock": 0.2}},
            ]
        }
    )

    product_id: Annotated[ProductId | None, Field(description="A product of the catalog; runs no network.")] = None
    image_url: Annotated[WebAddress | None, Field(description="Address of a photo, which is fetched.")] = None
    words: Annotated[
        Words | None,
        Field(
            description="Attributes, categories, price bounds and negations, in English. Alone, attributes that the "
            "model knows rank, and all else filters. Beside a photo or products they are changes: attributes act as in "
            "`but`, negations as in `without`, and all else filters. The answer's `understood` tells what was made of "
            "them. Attributes not with mode visual."
        ),
    ] = None
    like: Annotated[
        ProductIds,
        Field(
            description="Products that hits shall be like, alone or in addition to a photo or product. With `unlike` "
            "at most 20; none of them is a hit."
        ),
    ] = ()
    unlike: Annotated[
        ProductIds,
        Field(
            description="Products that hits shall not be like; a third of their mean is taken from that of the others."
        ),
    ] = ()
    crop: Annotated[Crop | None, Field(description="The item's box in the photo.")] = None
    but: Annotated[
        AttributeNames,
        Field(
            description="Attributes that hits shall have in place of the photo's or product's own, such as color=blue; "
            "what the model cannot see filters. Hits come from the best candidates, by looks, by the attributes that "
            "stay, and by the change. Not with mode visual."
        ),
    ] = ()
    without: Annotated[
        AttributeNames, Field(description="Attributes that hits shall not have, though the photo or product has them.")
    ] = ()
    filters: Filters = Filters()

    def changes(self) -> AttributeChanges:
        """What shall be other than in the photo, as the services take it."""
        return AttributeChanges(self.but, self.without)

    def examples(self) -> Examples:
        """What hits shall be like, and what not, as the services take it."""
        return Examples(self.like, self.unlike)


def query_schemas() -> dict[str, Any]:
    """The JSON schemas of ``Query`` and of what it refers to, by name, for the API's description."""
    schema = Query.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Query": schema}
