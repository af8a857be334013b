"""``GET /v1/attributes``: the taxonomy with counts, and completion of what is typed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from catalog.storefront.filter_parameters import FilterParameters
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS
from catalog.storefront.schemas.attributes import AttributesAnswered
from catalog.storefront.schemas.fields import AttributeName, TypedText

router = APIRouter(prefix="/v1")


@router.get("/attributes", responses=ERRORS, summary="Attributes to choose from")
async def attributes(
    parts: Parts,
    caller: Searcher,
    filters: FilterParameters,
    q: Annotated[
        TypedText,
        Query(
            description="The beginning of a value, a group, or another word for them in English, German, French, "
            "Spanish, Italian or Dutch, with one letter wrong at most. Case, accents and spaces do not matter.",
            examples=["dunkelb"],
        ),
    ] = "",
    group: Annotated[AttributeName | None, Query(description="Only those of this group, such as color.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
) -> AttributesAnswered:
    """Attributes of the products under the filters, those of most products first, and the model's others after them;
    with `q` the nearest first. Counts may be some seconds old."""
    found = await parts.calls.run(parts.attributes.list, caller.merchant, q, group, filters, limit)
    return AttributesAnswered.of(found)
