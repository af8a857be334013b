"""What a feed that is handed over comes with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from catalog.api_schemas.fields import CurrencyCode, Taken, WebAddress
from catalog.types import DialectName


def _of_file(dialect: DialectName) -> DialectName:
    if dialect is DialectName.FOLDER:
        raise ValueError("a dialect of files; a folder cannot be handed over")
    return dialect


class FeedTaking(Taken):
    """How a feed is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"full_sync": True}]})

    full_sync: Annotated[bool, Field(description="Remove products that the feed does not have.")] = False
    max_removal: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="The share of the catalog a full sync may remove.")
    ] = 0.2
    attributes_as_given: Annotated[
        bool, Field(description="Keep the feed's words for attributes, not those that Drape knows.")
    ] = False
    dialect: Annotated[
        Annotated[DialectName, AfterValidator(_of_file)] | None,
        Field(description="Whose columns they are; found out where it is not said."),
    ] = None
    currency: Annotated[CurrencyCode | None, Field(description="Of prices that come without one.")] = None


class FeedByAddress(FeedTaking):
    """A feed that is fetched from where it is, and how it is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "https://shop.example/feed.csv.gz"}]})

    url: Annotated[WebAddress, Field(description="Its http or https address; image paths start from there.")]


def feed_schemas() -> dict[str, Any]:
    """The JSON schemas of both, and of what they refer to, by name, for the API's description."""
    schemas: dict[str, Any] = {}
    for shape in (FeedTaking, FeedByAddress):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs", {}), shape.__name__: schema}
    return schemas
