"""``GET /v1/attributes``: the taxonomy with counts, and completion of what is typed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from catalog.api_schemas.attributes import AttributeAnswer, AttributesAnswered
from catalog.api_schemas.fields import AttributeName, TypedText
from catalog.services.browsing.attribute_choices import Choices
from catalog.storefront.filter_parameters import FilterParameters
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS
from embeddings.taxonomy import split_attribute

router = APIRouter(prefix="/v1")


@router.get("/attributes", responses=ERRORS, summary="Attributes to choose from")
async def attributes(
    parts: Parts,
    caller: Searcher,
    filters: FilterParameters,
    q: Annotated[
        TypedText,
        Query(
            description="The beginning of a value, of what else it is called in English, German, French, Spanish, "
            "Italian or Dutch, or of a group in English, with one letter wrong at most. Case, accents and spaces do "
            "not matter.",
            examples=["dunkelb"],
        ),
    ] = "",
    group: Annotated[AttributeName | None, Query(description="Only those of this group, such as color.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
) -> AttributesAnswered:
    """Attributes of the products under the filters, those of most products first, and the model's others after them;
    with `q` the nearest first, and `matched` tells the word that it begins. Counts may be some seconds old."""
    found = await parts.calls.run(parts.attributes.list, caller.merchant, q, group, filters, limit)
    return _answered(found)


def _answered(found: Choices) -> AttributesAnswered:
    answers: list[AttributeAnswer] = []
    for one in found.choices:
        group, value = split_attribute(one.name)
        answers.append(
            AttributeAnswer(
                attribute=one.name,
                group=group,
                value=value,
                count=one.count,
                ranked=one.is_ranked,
                matched=one.matched,
            )
        )
    return AttributesAnswered(attributes=tuple(answers), total=found.total)
