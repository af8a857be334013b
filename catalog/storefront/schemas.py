"""What the API takes and answers, as JSON. The names are part of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from catalog.types import (
    AttributeChanges,
    Availability,
    Hit,
    SearchAnswer,
    SearchFilters,
    SearchMode,
    SearchOptions,
    UnderstoodWords,
)
from embeddings.crop_box import CropBox

LARGEST_PRICE: Final = 2**31
MOST_ATTRIBUTES: Final = 50


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("text without the character NUL")
    return text


ProductId = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
CategoryName = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
AttributeNames = Annotated[tuple[AttributeName, ...], Field(max_length=MOST_ATTRIBUTES)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$")]
Amount = Annotated[Decimal, Field(ge=0, le=LARGEST_PRICE, max_digits=20)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
Threshold = Annotated[float, Field(ge=-1, le=1000, allow_inf_nan=False)]
WebAddress = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_storable)]


class _Taken(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorFacts(_Answered):
    """What went wrong, what was received, what would have been right, and what to do."""

    code: Annotated[str, Field(description="For programs; does not change.", examples=["product_not_found"])]
    message: Annotated[str, Field(description="For people.")]
    received: str | None = None
    expected: str | None = None
    remedy: str | None = None
    id: Annotated[str | None, Field(description="By which an operator finds it in the log.")] = None


class ErrorAnswer(_Answered):
    """Every answer with a status of 400 or more."""

    error: ErrorFacts


class Crop(_Taken):
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


class Filters(_Taken):
    """What a hit must satisfy; what is left out restricts nothing."""

    category: Annotated[CategoryName | None, Field(description="A level, or a path: Women > Dresses")] = None
    all: Annotated[AttributeNames, Field(description="Attributes that it must have, such as color=red.")] = ()
    any: Annotated[AttributeNames, Field(description="Attributes of which it must have one.")] = ()
    none: Annotated[AttributeNames, Field(description="Attributes that it must not have.")] = ()
    min_price: Amount | None = None
    max_price: Amount | None = None
    currency: Annotated[CurrencyCode | None, Field(description="Prices in this currency only.")] = None
    availability: Annotated[tuple[Availability, ...], Field(max_length=len(Availability))] = ()

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
        )


class Ranking(_Taken):
    """How hits are ranked, and which of them are answered with."""

    mode: Annotated[
        SearchMode,
        Field(
            description="visual: cosine of the visual feature. rerank: the best candidates by histogram intersection. "
            "native: histogram intersection over everything."
        ),
    ] = SearchMode.RERANK
    exact: Annotated[bool, Field(description="Compare with every image; for checking the index.")] = False
    limit: Annotated[int, Field(ge=1, le=100, description="Hits per page.")] = 10
    page: Annotated[int, Field(ge=0, le=99, description="Which page, from 0.")] = 0
    candidates: Annotated[int, Field(ge=1, le=10_000, description="How many candidates rerank looks at.")] = 200
    score_threshold: Annotated[Threshold | None, Field(description="Leave out hits that score lower.")] = None
    per_product: Annotated[bool, Field(description="One hit per product, its best image shown.")] = True

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
        )


class Query(Ranking):
    """What to search with: a product, the address of a photo, the photo that is uploaded beside this, or words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"product_id": "D-1001", "limit": 12},
                {"image_url": "https://shop.example/photo.jpg", "filters": {"all": ["color=red"], "max_price": "80"}},
                {"words": "red lace maxi dress under 50 EUR, without floral"},
                {"product_id": "D-1001", "but": ["color=blue"], "without": ["detail=belt"]},
            ]
        }
    )

    product_id: Annotated[ProductId | None, Field(description="A product of the catalog; runs no network.")] = None
    image_url: Annotated[WebAddress | None, Field(description="Address of a photo, which is fetched.")] = None
    words: Annotated[
        Words | None,
        Field(
            description="Attributes, categories, price bounds and negations, in English. Attributes that the model "
            "knows rank, all else filters; the answer's `understood` tells what was made of them. Not with mode visual."
        ),
    ] = None
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


class ReasonAnswer(_Answered):
    """An attribute and its share of the hit's histogram intersection."""

    attribute: str
    share: Annotated[float, Field(ge=0, le=1)]


class PriceAnswer(_Answered):
    """An amount, as a decimal number in text, in a currency."""

    amount: Annotated[str, Field(examples=["59.90"])]
    currency: Annotated[str, Field(examples=["EUR"])]


class ProductAnswer(_Answered):
    """A product as the feed describes it."""

    id: Annotated[str, Field(description="The merchant's own.")]
    title: str
    category: Annotated[tuple[str, ...], Field(description="Level names, from the general to the special.")]
    attributes: tuple[str, ...]
    given_attributes: Annotated[tuple[str, ...], Field(description="The merchant's own words for them.")]
    price: PriceAnswer | None
    availability: Availability
    link: str | None
    item_group: str | None


class ImageAnswer(_Answered):
    """The product's image that is nearest to the query."""

    id: int
    sha256: str
    url: Annotated[str, Field(description="Path of its bytes; takes ?width=.")]


class HitAnswer(_Answered):
    """One item of the answer."""

    rank: Annotated[int, Field(ge=1, description="Over all pages.")]
    score: Annotated[float, Field(description="Higher is nearer.")]
    product: ProductAnswer
    image: ImageAnswer
    why: Annotated[tuple[ReasonAnswer, ...], Field(description="The largest shares, largest first.")]

    @classmethod
    def of(cls, hit: Hit) -> HitAnswer:
        """A hit of the services."""
        price = hit.price
        return cls(
            rank=hit.rank,
            score=hit.score,
            product=ProductAnswer(
                id=hit.external_id,
                title=hit.title,
                category=hit.category,
                attributes=hit.attributes,
                given_attributes=hit.given_attributes,
                price=None if price is None else price_answer(price.amount, price.currency),
                availability=hit.availability,
                link=hit.link,
                item_group=hit.item_group,
            ),
            image=ImageAnswer(id=hit.image_id, sha256=hit.image_sha256, url=f"/v1/images/{hit.image_sha256}"),
            why=tuple(ReasonAnswer(attribute=one.attribute, share=min(one.share, 1.0)) for one in hit.why),
        )


class UnderstoodAnswer(_Answered):
    """What was made of the words, and which of them were ignored."""

    all: Annotated[tuple[str, ...], Field(description="Attributes that are asked for.")]
    none: Annotated[tuple[str, ...], Field(description="Attributes that are ruled out.")]
    category: str | None
    min_price: str | None
    max_price: str | None
    currency: str | None
    ignored: Annotated[tuple[str, ...], Field(description="Words that nothing was made of.")]

    @classmethod
    def of(cls, words: UnderstoodWords) -> UnderstoodAnswer:
        """Understood words of the services."""
        low, high = words.min_price, words.max_price
        return cls(
            all=words.all_of,
            none=words.none_of,
            category=words.category,
            min_price=None if low is None else plain_amount(low),
            max_price=None if high is None else plain_amount(high),
            currency=words.currency,
            ignored=words.ignored,
        )


class SearchAnswered(_Answered):
    """A page of hits with what produced it."""

    hits: tuple[HitAnswer, ...]
    page: int
    limit: int
    mode: SearchMode
    model_version: str
    gallery: Annotated[str, Field(description="The collection that was searched.")]
    timings_ms: Annotated[Mapping[str, float], Field(description="Milliseconds per stage.")]
    understood: Annotated[UnderstoodAnswer | None, Field(description="Of a search by words.")] = None

    @classmethod
    def of(cls, answer: SearchAnswer, options: SearchOptions) -> SearchAnswered:
        """An answer of the services."""
        return cls(
            hits=tuple(HitAnswer.of(hit) for hit in answer.hits),
            page=options.page,
            limit=options.limit,
            mode=answer.mode,
            model_version=answer.model_version,
            gallery=answer.collection,
            timings_ms={stage: round(value, 3) for stage, value in answer.timings_ms.items()},
            understood=None if answer.understood is None else UnderstoodAnswer.of(answer.understood),
        )


class ValueCount(_Answered):
    """A value and the number of products that have it."""

    value: str
    count: int


class PriceRange(_Answered):
    """The prices there are in one currency."""

    currency: str
    lowest: str
    highest: str
    count: int


class FacetsAnswered(_Answered):
    """How many products there are under the filters, and of what kind."""

    num_products: int
    attributes: Annotated[
        Mapping[str, tuple[ValueCount, ...]], Field(description="By group, the most frequent first, at most 100 each.")
    ]
    categories: Annotated[tuple[ValueCount, ...], Field(description="Every level as its path from the top.")]
    availability: tuple[ValueCount, ...]
    prices: tuple[PriceRange, ...]


class CheckAnswered(_Answered):
    """Whether one resource does what it is there for."""

    name: str
    ok: bool
    why: Annotated[str | None, Field(description="What is wrong with it.")] = None


class ReadyAnswered(_Answered):
    """Whether searches can be answered."""

    ready: bool
    checks: tuple[CheckAnswered, ...]


class HealthAnswered(_Answered):
    """The process answers."""

    status: str = "ok"


def price_answer(amount: Decimal, currency: str) -> PriceAnswer:
    """A price without the zeros that its column adds.

    >>> price_answer(Decimal("59.9000"), "EUR").amount, price_answer(Decimal("100.0000"), "EUR").amount
    ('59.90', '100.00')
    """
    return PriceAnswer(amount=plain_amount(amount), currency=currency)


def plain_amount(amount: Decimal) -> str:
    """At least two decimals, and more only where they are not zero."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents:f}" if cents == amount else f"{amount.normalize():f}"


def query_schemas() -> dict[str, Any]:
    """The JSON schemas of ``Query`` and of what it refers to, by name, for the API's description."""
    schema = Query.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Query": schema}
