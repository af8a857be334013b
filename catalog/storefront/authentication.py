"""Who asks: API keys of requests, what they may be used for, and from which sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer

from catalog.errors import InvalidRequest, KeyRefused, OriginNotAllowed, ScopeMissing
from catalog.services.api_keys import ApiKeyService
from catalog.services.web_origin import normalize_origin
from catalog.storefront.rate_limits import ALLOWANCE, RateLimited, RateLimits, client_address
from catalog.types import Caller, Scope

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="drape"'}
"""The header that an answer of status 401 must have (RFC 9110, section 11.6.1)."""

ADMITTED: Final = "drape.caller"
"""Where a request's ASGI scope has its ``Caller``, once the key counts, here."""

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key.")
_header = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="header", description="An API key.")
_parameter = APIKeyQuery(name="key", auto_error=False, scheme_name="address", description="A public API key.")

_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_Header = Annotated[str | None, Depends(_header)]
_Parameter = Annotated[str | None, Depends(_parameter)]


def require(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that answers with the caller, once the request has a key with this scope, or one of these.

    The application's ``state.api_keys`` is the ``ApiKeyService`` that knows the keys, its ``state.rate_limits`` say how
    often each may ask. Where they must ask the database or Redis, they do so in a thread, not in the event loop:

        @router.post("/v1/search")
        def search(caller: Annotated[Caller, Depends(require(Scope.SEARCH))]) -> ...

    It raises:
        KeyRefused: the request has no key, two different ones, or one that does not count.
        OriginNotAllowed: a public key came from elsewhere than a page of its sites.
        RateLimited: the key, or an address that tries keys out, has asked too often.
        ScopeMissing: the key is good, but not for this.
    """

    async def caller(request: Request, bearer: _Bearer, header: _Header) -> Caller:
        found = await _caller(request, _presented(bearer, header))
        if found.is_public:
            _check_origin(found, _origin(request))
        return await _admitted(request, found, scopes)

    return caller


def require_for_photos() -> Callable[..., Awaitable[Caller]]:
    """The same for searching, with which an ``<img>`` in a shop's page can do, too.

    An ``<img>`` sends no headers of the page's own, so the photo's address may have the key: a public one, which
    everybody can read in the page anyway. It sends no ``Origin`` either. Where the browser tells the page by
    ``Referer``, it must be of the key's sites; where it tells nothing, as some visitors want it, the photo is shown.
    """

    async def caller(request: Request, bearer: _Bearer, header: _Header, parameter: _Parameter) -> Caller:
        found = await _caller(request, _presented(bearer, header, parameter))
        if parameter is not None and not found.is_public:
            raise KeyRefused(
                "A secret API key has no place in an address, where logs and histories keep it",
                received="the parameter key with a secret key",
                expected="a public key, or the header X-Api-Key",
                remedy="revoke this key, and make one with --public --origin for the shop's pages",
            )
        if found.is_public:
            origin = _origin(request)
            if origin is None and parameter is not None:
                origin = _referring_origin(request)
            if origin is not None or parameter is None:
                _check_origin(found, origin)
        return await _admitted(request, found, (Scope.SEARCH,), is_photo=True)

    return caller


async def _caller(request: Request, presented: str) -> Caller:
    keys: ApiKeyService = request.app.state.api_keys
    trusted = keys.trusted(presented)
    # Most requests' keys were looked up a moment ago; changing threads for those would cost more than all the rest.
    return trusted if trusted is not None else await run_in_threadpool(_looked_up, request, presented)


def _looked_up(request: Request, presented: str) -> Caller:
    keys: ApiKeyService = request.app.state.api_keys
    limits: RateLimits = request.app.state.rate_limits
    if keys.is_familiar(presented):
        return keys.authenticate(presented)
    address = client_address(request)
    limits.check_guesses(address)
    try:
        return keys.authenticate(presented)
    except KeyRefused:
        limits.note_guess(address, presented)
        raise


async def _admitted(request: Request, caller: Caller, scopes: Sequence[Scope], *, is_photo: bool = False) -> Caller:
    request.scope[ADMITTED] = caller
    limits: RateLimits = request.app.state.rate_limits
    try:
        if limits.are_here:
            allowance = limits.admit(caller, client_address(request), is_photo=is_photo)
        else:
            allowance = await run_in_threadpool(limits.admit, caller, client_address(request), is_photo=is_photo)
        request.scope[ALLOWANCE] = allowance
    except RateLimited as error:
        request.scope[ALLOWANCE] = error.allowance
        raise
    if not caller.scopes.intersection(scopes):
        raise ScopeMissing(
            "The API key may not be used for this",
            received="a key for " + ", ".join(held for held in Scope if held in caller.scopes),
            expected="a key for " + " or ".join(scopes),
            remedy="use a key that was made with --scope " + " or --scope ".join(scopes),
        )
    return caller


def _presented(bearer: HTTPAuthorizationCredentials | None, *others: str | None) -> str:
    """The one key of a request: that of Authorization, or of the other places where it may be."""
    keys = (None if bearer is None else bearer.credentials, *others)
    presented = {key.strip() for key in keys if key is not None and key.strip()}
    if len(presented) == 1:
        return presented.pop()
    raise KeyRefused(
        "The request has two different API keys" if presented else "The request has no API key",
        received="one in Authorization and another beside it" if presented else "neither header",
        expected="the header Authorization: Bearer KEY, or X-Api-Key: KEY",
        remedy="make a key with drape keys create",
    )


def _origin(request: Request) -> str | None:
    """The origin of the page that asks, as its browser tells.

    Browsers leave the header out where a page only reads from the server that it came from itself.
    """
    told = request.headers.get("Origin")
    if told is None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return f"{request.url.scheme}://{request.url.netloc}"
    return told


def _referring_origin(request: Request) -> str | None:
    """The origin of the page that shows what is asked for, where its browser tells."""
    told = request.headers.get("Referer")
    if not told:
        return None
    try:
        parts = urlsplit(told)
        return normalize_origin(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, InvalidRequest):
        # Of an origin that no key can be for.
        return told[:100]


def _check_origin(caller: Caller, origin: str | None) -> None:
    """Keep a public key to its sites. Programs can claim any origin; other sites' pages cannot."""
    if origin is None or origin not in caller.allowed_origins:
        raise OriginNotAllowed(
            "This public API key may not be used from here",
            received="no origin" if origin is None else f"the origin {origin[:100]}",
            expected="a page of one of the sites that the key is for",
            remedy="make a key with --origin for this site; servers use a secret key",
        )
