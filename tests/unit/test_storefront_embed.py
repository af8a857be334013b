"""The script for shops' pages: how it is served."""

from __future__ import annotations

import asyncio

import httpx
from fastapi import FastAPI

from catalog.storefront.routes import embed


def ask(headers: dict[str, str] | None = None) -> httpx.Response:
    app = FastAPI()
    app.include_router(embed.router)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://drape.example") as client:
            return await client.get("/embed/similar.js", headers=headers)

    return asyncio.run(asked())


def test_pages_of_every_site_may_run_it_and_keep_it_for_an_hour():
    answered = ask()
    assert (answered.status_code, answered.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answered.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answered.headers["access-control-allow-origin"] == "*"
    assert answered.headers["cache-control"] == "public, max-age=3600"


def test_it_is_sent_again_only_where_it_has_changed():
    tag = ask().headers["etag"]
    assert ask({"If-None-Match": tag}).status_code == 304
    assert ask({"If-None-Match": '"other"'}).status_code == 200


def test_it_is_small_and_needs_nothing_else():
    script = ask().text
    assert len(script.encode()) < 5000
    assert "import" not in script
