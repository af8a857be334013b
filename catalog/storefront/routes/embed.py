"""``/embed/similar.js``: the script that puts similar items into a shop's pages."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from catalog.storefront.conditional import is_held
from catalog.storefront.routes.page import page_files

router = APIRouter(include_in_schema=False)

_SCRIPT: Final = "similar.js"


@router.get("/embed/similar.js")
async def similar_script(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The script. It has no version in its address, which stands in pages that nobody changes with Drape."""
    tag = f'"{_digest()}"'
    headers = {
        "Cache-Control": "public, max-age=3600",
        "ETag": tag,
        # It is there for pages of other sites, which may also hold it to a hash (`integrity`).
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    if is_held(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(page_files().others[_SCRIPT], media_type="text/javascript", headers=headers)


@cache
def _digest() -> str:
    return hashlib.sha256(page_files().others[_SCRIPT]).hexdigest()[:16]
