"""What there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered, Notes


class ValueCount(Answered):
    """A value and the number of products that have it."""

    value: str
    count: int


class PriceRange(Answered):
    """The prices there are in one currency."""

    currency: str
    lowest: str
    highest: str
    count: int


class FacetsAnswered(Answered):
    """How many products there are under the filters, and of what kind."""

    num_products: int
    attributes: Annotated[
        Mapping[str, tuple[ValueCount, ...]], Field(description="By group, the most frequent first, at most 100 each.")
    ]
    categories: Annotated[tuple[ValueCount, ...], Field(description="Every level as its path from the top.")]
    availability: tuple[ValueCount, ...]
    prices: tuple[PriceRange, ...]
    fields: Annotated[
        Mapping[str, tuple[ValueCount, ...]],
        Field(description="Of the own columns in `count_fields`, the most frequent first, at most 100 each."),
    ]
    notes: Notes = ()
