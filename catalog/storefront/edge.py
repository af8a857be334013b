"""What every request passes first, and every answer last: its id, headers, a count, a line in the log."""

from __future__ import annotations

import logging
import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.storefront.cross_origin import is_preflight, preflight_answer, tell_who_may_read
from catalog.storefront.errors import internal_error, new_id
from catalog.storefront.metrics import StorefrontMetrics
from catalog.storefront.rate_limits import ALLOWANCE, headers_of

_log = logging.getLogger(__name__)

NOTHING_LOADED: Final = "default-src 'none'; frame-ancestors 'none'"
OWN_FILES: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""For pages. Swagger UI begins with a script in its page and styles in its elements."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": NOTHING_LOADED,
    # Of what pages load without being let read it, such as images and scripts.
    "Cross-Origin-Resource-Policy": "same-origin",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GIVEN_UP: Final = 499
"""The client went away before its answer."""

_QUIET_ROUTES: Final = ("/healthz", "/readyz", "/metrics")


class Edge:
    """The outermost part of the application.

    An exception that nothing inside has told becomes an answer with an id; the log has the rest of it.

    Args:
        is_for_pages: Whether pages of other origins may ask, with a key of theirs.
    """

    def __init__(self, app: ASGIApp, metrics: StorefrontMetrics, *, is_for_pages: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._is_for_pages = is_for_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = scope["request_id"] = new_id()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
                if (allowance := scope.get(ALLOWANCE)) is not None:
                    headers.update(headers_of(allowance))
                if self._is_for_pages:
                    tell_who_may_read(scope, headers)
            await send(message)

        inside = preflight_answer() if self._is_for_pages and is_preflight(scope) else self._app
        try:
            await inside(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = _GIVEN_UP
        except Exception:
            _log.exception("A request failed", extra={"request": request_id})
            if status:
                # The answer has begun: ending it early is all that is left to tell.
                raise
            await internal_error(request_id)(scope, receive, send_with_headers)
        finally:
            self._tell(scope, request_id, status or _GIVEN_UP, time.perf_counter() - start)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        # Words of the client's own would be series without end.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.answered(method, route, status, seconds)
        level = logging.DEBUG if route in _QUIET_ROUTES and status < 400 else logging.INFO
        _log.log(
            level,
            "%s %s %d",
            method,
            route,
            status,
            extra={
                "request": request_id,
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )
