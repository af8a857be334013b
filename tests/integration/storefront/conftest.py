"""The HTTP application on real parts, two merchants' catalogs in it, asked without a server between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from catalog.bootstrap import Application
from catalog.services.ingesting.ingest import IngestRequest
from catalog.settings import Settings
from catalog.storefront.app import create_app
from catalog.types import Caller, Scope
from tests.fakes import ColorModels
from tests.integration.services.conftest import picture

SHOP = [
    ("red-dress", "Dress", "red", ["red"], "Women > Dresses", "80.00 EUR", "in_stock"),
    ("red-skirt", "Skirt", "red", ["red", "red", "white"], "Women > Skirts", "40.00 EUR", "in_stock"),
    ("blue-dress", "Dress", "blue", ["blue"], "Women > Dresses", "60.50 EUR", "out_of_stock"),
    ("half/half", "Jacket", "red", ["red", "blue"], "Men > Jackets", "120.00 USD", "in_stock"),
]
OTHER = [("theirs", "Secret dress", "red", ["red", "red", "red", "black"], "Women > Dresses", "1.00 EUR", "in_stock")]


class ColorApplication(Application):
    """An application whose network is the arithmetic of ``tests.fakes``."""

    @cached_property
    def models(self):
        return ColorModels()

    @cached_property
    def _noted_models(self):
        # They have no manifest to hold them to.
        return self.models


@dataclass(frozen=True)
class Client:
    """Asks with a key, unless it is told otherwise."""

    app: FastAPI
    key: str
    host: str = "drape.example"
    address: str = "127.0.0.1"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("POST", path, **options)

    def upload(self, image: bytes, query: dict[str, Any] | None = None) -> httpx.Response:
        data = {} if query is None else {"query": json.dumps(query)}
        return self.post("/v1/search", files={"image": image}, data=data)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 4711))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{self.host}") as client:
                return await client.request(method, path, headers=headers, **options)

        headers = {"X-Api-Key": self.key} if headers is None else headers
        return asyncio.run(asked())


def ids(response: httpx.Response) -> list[str]:
    """The products of an answer, in order of rank."""
    assert response.status_code == 200, response.text
    return [hit["product"]["id"] for hit in response.json()["hits"]]


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The facts of an error of that kind."""
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
    assert list(response.json()) == ["error"]
    facts = response.json()["error"]
    assert list(facts) == ["code", "message", "received", "expected", "remedy", "id"]
    return facts


def _take(application: Application, folder: Path, merchant: str, rows) -> None:
    """Ingest and index a feed of products as ``SHOP`` has them."""
    folder.mkdir()
    lines = []
    for number, (product, title, color, bands, category, price, availability, *link) in enumerate(rows):
        (folder / f"{number}.png").write_bytes(picture(*bands))
        row = {
            "id": product,
            "title": title,
            "category": category,
            "attributes": [f"color={color}"],
            "price": price,
            "availability": availability,
            "image": f"{number}.png",
            "link": link[0] if link else None,
            # A column of the shop's own.
            "Season": "Summer; Spring" if title == "Dress" else "Winter",
        }
        lines.append(json.dumps(row) + "\n")
    feed = folder / "feed.jsonl"
    feed.write_text("".join(lines), encoding="utf-8")
    errors: list[object] = []
    summary = application.ingest.run(IngestRequest(feed, merchant, "colors-1"), errors.append)
    application.indexing.run(summary.merchant_id)
    assert errors == []


@pytest.fixture(scope="module")
def application(module_database, tmp_path_factory) -> Iterator[Application]:
    """An application with the catalogs of ``atelier`` (``SHOP``) and of ``rival`` (``OTHER``), as tests leave it."""
    folder = tmp_path_factory.mktemp("storefront")
    settings = Settings(home=folder / "home", database_url=module_database, max_image_bytes=100_000)
    with ColorApplication(settings) as application:
        _take(application, folder / "atelier", "atelier", SHOP)
        _take(application, folder / "rival", "rival", OTHER)
        yield application


@pytest.fixture(scope="module")
def keys(application) -> dict[str, str]:
    """A key for searching of each merchant."""
    return {name: application.api_keys.create(name, "tests", [Scope.SEARCH]).secret for name in ("atelier", "rival")}


@pytest.fixture(scope="module")
def shop(application, keys) -> Client:
    """A client of ``atelier``."""
    return Client(create_app(application), keys["atelier"])


@pytest.fixture(scope="module")
def rival(shop, keys) -> Client:
    """A client of ``rival``, of the same HTTP application."""
    return Client(shop.app, keys["rival"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser without a window."""
    # Most tests here need none.
    from tests.chromium import chromium

    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def open_address(application) -> Iterator[str]:
    """Where the page of ``atelier`` is served, without a key."""
    from tests.chromium import serving

    with serving(create_app(application, open_to=anybody(application, "atelier"))) as address:
        yield address


@pytest.fixture
def page(browser, open_address) -> Any:
    """A tab for that page."""
    from tests.chromium import Page

    browser.get_log("browser")
    return Page(browser, open_address)


def anybody(application: Application, merchant: str) -> Caller:
    """Whoever asks without a key, where none is needed: they search the merchant's catalog."""
    with application.unit_of_work() as work:
        merchant_id = work.merchants.ensure(merchant)
        work.commit()
    return Caller(merchant, merchant_id, 0, frozenset({Scope.SEARCH}), (), is_public=False)
