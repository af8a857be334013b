"""The filters of a search as parameters of an address."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from catalog.api_schemas.fields import (
    MOST_ATTRIBUTES,
    Amount,
    AttributeName,
    CategoryName,
    CurrencyCode,
    FieldEntry,
)
from catalog.api_schemas.query import Filters
from catalog.types import Availability, SearchFilters

_Attributes = Annotated[tuple[AttributeName, ...], Query(max_length=MOST_ATTRIBUTES)]


async def _filters(
    category: Annotated[CategoryName | None, Query(description="A level, or a path: Women > Dresses")] = None,
    all: Annotated[_Attributes, Query(description="Must have it; may be given several times.")] = (),
    any: Annotated[_Attributes, Query(description="Must have one of those given.")] = (),
    none: Annotated[_Attributes, Query(description="Must not have it; may be given several times.")] = (),
    min_price: Annotated[Amount | None, Query()] = None,
    max_price: Annotated[Amount | None, Query()] = None,
    currency: Annotated[CurrencyCode | None, Query(description="Prices in this currency only.")] = None,
    availability: Annotated[tuple[Availability, ...], Query(max_length=len(Availability))] = (),
    field: Annotated[
        tuple[FieldEntry, ...],
        Query(
            max_length=MOST_ATTRIBUTES,
            description="One of the merchant's own columns, such as season=summer; of several values of one name, one "
            "must hold.",
        ),
    ] = (),
) -> SearchFilters:
    values_of: dict[str, list[str]] = {}
    for entry in field:
        name, _, value = entry.partition("=")
        values_of.setdefault(name, []).append(value)
    filters = Filters(
        category=category,
        all=all,
        any=any,
        none=none,
        min_price=min_price,
        max_price=max_price,
        currency=currency,
        availability=availability,
    ).values()
    return replace(filters, fields=tuple((name, tuple(values)) for name, values in values_of.items()))


FilterParameters = Annotated[SearchFilters, Depends(_filters)]
"""A parameter of endpoints."""
