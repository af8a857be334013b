"""The Python client against the application itself: whatever the API has, it asks for, with all that can be said.

A new endpoint, parameter or field that the client does not know fails here.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from catalog.api_schemas.query import Filters
from catalog.client import (
    Boost,
    Client,
    DrapeApiError,
    KeyNotAccepted,
    NotFound,
    RequestRefused,
    Retries,
)
from catalog.types import Scope
from tests.integration.services.conftest import picture

README = Path(__file__).parents[3] / "README.md"

EVERY_FILTER = {
    "category": "Women > Dresses",
    "all": ["color=red"],
    "any": ["color=red", "color=blue"],
    "none": ["color=green"],
    "min_price": "1.50",
    "max_price": "100",
    "currency": "EUR",
    "availability": ["in_stock"],
    "fields": {"season": ["summer"]},
}
EVERY_RANKING = {
    "mode": "native",
    "exact": True,
    "limit": 3,
    "page": 0,
    "candidates": 100,
    "score_threshold": 0.1,
    "per_product": False,
    "diversity": 0.5,
    "boost": {"in_stock": 0.2, "newer": 0.1},
}
CROP = (0, 0, 8, 8)
FEED_TAKING = {
    "full_sync": True,
    "max_removal": 0.5,
    "attributes_as_given": True,
    "dialect": "google",
    "currency": "EUR",
}

CALLS: dict[str, Callable[[Client], object]] = {
    "POST /v1/search": lambda client: client.search(
        image=picture("red"),
        image_url="https://shop.example/photo.jpg",
        product_id="red-dress",
        words="red",
        like=["red-dress"],
        unlike=["blue-dress"],
        crop=CROP,
        but=["color=blue"],
        without=["color=green"],
        filters=EVERY_FILTER,
        **EVERY_RANKING,
    ),
    "GET /v1/products/{product_id}/similar": lambda client: client.similar(
        "red-dress", filters=EVERY_FILTER, **EVERY_RANKING
    ),
    "POST /v1/tag": lambda client: client.tag(
        picture("red"), image_url="https://shop.example/photo.jpg", crop=CROP, top_k=2, min_confidence=0.0
    ),
    "GET /v1/products": lambda client: client.products_page(filters=EVERY_FILTER, order="id", limit=2, after="eyJ"),
    "GET /v1/products/{product_id}": lambda client: client.product("half/half"),
    "DELETE /v1/products/{product_id}": lambda client: client.delete_product("nothing"),
    "GET /v1/images/{sha256}": lambda client: client.photo("0" * 64, width=160),
    "GET /v1/facets": lambda client: client.facets(filters=EVERY_FILTER, count_fields=["season"]),
    "GET /v1/attributes": lambda client: client.attributes(q="r", group="color", filters=EVERY_FILTER, limit=3),
    "POST /v1/feeds": lambda client: client.send_feed(__file__, **FEED_TAKING),
    "GET /v1/jobs": lambda client: client.jobs(limit=2, before=7),
    "GET /v1/jobs/{job_id}": lambda client: client.job(2**40),
    "POST /v1/jobs/{job_id}/cancel": lambda client: client.cancel_job(2**40),
    "GET /v1/webhooks": lambda client: client.webhooks(),
    "POST /v1/webhooks": lambda client: client.add_webhook("https://127.0.0.1/hook"),
    "DELETE /v1/webhooks/{webhook_id}": lambda client: client.remove_webhook(2**40),
    "GET /healthz": lambda client: client.health(),
    "GET /readyz": lambda client: client.ready(),
    "GET /metrics": lambda client: client.metrics(),
}
"""By endpoint, a call that says all that can be said, whether or not that makes sense together."""


class AppTransport(httpx.BaseTransport):
    """Hands requests to an application in this process, and notes them."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.asked: list[tuple[httpx.Request, bytes]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        self.asked.append((request, body))

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.request(request.method, request.url, headers=request.headers, content=body)

        answer = asyncio.run(asked())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def ask_as(app: FastAPI, key: str | None) -> tuple[Client, AppTransport]:
    transport = AppTransport(app)
    return Client("http://drape.example", key=key, transport=transport, retries=Retries(attempts=1)), transport


@pytest.fixture(scope="module")
def client(application, shop) -> Client:
    """With a key of ``atelier`` for everything."""
    return ask_as(shop.app, application.api_keys.create("atelier", "client", list(Scope)).secret)[0]


