"""Bodies of requests, held to their limits while they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile

from catalog.api_schemas.fields import Taken
from catalog.storefront.bodies.json_shapes import parsed
from catalog.storefront.bodies.limits import (
    JSON,
    MOST_JSON_BYTES,
    MULTIPART,
    MULTIPART_OVERHEAD,
    media_type,
    read_form,
    too_large,
    whole,
)
from catalog.storefront.errors import BodyMalformed, MediaTypeUnknown

_REMEDY: Final = "send a smaller photo, or ask the operator to raise DRAPE_MAX_IMAGE_BYTES"
_PARTS: Final = "a file part `image` and a part `query` of JSON"


Shape = TypeVar("Shape", bound=Taken)


@dataclass(frozen=True, slots=True)
class UploadedQuery(Generic[Shape]):
    """A query and the photo that came with it, if one did."""

    query: Shape
    image: bytes | None


async def read_query(request: Request, shape: type[Shape], *, max_image_bytes: int) -> UploadedQuery[Shape]:
    """A query of this shape: JSON, or multipart with the parts ``image`` (a file) and ``query`` (JSON).

    Raises:
        MediaTypeUnknown, BodyTooLarge, BodyTooSlow, BodyMalformed: as their names say.
        RequestValidationError: the JSON is no query.
    """
    kind = media_type(request)
    if kind == JSON:
        return UploadedQuery(parsed(shape, await whole(request, MOST_JSON_BYTES, _REMEDY)), None)
    if kind != MULTIPART:
        raise MediaTypeUnknown(
            "The body is of a type that is not taken",
            received=kind or "no Content-Type",
            expected=f"{JSON}, or {MULTIPART} with {_PARTS}",
        )
    return await _multipart(request, shape, max_image_bytes)


async def _multipart(request: Request, shape: type[Shape], max_image_bytes: int) -> UploadedQuery[Shape]:
    limit = max_image_bytes + MOST_JSON_BYTES + MULTIPART_OVERHEAD
    form = await read_form(request, limit, _REMEDY, _PARTS)
    try:
        unknown = sorted(set(form) - {"image", "query"})
        image, query = form.get("image"), form.get("query", "{}")
        if unknown or not isinstance(image, UploadFile):
            raise BodyMalformed(
                "The parts of the body are not those of a query",
                received=f"a part {unknown[0][:100]!r}" if unknown else "no file part `image`",
                expected=_PARTS,
            )
        if image.size is not None and image.size > max_image_bytes:
            raise too_large(f"a photo of {image.size} bytes", max_image_bytes, _REMEDY)
        text = await query.read() if isinstance(query, UploadFile) else query.encode()
        return UploadedQuery(parsed(shape, text), await image.read())
    finally:
        await form.close()
