"""What searches answer with."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered, Notes
from catalog.api_schemas.prices import PriceAnswer, plain_amount, price_answer
from catalog.types import Availability, Hit, SearchAnswer, SearchMode, SearchOptions, TotalRelation, UnderstoodWords


class ReasonAnswer(Answered):
    """An attribute and its share of the hit's histogram intersection."""

    attribute: str
    share: Annotated[float, Field(ge=0, le=1)]


class ProductAnswer(Answered):
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


class ImageAnswer(Answered):
    """The product's image that is nearest to the query."""

    id: int
    sha256: str
    url: Annotated[str, Field(description="Path of its bytes; takes ?width=.")]


class HitAnswer(Answered):
    """One item of the answer."""

    rank: Annotated[int, Field(ge=1, description="Over all pages.")]
    score: Annotated[float, Field(description="Higher is nearer; boosts and diversity leave it as it is.")]
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


class UnderstoodAnswer(Answered):
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


class TotalAnswer(Answered):
    """How many hits there are on all pages, known or bounded."""

    value: Annotated[int, Field(ge=0)]
    relation: Annotated[
        TotalRelation,
        Field(
            description="exact: counted. at_least: more may pass the filters, but only candidates are ranked, or a "
            "threshold cuts the ranking, or no more are counted. Of candidates it is how many hits they allow. "
            "What was removed a moment ago counts until the index has followed."
        ),
    ]


class SearchAnswered(Answered):
    """A page of hits with what produced it."""

    hits: tuple[HitAnswer, ...]
    total: TotalAnswer
    page: int
    limit: int
    mode: SearchMode
    model_version: str
    gallery: Annotated[str, Field(description="The collection that was searched.")]
    ranked_by: Annotated[
        tuple[str, ...], Field(description="The model's features that rank; none where words only filter.")
    ]
    reordered_by: Annotated[
        tuple[str, ...],
        Field(
            description="in_stock, newer and diversity, where they were asked for: they change the order of hits, "
            "which is that of their scores otherwise."
        ),
    ]
    indexed_at: Annotated[datetime.datetime, Field(description="When what is searched was last noted to change.")]
    timings_ms: Annotated[Mapping[str, float], Field(description="Milliseconds per stage.")]
    understood: Annotated[UnderstoodAnswer | None, Field(description="Of the words, where there were any.")] = None
    notes: Notes = ()

    @classmethod
    def of(cls, answer: SearchAnswer, options: SearchOptions) -> SearchAnswered:
        """An answer of the services."""
        assert answer.total is not None, "searches count their hits"
        assert answer.indexed_at is not None, "galleries know when they changed"
        return cls(
            hits=tuple(HitAnswer.of(hit) for hit in answer.hits),
            total=TotalAnswer(value=answer.total.value, relation=answer.total.relation),
            page=options.page,
            limit=options.limit,
            mode=answer.mode,
            model_version=answer.model_version,
            gallery=answer.collection,
            ranked_by=answer.ranked_by,
            reordered_by=answer.reordered_by,
            indexed_at=answer.indexed_at,
            timings_ms={stage: round(value, 3) for stage, value in answer.timings_ms.items()},
            understood=None if answer.understood is None else UnderstoodAnswer.of(answer.understood),
            notes=answer.notes,
        )
