"""Bodies of requests, held to their limits while they come in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from catalog.storefront.errors import BodyMalformed, BodyTooLarge, MediaTypeUnknown
from catalog.storefront.schemas.query import Query

MOST_JSON_BYTES: Final = 2**20
_MULTIPART_OVERHEAD: Final = 2**16
_JSON: Final = "application/json"
_MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class UploadedQuery:
    """A query and the photo that came with it, if one did."""

    query: Query
    image: bytes | None


async def read_query(request: Request, *, max_image_bytes: int) -> UploadedQuery:
    """The body of a search: JSON, or multipart with the parts ``image`` (a file) and ``query`` (JSON).

    Raises:
        MediaTypeUnknown, BodyTooLarge, BodyMalformed: as their names say.
        RequestValidationError: the JSON is no query.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _JSON:
        return UploadedQuery(_query(await _all_of(request, MOST_JSON_BYTES)), None)
    if kind != _MULTIPART:
        raise MediaTypeUnknown(
            "The body is of a type that is not taken",
            received=kind or "no Content-Type",
            expected=f"{_JSON}, or {_MULTIPART} with a file part `image` and a part `query` of JSON",
        )
    return await _multipart(request, max_image_bytes)


async def _all_of(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in _limited(request, limit):
        body += chunk
    return bytes(body)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body's bytes as they come, up to a limit that what the client says of the length is held to first."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit:
        raise _too_large(f"a body of {said} bytes", limit)
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > limit:
            raise _too_large(f"more than {limit} bytes", limit)
        yield chunk


async def _multipart(request: Request, max_image_bytes: int) -> UploadedQuery:
    limit = max_image_bytes + MOST_JSON_BYTES + _MULTIPART_OVERHEAD
    parser = MultiPartParser(
        request.headers, _limited(request, limit), max_files=1, max_fields=1, max_part_size=MOST_JSON_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BodyMalformed(
            "The body is no multipart message that can be read",
            received=error.message,
            expected="a file part `image` and a part `query` of JSON",
        ) from error
    try:
        unknown = sorted(set(form) - {"image", "query"})
        image, query = form.get("image"), form.get("query", "{}")
        if unknown or not isinstance(image, UploadFile):
            raise BodyMalformed(
                "The parts of the body are not those of a search",
                received=f"a part {unknown[0][:100]!r}" if unknown else "no file part `image`",
                expected="a file part `image` and a part `query` of JSON",
            )
        if image.size is not None and image.size > max_image_bytes:
            raise _too_large(f"a photo of {image.size} bytes", max_image_bytes)
        text = await query.read() if isinstance(query, UploadFile) else query.encode()
        return UploadedQuery(_query(text), await image.read())
    finally:
        await form.close()


def _query(text: bytes) -> Query:
    try:
        return Query.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise BodyMalformed(
                "The query is no JSON", received=repr(text[:100]), expected=f"JSON; {found[0]['msg']}"
            ) from error
        raise RequestValidationError(found) from error


def _too_large(received: str, limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        "The body is too large",
        received=received,
        expected=f"at most {limit} bytes",
        remedy="send a smaller photo, or ask the operator to raise DRAPE_MAX_IMAGE_BYTES",
    )
