"""``GET /v1/images/{sha256}``: the photos of the catalog."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response

from catalog.storefront.conditional import is_held
from catalog.storefront.parts import Parts, PhotoViewer
from catalog.storefront.responses import ERRORS

router = APIRouter(prefix="/v1")

_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}


class Width(IntEnum):
    """The widths there are, so that nobody can have every other one made."""

    W160 = 160
    W320 = 320
    W640 = 640
    W1280 = 1280


@router.get(
    "/images/{sha256}",
    response_class=Response,
    responses={
        **ERRORS,
        200: {"content": {kind: {} for kind in _MEDIA_TYPES.values()}},
        304: {"description": "The same."},
    },
    summary="A photo",
)
async def image(
    request: Request,
    parts: Parts,
    caller: PhotoViewer,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of a hit's image.")],
    width: Annotated[Width | None, Query(description="A JPEG of at most so many pixels in width.")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A photo of one of the merchant's products, as it came, or scaled down.

    In a shop's page: `<img src="https://…/v1/images/SHA256?width=320&key=PUBLIC_KEY">`."""
    # The address names the content, which therefore never changes; only whether it may be seen does.
    tag = f'"{sha256}"' if width is None else f'"{sha256}-{width.value}"'
    headers = {**_kept(has_key=caller.is_public and bool(request.query_params.get("key"))), "ETag": tag}
    if is_held(if_none_match, tag):
        await parts.calls.run(parts.images.require_own, caller.merchant_id, sha256)
        return Response(status_code=304, headers=headers)
    pixels = None if width is None else width.value
    shown = await parts.calls.run(parts.images.get, caller.merchant_id, sha256, pixels)
    return Response(shown.data, media_type=_MEDIA_TYPES[shown.format], headers=headers)


def _kept(*, has_key: bool) -> dict[str, str]:
    """How long the photo may be kept, and by whom: where its address has the key, by everybody, and in every page."""
    if has_key:
        return {"Cache-Control": "public, max-age=604800, immutable", "Cross-Origin-Resource-Policy": "cross-origin"}
    return {"Cache-Control": "private, max-age=604800, immutable", "Vary": "Authorization, X-Api-Key"}
