"""The HTTP application: its endpoints, its errors, and what passes every request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI

from catalog.api_schemas.feeds import feed_schemas
from catalog.api_schemas.query import query_schemas
from catalog.api_schemas.tags import tag_schemas
from catalog.api_schemas.webhooks import webhook_schemas
from catalog.bootstrap import Application
from catalog.storefront import errors
from catalog.storefront.edge import Edge
from catalog.storefront.known_parameters import only_known_parameters
from catalog.storefront.metrics import StorefrontMetrics
from catalog.storefront.open_access import open_to_this_machine
from catalog.storefront.parts import StorefrontParts, may_search, may_see_photos
from catalog.storefront.rate_limits import RateLimits
from catalog.storefront.routes import (
    attributes,
    docs,
    embed,
    facets,
    feeds,
    health,
    images,
    jobs,
    page,
    products,
    search,
    tags,
    webhooks,
)
from catalog.types import Caller

_DESCRIPTION = """Which items look like this one, and why.

Every request needs an API key, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`, which decides whose catalog it is.
Every error has the same shape: a code, a message, and what was received, expected and can be done."""


def create_app(
    application: Application, *, open_to: Caller | None = None, on_end: Callable[[], None] | None = None
) -> FastAPI:
    """The application over the services, which stay the caller's to close.

    Args:
        open_to: Whom requests without a key are taken to come from, where they come from this machine.
        on_end: Called once nobody waits for an answer any more. Calls whose clients have gone may still run; they are
            waited for next.
    """
    metrics = StorefrontMetrics()
    parts = StorefrontParts.of(application, metrics)
    metrics.watch(application.query_embedding)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        if on_end is not None:
            on_end()
        parts.close()

    app = FastAPI(
        title="Drape",
        version=version("drape"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.parts = parts
    app.state.api_keys = application.api_keys
    app.state.rate_limits = RateLimits(application.request_limits, application.settings.rate_limit)
    if open_to is not None:
        for access in (may_search, may_see_photos):
            app.dependency_overrides[access] = open_to_this_machine(open_to)
    errors.install(app)
    # Where no key is asked for, a page of another site could read the catalog of whoever looks at it.
    app.add_middleware(Edge, metrics=metrics, is_for_pages=open_to is None)
    for resource in (
        search,
        tags,
        products,
        images,
        facets,
        attributes,
        feeds,
        jobs,
        webhooks,
        health,
        docs,
        page,
        embed,
    ):
        # Browsers' addresses may say more than is read, such as where a visitor came from.
        is_api = resource not in (health, docs, page, embed)
        app.include_router(resource.router, dependencies=[Depends(only_known_parameters)] if is_api else [])
    _describe_query(app)
    return app


def _describe_query(app: FastAPI) -> None:
    """Put the bodies of queries, which are read by hand, among the shapes that the API's description refers to."""
    made = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            description = made()
            read_by_hand = query_schemas() | tag_schemas() | feed_schemas() | webhook_schemas()
            description["components"]["schemas"].update(read_by_hand)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
