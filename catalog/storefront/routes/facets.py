"""``GET /v1/facets``: what there is to choose from under the filters that are set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from catalog.api_schemas.facets import FacetsAnswered, PriceRange, ValueCount
from catalog.api_schemas.fields import MOST_FIELDS, FieldName
from catalog.api_schemas.prices import plain_amount
from catalog.services.browsing.facets import Facets
from catalog.storefront.filter_parameters import FilterParameters
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS

router = APIRouter(prefix="/v1")


@router.get("/facets", responses=ERRORS, summary="Numbers of products under the filters")
async def facets(
    parts: Parts,
    caller: Searcher,
    filters: FilterParameters,
    count_fields: Annotated[
        tuple[FieldName, ...],
        Query(
            max_length=MOST_FIELDS,
            description="The merchant's own columns whose values are counted, too; `*` for those that lend themselves "
            "to be chosen by: up to 6, of 2 to 30 values each over the whole catalog, of most products first.",
        ),
    ] = (),
) -> FacetsAnswered:
    """Counts of attributes, categories and availability, and the range of prices."""
    return _answered(await parts.calls.run(parts.facets.count, caller.merchant, filters, count_fields))


def _answered(found: Facets) -> FacetsAnswered:
    return FacetsAnswered(
        num_products=found.num_products,
        attributes={group: _counts(values) for group, values in found.attributes.items()},
        categories=_counts(found.categories),
        availability=_counts(found.availability),
        prices=tuple(
            PriceRange(
                currency=currency,
                lowest=plain_amount(span.lowest),
                highest=plain_amount(span.highest),
                count=span.count,
            )
            for currency, span in found.prices.items()
        ),
        fields={name: _counts(values) for name, values in found.fields.items()},
        notes=found.notes,
    )


def _counts(values: Sequence[tuple[str, int]]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value=value, count=count) for value, count in values)
