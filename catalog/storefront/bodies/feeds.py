"""Bodies with feeds, which may be large: on their way they lie in a file without a name, gone with the process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from fastapi import Request
from starlette.datastructures import UploadFile

from catalog.api_schemas.feeds import FeedByAddress, FeedTaking
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

_REMEDY: Final = "pack it with gzip, hand it over in parts, or ask the operator to raise DRAPE_MAX_FEED_BYTES"
_PARTS: Final = "a file part `feed` and, where wanted, a part `options` of JSON"


@dataclass(frozen=True, slots=True)
class UploadedFeed:
    """A feed as a file, at its beginning, with its name where it came from, and how it is taken."""

    file: BinaryIO
    name: str
    taking: FeedTaking


@asynccontextmanager
async def read_feed(request: Request, *, max_feed_bytes: int) -> AsyncGenerator[FeedByAddress | UploadedFeed, None]:
    """The body of a feed that is handed over: JSON, or multipart with the parts ``feed`` and ``options``.

    The file is gone after the ``with`` block.

    Raises:
        MediaTypeUnknown, BodyTooLarge, BodyTooSlow, BodyMalformed: as their names say.
        RequestValidationError: the JSON is not what it should be.
    """
    kind = media_type(request)
    if kind == JSON:
        yield parsed(FeedByAddress, await whole(request, MOST_JSON_BYTES, _REMEDY))
        return
    if kind != MULTIPART:
        raise MediaTypeUnknown(
            "The body is of a type that is not taken",
            received=kind or "no Content-Type",
            expected=f"{JSON} with a url, or {MULTIPART} with {_PARTS}",
        )
    limit = max_feed_bytes + MOST_JSON_BYTES + MULTIPART_OVERHEAD
    form = await read_form(request, limit, _REMEDY, _PARTS)
    try:
        unknown = sorted(set(form) - {"feed", "options"})
        feed, options = form.get("feed"), form.get("options", "{}")
        if unknown or not isinstance(feed, UploadFile) or isinstance(options, UploadFile):
            raise BodyMalformed(
                "The parts of the body are not those of a feed",
                received=f"a part {unknown[0][:100]!r}" if unknown else "no file part `feed`, or another file",
                expected=_PARTS,
            )
        if feed.size is not None and feed.size > max_feed_bytes:
            raise too_large(f"a feed of {feed.size} bytes", max_feed_bytes, _REMEDY)
        yield UploadedFeed(feed.file, feed.filename or "feed", parsed(FeedTaking, options.encode()))
    finally:
        await form.close()