@pytest.fixture(scope="module")
def description(shop) -> dict:
    return shop.app.openapi()


def test_every_endpoint_has_a_method(description):
    described = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert {endpoint.replace(":path", "") for endpoint in described} == set(CALLS)


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_call_reaches_its_endpoint_and_can_say_all_that_it_takes(shop, keys, description, endpoint):
    """The API's description has the names of parameters and of the fields of bodies."""
    client, transport = ask_as(shop.app, keys["atelier"])
    refused = None
    try:
        CALLS[endpoint](client)
    except DrapeApiError as error:
        # The endpoint may refuse what was asked, or who asked; it must be there.
        refused = error
    assert refused is None or refused.code not in ("not_found", "method_not_allowed", "unusable_answer"), refused
    ((request, body),) = transport.asked
    method, path = endpoint.split(" ")
    assert request.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", ".+", path), request.url.path)
    operation = next(
        methods[method.lower()]
        for described, methods in description["paths"].items()
        if described.replace(":path", "") == path
    )
    parameters = operation.get("parameters", [])
    assert {one["name"] for one in parameters if one["in"] == "query"} == set(request.url.params)
    assert {one["name"].lower() for one in parameters if one["in"] == "header"} - {"if-none-match"} <= set(
        request.headers
    )
    assert _fields(request, body) == _described_fields(operation, description)


def _fields(request: httpx.Request, body: bytes) -> set[str]:
    """The names in the JSON of a body, those within included, and those of its parts."""
    kind = request.headers.get("Content-Type", "")
    if not kind.startswith("multipart/"):
        return _names(json.loads(body)) if body else set()
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    found = set()
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")
        found |= {name} if part.get_filename() else {name, *_names(json.loads(part.get_payload(decode=True)))}
    return found


def _names(value: object) -> set[str]:
    if not isinstance(value, dict):
        return set()
    # Below ``fields`` come names of the merchant's own.
    return {name for key, inner in value.items() for name in ({key} if key == "fields" else {key, *_names(inner)})}


def _described_fields(operation: dict, description: dict) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schemas = [content[kind]["schema"] for kind in ("multipart/form-data", "application/json") if kind in content]
    if not schemas:
        return set()
    if "/v1/feeds" in description["paths"] and operation is description["paths"]["/v1/feeds"]["post"]:
        # One feed is either uploaded or named by its address; the call names one.
        schemas = schemas[:1]
    return _described_names(schemas[0], description)


def _described_names(schema: dict, description: dict) -> set[str]:
    if "$ref" in schema:
        return _described_names(description["components"]["schemas"][schema["$ref"].rpartition("/")[2]], description)
    found = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {name, *_described_names(inner, description)}
    for inner in schema.get("anyOf", []):
        found |= _described_names(inner, description)
    return found


def test_searches_of_every_kind_are_answered(client):
    hits = client.search(image=picture("red")).hits
    assert hits[0].product.id == "red-dress"
    assert (hits[0].rank, hits[0].product.price.amount, hits[0].why[0].attribute) == (1, "80.00", "color=red")
    found = client.search(product_id="red-dress", filters=Filters(category="Women > Dresses"), mode="visual", limit=1)
    assert [hit.product.id for hit in found.hits] == ["blue-dress"]
    assert (found.limit, found.total.value, found.model_version) == (1, 1, "colors-1")
    understood = client.search(words="red without blue under 50 EUR").understood
    assert (understood.all, understood.none, understood.max_price) == (("color=red",), ("color=blue",), "50.00")
    assert client.search(like=["red-dress", "red-skirt"], mode="visual").hits[0].product.id == "half/half"
    assert client.similar("half/half", limit=2).hits[0].product.id == "red-dress"
    lifted = client.similar("red-dress", boost=Boost(in_stock=1.0), diversity=0.1)
    assert lifted.reordered_by == ("in_stock", "diversity")
    changed = client.search(product_id="red-dress", words="but in blue, without white").understood
    assert (changed.all, changed.none) == (("color=blue",), ("color=white",))


