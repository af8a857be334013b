"""Attributes to choose from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from catalog.services.attribute_choices import Choices
from catalog.storefront.schemas.fields import Answered
from embeddings.taxonomy import split_attribute


class AttributeAnswer(Answered):
    """One attribute."""

    attribute: Annotated[str, Field(description="As filters, but and without take it.", examples=["color=navy"])]
    group: Annotated[str, Field(examples=["color"])]
    value: Annotated[str, Field(examples=["navy"])]
    count: Annotated[int, Field(ge=0, description="Products that have it, under the filters.")]
    ranked: Annotated[bool, Field(description="The live model sees it and ranks by it; others filter.")]


class AttributesAnswered(Answered):
    """Attributes, the likeliest or most frequent first."""

    attributes: tuple[AttributeAnswer, ...]
    total: Annotated[int, Field(ge=0, description="How many there are, beyond the limit, too.")]

    @classmethod
    def of(cls, found: Choices) -> AttributesAnswered:
        """Choices of the services."""
        answers: list[AttributeAnswer] = []
        for one in found.choices:
            group, value = split_attribute(one.name)
            answers.append(
                AttributeAnswer(attribute=one.name, group=group, value=value, count=one.count, ranked=one.is_ranked)
            )
        return cls(attributes=tuple(answers), total=found.total)
