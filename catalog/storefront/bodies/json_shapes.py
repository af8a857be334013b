"""Bodies of JSON. They are read once the key has been looked at, and within limits; the framework would do neither."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from catalog.storefront.bodies.limits import JSON, MOST_JSON_BYTES, media_type, whole
from catalog.storefront.errors import BodyMalformed, MediaTypeUnknown

_REMEDY: Final = "send what /openapi.json describes"

Shape = TypeVar("Shape", bound=BaseModel)


async def read_json(request: Request, shape: type[Shape]) -> Shape:
    """A body of this shape.

    Raises:
        MediaTypeUnknown, BodyTooLarge, BodyTooSlow, BodyMalformed: as their names say.
        RequestValidationError: the JSON is of another shape.
    """
    kind = media_type(request)
    if kind != JSON:
        raise MediaTypeUnknown(
            "The body is of a type that is not taken", received=kind or "no Content-Type", expected=JSON
        )
    return parsed(shape, await whole(request, MOST_JSON_BYTES, _REMEDY))


def parsed(shape: type[Shape], text: bytes) -> Shape:
    """JSON of this shape.

    Raises:
        BodyMalformed, RequestValidationError: it is no JSON, or of another shape.
    """
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise BodyMalformed(
                "What should be JSON is none", received=repr(text[:100]), expected=f"JSON; {found[0]['msg']}"
            ) from error
        raise RequestValidationError(found) from error


def described(shape: type[BaseModel]) -> dict[str, Any]:
    """Such a body for the API's description, which must have the shape among its schemas."""
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}