def test_the_catalog_is_read_whole(client):
    """Two to a page, so that there are three."""
    listed = [item.product.id for item in client.products(order="id", page_size=2)]
    assert listed == sorted(listed)
    assert sorted(listed) == ["blue-dress", "half/half", "red-dress", "red-skirt"]
    whole = client.product("half/half")
    assert (whole.title, whole.category, whole.images[0].state) == ("Jacket", ("Men", "Jackets"), "indexed")
    assert client.photo(whole.images[0].sha256) == picture("red", "blue")
    assert client.photo(whole.images[0].sha256, width=160).startswith(b"\xff\xd8")


def test_what_there_is_to_choose_from_is_told(client):
    facets = client.facets(filters={"fields": {"season": ["summer"]}}, count_fields=["season"])
    assert facets.num_products == 2
    assert {one.value for one in facets.fields["season"]} == {"summer", "spring"}
    assert client.attributes(q="re", group="color").attributes[0].attribute == "color=red"
    assert client.attributes(q="rou").attributes[0].matched == "rouge"
    assert client.tag(picture("blue"), top_k=1).groups[0].values[0].attribute == "color=blue"


def test_the_process_is_seen_to_be_well(client):
    assert client.health().status == "ok"
    assert client.ready().ready
    assert "http" in client.metrics()


def test_a_feed_is_handed_over_waited_for_and_removed_again(application, client, tmp_path):
    """Under one key it is handed over once; its job is taken while it is waited for."""
    feed = tmp_path / "more.jsonl"
    feed.write_text(json.dumps({"id": "new", "title": "New", "image": "https://shop.example/new.png"}) + "\n")
    job = client.send_feed(feed, idempotency_key="once")
    assert (job.state, job.feed) == ("waiting", "more.jsonl")
    assert client.send_feed(feed, idempotency_key="once").id == job.id
    with pytest.raises(RequestRefused) as refused:
        client.send_feed(feed)
    assert refused.value.code == "ingest_running"
    application.feed_submissions.run_due()
    done = client.wait_for(job)
    assert (done.state, done.counts["products_new"]) == ("done", 1)
    assert client.jobs(limit=1).jobs[0].id == job.id
    client.delete_product("new")
    with pytest.raises(NotFound) as missing:
        client.product("new")
    assert (missing.value.code, missing.value.received) == ("product_not_found", "new")
    assert len(missing.value.request_id) == 16


def test_webhooks_are_made_and_removed(application, client, monkeypatch):
    # No name server is asked, and the address is one of the public internet.
    monkeypatch.setattr(application.webhooks._posts, "check", lambda url: None)
    made = client.add_webhook("https://atelier.example/hook")
    assert made.secret.startswith("whsec_")
    assert [hook.id for hook in client.webhooks().webhooks] == [made.id]
    client.remove_webhook(made.id)
    assert client.webhooks().webhooks == ()


def test_errors_are_those_of_the_api(shop, keys):
    searcher, _ = ask_as(shop.app, keys["atelier"])
    with pytest.raises(KeyNotAccepted) as forbidden:
        searcher.jobs()
    assert (forbidden.value.status, forbidden.value.code) == (403, "scope_missing")
    with pytest.raises(KeyNotAccepted) as unknown:
        ask_as(shop.app, "dk_nobody")[0].facets()
    assert (unknown.value.status, unknown.value.code) == (401, "key_refused")
    with pytest.raises(RequestRefused) as unusable:
        searcher.search(image=b"no photo")
    assert (unusable.value.status, unusable.value.code) == (422, "unusable_image")
    assert unusable.value.expected


def test_the_example_of_the_readme_does_what_it_says(application, shop, monkeypatch, tmp_path, capsys):
    """Its job is taken, and what it brought indexed, when it is asked for the first time."""
    (example,) = re.findall(r"```python\n(from catalog\.client.*?)```", README.read_text(encoding="utf-8"), re.S)
    key = application.api_keys.create("atelier", "readme", [Scope.SEARCH, Scope.INGEST]).secret
    app = AppTransport(shop.app)

    def handle_request(_, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v1/jobs/"):
            application.feed_submissions.run_due()
            application.indexing.run()
        return app.handle_request(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle_request)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(picture("red"))
    (tmp_path / "feed.csv.gz").write_bytes(gzip.compress(b"id,price\nred-dress,70.00 EUR\n"))
    exec(example, {"KEY": key})
    assert capsys.readouterr().out.splitlines() == ["1 Dress color=red", "2 Skirt color=red", "3 Jacket color=red"]
    price = Client("http://drape.example", key=key).product("red-dress").price
    assert (price.amount, price.currency) == ("70.00", "EUR")
