"""Requests with and without API keys, against a small application whose one route tells who asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from catalog.adapters.broker.request_limits import RequestLimits
from catalog.errors import DrapeError, KeyRefused
from catalog.services.api_keys import ApiKeyService
from catalog.storefront.authentication import CHALLENGE, require
from catalog.storefront.rate_limits import RateLimits
from catalog.types import Caller, Scope
from catalog.unit_of_work import UnitOfWork

SHOP = "https://shop.example"


@dataclass(frozen=True)
class Client:
    """Asks an application without a server between them."""

    app: FastAPI

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **options))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://drape.example") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def keys(database):
    engine = create_engine(database)

    def unit_of_work() -> UnitOfWork:
        return UnitOfWork(sessionmaker(engine, expire_on_commit=False))

    with unit_of_work() as work:
        for merchant in ("brio", "atelier"):
            work.merchants.ensure(merchant)
        work.commit()
    yield ApiKeyService(unit_of_work)
    engine.dispose()


@pytest.fixture
def client(keys):
    app = FastAPI()
    app.state.api_keys = keys
    app.state.rate_limits = RateLimits(RequestLimits(), None)

    @app.get("/search")
    def search(caller: Annotated[Caller, Depends(require(Scope.SEARCH))]) -> str:
        return caller.merchant

    @app.post("/ingest")
    def ingest(caller: Annotated[Caller, Depends(require(Scope.INGEST))]) -> str:
        return caller.merchant

    @app.exception_handler(DrapeError)
    def explain(request: Request, error: DrapeError) -> JSONResponse:
        status = 401 if isinstance(error, KeyRefused) else 403
        headers = CHALLENGE if status == 401 else None
        return JSONResponse({"code": type(error).__name__, "message": str(error)}, status, headers)

    return Client(app)


def _bearer(secret: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", **headers}


def test_a_key_in_either_header_tells_whose_data_is_asked_for(client, keys):
    for merchant in ("atelier", "brio"):
        secret = keys.create(merchant, "k", [Scope.SEARCH]).secret
        lower = {"authorization": f"bearer {secret}"}
        for headers in (_bearer(secret), {"X-Api-Key": secret}, {**_bearer(secret), "X-Api-Key": secret}, lower):
            answer = client.get("/search", headers=headers)
            assert (answer.status_code, answer.json()) == (200, merchant)


def test_no_key_a_wrong_one_and_two_at_once_are_401_with_a_challenge(client, keys):
    one, other = (keys.create("atelier", name, [Scope.SEARCH]).secret for name in "ab")
    wrong = (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {one}"},
        {"X-Api-Key": ""},
        {"X-Api-Key": one[:-1]},
        {"X-Api-Key": b"\xff" * 20},
        _bearer("drape_sk_" + "0" * 43),
        {**_bearer(one), "X-Api-Key": other},
    )
    for headers in wrong:
        answer = client.get("/search", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "KeyRefused"), headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert one not in answer.text
    # A key is no parameter: addresses are logged and remembered.
    assert client.get("/search", params={"api_key": one, "X-Api-Key": one}).status_code == 401


def test_a_key_is_good_for_its_scopes_only(client, keys):
    """Nor does ``admin`` include the others."""
    granted = {scope: keys.create("atelier", scope, [scope]).secret for scope in Scope}
    statuses = {
        scope: (client.get("/search", headers=_bearer(key)), client.post("/ingest", headers=_bearer(key)))
        for scope, key in granted.items()
    }
    assert {scope: (search.status_code, ingest.status_code) for scope, (search, ingest) in statuses.items()} == {
        Scope.SEARCH: (200, 403),
        Scope.INGEST: (403, 200),
        Scope.ADMIN: (403, 403),
    }
    assert statuses[Scope.SEARCH][1].json()["code"] == "ScopeMissing"
    assert "a key for search; expected: a key for ingest" in statuses[Scope.SEARCH][1].json()["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": SHOP}, 200),
        ({"Origin": "https://drape.example"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://shop.example"}, 403),
        ({"Origin": "https://shop.example.evil.example"}, 403),
        ({"Origin": "https://shop.example:8443"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Referer": f"{SHOP}/"}, 403),
    ],
)
def test_a_public_key_is_good_for_the_pages_of_its_sites(client, keys, headers, status):
    """A page of the very host that is asked, which browsers name by other means, counts if it is one of them."""
    sites = [SHOP, "https://drape.example"]
    secret = keys.create("atelier", "web", [Scope.SEARCH], is_public=True, allowed_origins=sites).secret
    answer = client.get("/search", headers=_bearer(secret, **headers))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "OriginNotAllowed"
        assert SHOP not in answer.json()["message"].partition("expected")[2]


def test_a_public_key_does_not_ingest_even_from_its_site(client, keys):
    secret = keys.create("atelier", "web", [Scope.SEARCH], is_public=True, allowed_origins=[SHOP]).secret
    answer = client.post("/ingest", headers=_bearer(secret, Origin=SHOP))
    assert (answer.status_code, answer.json()["code"]) == (403, "ScopeMissing")


def test_a_secret_key_is_good_from_anywhere(client, keys):
    secret = keys.create("atelier", "k", [Scope.SEARCH]).secret
    assert client.get("/search", headers=_bearer(secret, Origin="https://any.example")).status_code == 200


def test_the_documentation_of_the_api_tells_of_both_headers(client):
    document = client.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("scheme"), scheme.get("name")) for scheme in schemes.values()} == {
        ("http", "bearer", None),
        ("apiKey", None, "X-Api-Key"),
    }
    assert {name for way in document["paths"]["/search"]["get"]["security"] for name in way} == {"bearer", "header"}
