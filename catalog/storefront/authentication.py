"""Who asks: API keys of requests, what they may be used for, and from which sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from catalog.errors import KeyRefused, OriginNotAllowed, ScopeMissing
from catalog.services.api_keys import ApiKeyService
from catalog.types import Caller, Scope

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="drape"'}
"""The header that an answer of status 401 must have (RFC 9110, section 11.6.1)."""

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key.")
_header = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="header", description="An API key.")


def require(scope: Scope) -> Callable[..., Caller]:
    """A dependency that answers with the caller, once the request has a key with this scope.

    The application's ``state.api_keys`` is the ``ApiKeyService`` that knows the keys. It may ask the database, so
    FastAPI runs the dependency in a thread of its own, not in the event loop:

        @router.post("/v1/search")
        def search(caller: Annotated[Caller, Depends(require(Scope.SEARCH))]) -> ...

    It raises:
        KeyRefused: the request has no key, two different ones, or one that does not count.
        OriginNotAllowed: a public key came from elsewhere than a page of its sites.
        ScopeMissing: the key is good, but not for this.
    """

    def caller(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        header: Annotated[str | None, Depends(_header)],
    ) -> Caller:
        keys: ApiKeyService = request.app.state.api_keys
        found = keys.authenticate(_presented(None if bearer is None else bearer.credentials, header))
        if found.is_public:
            _check_origin(found, _origin(request))
        if scope not in found.scopes:
            raise ScopeMissing(
                "The API key may not be used for this",
                received="a key for " + ", ".join(held for held in Scope if held in found.scopes),
                expected=f"a key for {scope}",
                remedy=f"use a key that was made with --scope {scope}",
            )
        return found

    return caller


def _presented(bearer: str | None, header: str | None) -> str:
    presented = {key.strip() for key in (bearer, header) if key is not None and key.strip()}
    if len(presented) == 1:
        return presented.pop()
    raise KeyRefused(
        "The request has two different API keys" if presented else "The request has no API key",
        received="one in Authorization and another in X-Api-Key" if presented else "neither header",
        expected="the header Authorization: Bearer KEY, or X-Api-Key: KEY",
        remedy="drape keys create makes a key",
    )


def _origin(request: Request) -> str | None:
    """The origin of the page that asks, as its browser tells.

    Browsers leave the header out where a page only reads from the server that it came from itself.
    """
    told = request.headers.get("Origin")
    if told is None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return f"{request.url.scheme}://{request.url.netloc}"
    return told


def _check_origin(caller: Caller, origin: str | None) -> None:
    """Keep a public key to its sites. Programs can claim any origin; other sites' pages cannot."""
    if origin is None or origin not in caller.allowed_origins:
        raise OriginNotAllowed(
            "This public API key may not be used from here",
            received="no origin" if origin is None else f"the origin {origin[:100]}",
            expected="a page of one of the sites that the key is for",
            remedy="make a key with --origin for this site; servers use a secret key",
        )
