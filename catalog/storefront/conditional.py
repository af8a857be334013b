"""Answers that a client may have already: entity tags (RFC 9110, section 8.8.3), and what is sent for them."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Response

from catalog.api_schemas.fields import Answered

_HEADERS: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-Api-Key"}
"""To be kept by whoever asked, and asked for again each time."""


def is_held(if_none_match: str | None, tag: str) -> bool:
    """Whether the client says that it has what the tag names.

    >>> is_held('W/"a", "b"', '"b"'), is_held("*", '"b"'), is_held('"c"', '"b"'), is_held(None, '"b"')
    (True, True, False, False)
    """
    if if_none_match is None:
        return False
    named = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in named or "*" in named


def answered_once(answer: Answered, if_none_match: str | None) -> Response:
    """The answer as JSON under a tag of its content; empty, with status 304, for whoever has it."""
    body = answer.model_dump_json().encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    if is_held(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
