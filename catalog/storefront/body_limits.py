"""How many bytes of a body are taken."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from fastapi import Request

from catalog.storefront.errors import BodyTooLarge

MOST_JSON_BYTES: Final = 2**20
MULTIPART_OVERHEAD: Final = 2**16

JSON: Final = "application/json"
MULTIPART: Final = "multipart/form-data"


def media_type(request: Request) -> str:
    """What the body is said to be, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request, limit: int, remedy: str) -> bytes:
    """All of a body.

    Raises:
        BodyTooLarge: it has more bytes.
    """
    body = bytearray()
    async for chunk in limited(request, limit, remedy):
        body += chunk
    return bytes(body)


async def limited(request: Request, limit: int, remedy: str) -> AsyncGenerator[bytes, None]:
    """The body's bytes as they come, up to a limit that what the client says of the length is held to first.

    Raises:
        BodyTooLarge: there are more.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit:
        raise too_large(f"a body of {said} bytes", limit, remedy)
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > limit:
            raise too_large(f"more than {limit} bytes", limit, remedy)
        yield chunk


def too_large(received: str, limit: int, remedy: str) -> BodyTooLarge:
    """That a body, or a part of it, is larger than is taken."""
    return BodyTooLarge("The body is too large", received=received, expected=f"at most {limit} bytes", remedy=remedy)
