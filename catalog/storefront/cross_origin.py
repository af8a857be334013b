"""Pages of shops, which ask from other origins: what browsers let them send, and read of the answers (CORS).

A preflight has no key, so its answer is the same for everybody; the request that follows has one, and its answer can be
read by the pages that the key is for. No cookie and no other credential of the browser's own is ever looked at.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Scope

from catalog.storefront.authentication import ADMITTED
from catalog.types import Caller

_API: Final = "/v1/"
_PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    # A page has a public key, which only searches.
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    # A wildcard would not mean Authorization.
    "Access-Control-Allow-Headers": "Authorization, X-Api-Key, Content-Type, If-None-Match",
    # Browsers ask again after two hours at the latest, whatever they are told.
    "Access-Control-Max-Age": "7200",
}
_READABLE: Final = "ETag, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what a page of another origin may send to the API."""
    if scope["method"] != "OPTIONS" or not scope["path"].startswith(_API):
        return False
    headers = Headers(scope=scope)
    return "origin" in headers and "access-control-request-method" in headers


def preflight_answer() -> Response:
    """The answer to it, the same for everybody."""
    return Response(status_code=204, headers=_PREFLIGHT)


def tell_who_may_read(scope: Scope, headers: MutableHeaders) -> None:
    """Add to an answer's headers which page may read it.

    What a key opened, pages of the key's own sites may read. What was refused before any catalog was looked at (a key
    that does not count, a site that it is not for, a path that there is not) every page may read: it holds nothing.
    """
    if not scope["path"].startswith(_API):
        return
    headers.add_vary_header("Origin")
    origin = Headers(scope=scope).get("origin")
    if origin is None:
        return
    caller: Caller | None = scope.get(ADMITTED)
    if caller is None:
        headers["Access-Control-Allow-Origin"] = "*"
    elif origin in caller.allowed_origins:
        headers["Access-Control-Allow-Origin"] = origin
    else:
        return
    headers["Access-Control-Expose-Headers"] = _READABLE
