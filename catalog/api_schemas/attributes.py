"""Attributes to choose from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered


class AttributeAnswer(Answered):
    """One attribute."""

    attribute: Annotated[str, Field(description="As filters, but and without take it.", examples=["color=navy"])]
    group: Annotated[str, Field(examples=["color"])]
    value: Annotated[str, Field(examples=["navy"])]
    count: Annotated[int, Field(ge=0, description="Products that have it, under the filters.")]
    ranked: Annotated[bool, Field(description="The live model sees it and ranks by it; others filter.")]
    matched: Annotated[
        str | None,
        Field(
            description="What else it is called, in any of the vocabulary's languages, that `q` begins; null where `q` "
            "begins its own value or group, and without `q`.",
            examples=["dunkelblau"],
        ),
    ] = None


class AttributesAnswered(Answered):
    """Attributes, the likeliest or most frequent first."""

    attributes: tuple[AttributeAnswer, ...]
    total: Annotated[int, Field(ge=0, description="How many there are, beyond the limit, too.")]
