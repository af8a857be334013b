"""What a photo is tagged by, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from catalog.api_schemas.fields import Answered, Taken, WebAddress
from catalog.api_schemas.query import Crop
from catalog.types import DEFAULT_TAG_CONFIDENCE, DEFAULT_TAGS, MAX_TAGS


class TagQuery(Taken):
    """Which photo, unless it is uploaded beside this, and how much is told of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"image_url": "https://shop.example/photo.jpg", "top_k": 1}]}
    )

    image_url: Annotated[WebAddress | None, Field(description="Address of a photo, which is fetched.")] = None
    crop: Annotated[Crop | None, Field(description="The item's box in the photo.")] = None
    top_k: Annotated[int, Field(ge=1, le=MAX_TAGS, description="Values told of each group, at most.")] = DEFAULT_TAGS
    min_confidence: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="Values that are less sure are left out.")
    ] = DEFAULT_TAG_CONFIDENCE


class TagAnswer(Answered):
    """A value that the photo may show."""

    attribute: Annotated[str, Field(description="For filters.", examples=["color=red"])]
    value: str
    confidence: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="The model's own probability of the value: the sigmoid of its score or, in exclusive groups, "
            "the softmax. Training on a catalog calibrates the scores, as far as held-out images allow: by a "
            "temperature for each softmax, by a scale and a shift for each sigmoid.",
        ),
    ]


class TagGroupAnswer(Answered):
    """The surest values of one group of attributes, surest first."""

    group: str
    exclusive: Annotated[
        bool,
        Field(
            description="An item has exactly one of the values, and all their confidences sum to 1. Else each is "
            "judged by itself: several may be sure, or none."
        ),
    ]
    values: tuple[TagAnswer, ...]


class TagsAnswered(Answered):
    """What the photo shows."""

    groups: Annotated[tuple[TagGroupAnswer, ...], Field(description="The one with the surest value first.")]
    model_version: str
    timings_ms: Annotated[Mapping[str, float], Field(description="Milliseconds per stage.")]


def tag_schemas() -> dict[str, Any]:
    """As ``query_schemas``, of ``TagQuery``."""
    schema = TagQuery.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "TagQuery": schema}
