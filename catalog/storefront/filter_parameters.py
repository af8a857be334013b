"""The filters of a search as parameters of an address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from catalog.storefront.schemas.fields import MOST_ATTRIBUTES, Amount, AttributeName, CategoryName, CurrencyCode
from catalog.storefront.schemas.query import Filters
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
) -> SearchFilters:
    return Filters(
        category=category,
        all=all,
        any=any,
        none=none,
        min_price=min_price,
        max_price=max_price,
        currency=currency,
        availability=availability,
    ).values()


FilterParameters = Annotated[SearchFilters, Depends(_filters)]
"""A parameter of endpoints."""
