"""How many bytes of a body are taken, in which time, and in how many parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from catalog.storefront.bodies.pace import paced
from catalog.storefront.errors import BodyMalformed, BodyTooLarge

MOST_JSON_BYTES: Final = 2**20
MULTIPART_OVERHEAD: Final = 2**16

JSON: Final = "application/json"
MULTIPART: Final = "multipart/form-data"

_LONGEST_LENGTH: Final = 18
"""Longer numbers are lengths of nothing that there is."""


def media_type(request: Request) -> str:
    """What the body is said to be, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request, limit: int, remedy: str) -> bytes:
    """All of a body.

    Raises:
        BodyTooLarge, BodyTooSlow: it has more bytes, or they do not come.
    """
    body = bytearray()
    async for chunk in limited(request, limit, remedy):
        body += chunk
    return bytes(body)


async def limited(request: Request, limit: int, remedy: str) -> AsyncGenerator[bytes, None]:
    """The body's bytes as they come, up to a limit that what the client says of the length is held to first.

    Raises:
        BodyTooLarge, BodyTooSlow: there are more, or they do not come.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > _LONGEST_LENGTH or int(said) > limit):
        raise too_large(f"a body of {said[: _LONGEST_LENGTH + 1]} bytes", limit, remedy)
    num_bytes = 0
    async for chunk in paced(request.stream()):
        num_bytes += len(chunk)
        if num_bytes > limit:
            raise too_large(f"more than {limit} bytes", limit, remedy)
        yield chunk


async def read_form(request: Request, limit: int, remedy: str, expected: str) -> FormData:
    """A multipart body of one file and one field at most, for the caller to close.

    Args:
        limit: Bytes of all of it; a field has ``MOST_JSON_BYTES`` of them.
        expected: Which parts those are, in words.

    Raises:
        BodyMalformed, BodyTooLarge, BodyTooSlow: as their names say.
    """
    chunks = limited(request, limit, remedy)
    try:
        parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=1, max_part_size=MOST_JSON_BYTES)
        return await parser.parse()
    except (MultiPartException, ValueError) as error:
        # Of encodings that Python has and nobody uses, the parser lets errors through.
        raise BodyMalformed(
            "The body is no multipart message that can be read", received=str(error), expected=expected
        ) from error


def too_large(received: str, limit: int, remedy: str) -> BodyTooLarge:
    """That a body, or a part of it, is larger than is taken."""
    return BodyTooLarge("The body is too large", received=received, expected=f"at most {limit} bytes", remedy=remedy)
