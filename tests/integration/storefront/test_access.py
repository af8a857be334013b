"""Who may do what, attacked: every route there is, without a key, with the wrong one, and for somebody else's catalog.

Whose rows a request sees comes from its key alone: ``Caller.merchant`` and ``merchant_id``, made in
``storefront.authentication``, are what every endpoint hands to the services, and no parameter or body names a merchant.
In PostgreSQL the repositories ask by that id; in Qdrant ``services.queries.search_filter`` adds it to
filters.

A new route is a row in ``ROUTES``, or the first test fails.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts

from catalog.request_rates import Period, RequestRate
from catalog.storefront import rate_limits
from catalog.types import Scope, SearchFilters
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, _take, ids, refused

SITE, ELSEWHERE = "https://shop.example", "https://evil.example"

SECRETS = [
    # The same id as one of atelier's, and one that only they have.
    (
        "red-dress",
        "Qvaultdress",
        "red",
        ["red", "white", "red", "black"],
        "Qvaultshelf > Dresses",
        "4711.11 EUR",
        "in_stock",
    ),
    (
        "qvault-id",
        "Qvaultskirt",
        "qvaultish",
        ["red", "red", "black"],
        "Qvaultshelf > Skirts",
        "4711.12 EUR",
        "in_stock",
    ),
]
WORDS = ("qvault", "4711.11", "4711.12")
"""One of these is in everything that ``trove`` has and ``atelier`` has not; so are the hashes of its photos."""


@dataclass(frozen=True)
class Theirs:
    """What somebody else has that a request could name."""

    product: str
    photo: str
    merchant_id: int
    job: int
    webhook: int


@dataclass(frozen=True)
class Route:
    """What is expected of a route.

    Args:
        scopes: A key with one of them is admitted; nobody needs a key where there are none.
        path: Of a request that a key is admitted with, whatever comes of it. Changes nothing.
        options: Of the same request.
        for_theirs: Requests for what only somebody else has, which must not be found.
    """

    scopes: tuple[Scope, ...] = ()
    path: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    for_theirs: Callable[[Theirs], list[tuple[str, dict[str, Any]]]] = lambda _: []


SEARCH, INGEST, ADMIN = (Scope.SEARCH,), (Scope.INGEST,), (Scope.ADMIN,)

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/"): Route(path="/"),
    ("GET", "/page/{file_version}/{name}"): Route(path="/page/0/page.css"),
    ("GET", "/embed/similar.js"): Route(path="/embed/similar.js"),
    ("GET", "/docs"): Route(path="/docs"),
    ("GET", "/docs/{name}"): Route(path="/docs/swagger-ui.css"),
    ("GET", "/openapi.json"): Route(path="/openapi.json"),
    ("GET", "/healthz"): Route(path="/healthz"),
    ("GET", "/readyz"): Route(path="/readyz"),
    ("GET", "/metrics"): Route(path="/metrics"),
    ("POST", "/v1/search"): Route(
        SEARCH,
        "/v1/search",
        {"json": {"product_id": "red-dress"}},
        lambda theirs: [
            ("/v1/search", {"json": {"product_id": theirs.product}}),
            ("/v1/search", {"json": {"product_id": theirs.product, "but": ["color=blue"]}}),
        ],
    ),
    ("POST", "/v1/tag"): Route(SEARCH, "/v1/tag", {"files": {"image": picture("red")}}),
    ("GET", "/v1/products"): Route(SEARCH, "/v1/products"),
    ("GET", "/v1/products/{product_id:path}"): Route(
        SEARCH, "/v1/products/red-dress", for_theirs=lambda theirs: [(f"/v1/products/{theirs.product}", {})]
    ),
    ("DELETE", "/v1/products/{product_id:path}"): Route(
        INGEST, "/v1/products/nothing", for_theirs=lambda theirs: [(f"/v1/products/{theirs.product}", {})]
    ),
    ("GET", "/v1/products/{product_id:path}/similar"): Route(
        SEARCH,
        "/v1/products/red-dress/similar",
        for_theirs=lambda theirs: [(f"/v1/products/{theirs.product}/similar", {})],
    ),
    ("GET", "/v1/facets"): Route(SEARCH, "/v1/facets"),
    ("GET", "/v1/attributes"): Route(SEARCH, "/v1/attributes"),
    ("GET", "/v1/images/{sha256}"): Route(
        SEARCH,
        f"/v1/images/{'0' * 64}",
        for_theirs=lambda theirs: [
            (f"/v1/images/{theirs.photo}", {}),
            (f"/v1/images/{theirs.photo}", {"params": {"width": 160}}),
        ],
    ),
    ("POST", "/v1/feeds"): Route(INGEST, "/v1/feeds", {"json": {"url": "ftp://shop.example/feed.csv"}}),
    ("GET", "/v1/jobs"): Route(INGEST + ADMIN, "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"): Route(
        INGEST + ADMIN, f"/v1/jobs/{2**40}", for_theirs=lambda theirs: [(f"/v1/jobs/{theirs.job}", {})]
    ),
    ("POST", "/v1/jobs/{job_id}/cancel"): Route(
        INGEST + ADMIN, f"/v1/jobs/{2**40}/cancel", for_theirs=lambda theirs: [(f"/v1/jobs/{theirs.job}/cancel", {})]
    ),
    ("GET", "/v1/webhooks"): Route(ADMIN, "/v1/webhooks"),
    ("POST", "/v1/webhooks"): Route(ADMIN, "/v1/webhooks", {"json": {"url": "https://127.0.0.1/"}}),
    ("DELETE", "/v1/webhooks/{webhook_id}"): Route(
        ADMIN, f"/v1/webhooks/{2**40}", for_theirs=lambda theirs: [(f"/v1/webhooks/{theirs.webhook}", {})]
    ),
}

CLOSED = {route: expected for route, expected in ROUTES.items() if expected.scopes}

HOSTILE = [
    "trove",
    "qvault-id",
    "' OR '1'='1",
    "x'; DROP TABLE api_key; --",
    "red-dress' UNION SELECT title FROM product --",
    '{"$ne": null}',
    "%",
    "_",
    "*",
    "../../trove/qvault-id",
    "color=red\0",
    "\0",
    "ｓｅｃｒｅｔ＝＊",
    "👗" * 400,
    "a\u0301" * 3000,
    "\u202e\ufeff\u2028",
    "merchant_id=2",
    "9" * 400,
    "-1",
    "1e400",
    "NaN",
    "none",
    "null",
    "",
]


@pytest.fixture(scope="module")
def theirs(application, tmp_path_factory) -> Theirs:
    """What a third merchant, ``trove``, has: with the same network, so in the same collection of the index."""
    _take(application, tmp_path_factory.mktemp("trove") / "feed", "trove", SECRETS)
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("trove")
        (job,) = work.jobs.latest(merchant_id)
        webhook = work.webhooks.add(merchant_id, "https://qvault.example/hook", "whsec_qvault")
        work.commit()
    photo = application.image_store.put(picture("red", "red", "black"))
    return Theirs("qvault-id", photo, merchant_id, job.id, webhook)


@pytest.fixture(autouse=True)
def _guesses_without_end(monkeypatch):
    """There are more keys here that do not count than an address may try in a minute."""
    monkeypatch.setattr(rate_limits, "GUESSES", RequestRate(100_000, Period.HOUR))


def _key(application, scopes: tuple[Scope, ...], **options: Any) -> str:
    return application.api_keys.create("atelier", "attacks", scopes, **options).secret


@pytest.fixture(scope="module")
def uncounted(application) -> dict[str, str]:
    """Keys of ``atelier`` for everything that count no more: one is revoked, one has expired."""
    revoked = _key(application, tuple(Scope))
    application.api_keys.revoke(None, revoked)
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(milliseconds=30)
    expired = _key(application, tuple(Scope), expires_at=soon)
    while datetime.datetime.now(datetime.UTC) <= soon:
        pass
    return {"revoked": revoked, "expired": expired}


@pytest.fixture(scope="module")
def key_of(application) -> dict[Scope, str]:
    """A key of ``atelier`` for each scope alone."""
    return {scope: _key(application, (scope,)) for scope in Scope}


@pytest.fixture(scope="module")
def public_key(application) -> str:
    """A key of ``atelier`` for the pages of one site."""
    return _key(application, (Scope.SEARCH,), is_public=True, allowed_origins=[SITE])


@pytest.fixture(scope="module")
def everything(application, shop, theirs) -> Client:
    """A client of ``atelier`` whose key may do everything."""
    return Client(shop.app, _key(application, tuple(Scope)))


def _told(response) -> str:
    """Whatever an answer tells."""
    return f"{response.text} {dict(response.headers)}".casefold()


def _is_theirs_told(response, theirs: Theirs, *asked: str) -> bool:
    """Whether an answer has anything of theirs that the request did not name itself."""
    told = _told(response)
    for one in asked:
        told = told.replace(one.casefold(), "")
    return any(word in told for word in (*WORDS, theirs.photo))


def test_every_route_has_its_row(shop):
    found = {
        (method, route.path)
        for route in iter_route_contexts(shop.app.routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert found == set(ROUTES)
    assert all(path.startswith("/v1/") for _, path in CLOSED)
    assert all(expected.scopes for (_, path), expected in ROUTES.items() if path.startswith("/v1/"))


def test_no_body_is_read_before_the_key_is_looked_at(shop):
    """The framework reads a body that is a parameter of an endpoint at once, and all of it. ``read_json`` does not."""
    of_framework = [
        route.path
        for route in iter_route_contexts(shop.app.routes)
        if getattr(route.original_route, "body_field", None) is not None
    ]
    assert of_framework == []


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_without_a_key_that_counts_nothing_is_answered_but_what_needs_none(shop, theirs, uncounted, route):
    expected = ROUTES[route]
    if not expected.scopes:
        answered = shop.ask(route[0], expected.path, {})
        assert answered.status_code == 200
        assert not _is_theirs_told(answered, theirs)
        return
    # From an address of its own: whoever tries too many keys out is turned away.
    shop = replace(shop, address=f"192.0.2.{list(ROUTES).index(route) + 1}")
    tried = [
        {},
        {"X-Api-Key": uncounted["revoked"]},
        {"Authorization": f"Bearer {uncounted['expired']}"},
        {"X-Api-Key": "drape_sk_" + "a" * 43},
        {"X-Api-Key": shop.key[:-1]},
        {"Authorization": "Basic YXRlbGllcjo="},
        {"Authorization": f"Bearer {shop.key}", "X-Api-Key": "drape_sk_" + "a" * 43},
        {"Cookie": f"key={shop.key}; session={shop.key}"},
    ]
    for headers in tried:
        answered = shop.ask(route[0], expected.path, headers, **expected.options)
        refused(answered, 401, "key_refused")
        assert answered.headers["www-authenticate"].startswith("Bearer")
        assert shop.key not in answered.text


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_a_key_is_admitted_for_its_scopes_alone(shop, key_of, route):
    method, expected = route[0], CLOSED[route]
    for scope in Scope:
        answered = Client(shop.app, key_of[scope]).ask(method, expected.path, **expected.options)
        if scope in expected.scopes:
            assert answered.status_code not in (401, 403), answered.text
        else:
            refused(answered, 403, "scope_missing")


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_a_public_key_searches_from_its_sites_and_does_nothing_else(shop, public_key, route):
    method, expected = route[0], CLOSED[route]
    at_home = shop.ask(method, expected.path, {"X-Api-Key": public_key, "Origin": SITE}, **expected.options)
    if Scope.SEARCH in expected.scopes:
        assert at_home.status_code not in (401, 403), at_home.text
    else:
        refused(at_home, 403, "scope_missing")
    for headers in ({}, {"Origin": ELSEWHERE}, {"Origin": "null"}, {"Referer": f"{SITE}/"}):
        answered = shop.ask(method, expected.path, {"X-Api-Key": public_key, **headers}, **expected.options)
        refused(answered, 403, "origin_not_allowed")


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_what_another_merchant_has_is_not_there(application, everything, theirs, route):
    for path, options in CLOSED[route].for_theirs(theirs):
        answered = everything.ask(route[0], path, **options)
        assert answered.status_code == 404, (path, answered.text)
        assert not _is_theirs_told(answered, theirs, theirs.product, theirs.photo)
    with application.unit_of_work() as work:
        assert work.merchants.id_of("trove") == theirs.merchant_id
    assert application.facets.count("trove", SearchFilters()).num_products == len(SECRETS)


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_naming_another_merchant_widens_nothing(everything, theirs, route):
    """In parameters and headers that somebody might have thought of, each with the name and the id."""
    method, expected = route[0], CLOSED[route]
    names = ("merchant", "merchant_id", "merchant_name", "tenant", "gallery", "caller", "filters[merchant]", "key_id")
    for theirs_by in ("trove", str(theirs.merchant_id)):
        params = dict.fromkeys(names, theirs_by)
        headers = {
            "X-Api-Key": everything.key,
            "X-Merchant": theirs_by,
            "X-Merchant-Id": theirs_by,
            "X-Tenant": theirs_by,
        }
        # Such parameters are refused, so headers are sent without them, too.
        for options in (expected.options, {**expected.options, "params": params}):
            answered = everything.ask(method, expected.path, headers, **options)
            assert answered.status_code < 500
            assert not _is_theirs_told(answered, theirs)


def test_no_request_has_a_place_for_a_merchant(shop):
    described = shop.get("/openapi.json", headers={}).json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            asked = json.dumps([operation.get("parameters", []), operation.get("requestBody", {})])
            assert "merchant" not in {one["name"].casefold() for one in operation.get("parameters", [])}, (method, path)
            assert '"merchant' not in asked.casefold()
    taken = described["components"]["schemas"]["Query"]["properties"]
    assert not [name for name in taken if "merchant" in name or "tenant" in name]


@pytest.mark.parametrize("field_name", ["merchant", "merchant_id", "tenant", "gallery"])
def test_a_search_takes_no_field_that_could_widen_it(everything, field_name):
    for body in (
        {"product_id": "red-dress", field_name: "trove"},
        {"product_id": "red-dress", "filters": {field_name: "trove"}},
        {"words": "red", "filters": {"none": [], field_name: ["trove"]}},
    ):
        refused(everything.post("/v1/search", json=body), 422, "invalid_request")


def test_filters_that_rule_out_or_allow_everything_see_the_own_catalog_alone(everything, theirs):
    """The widest of them: none of nothing, any price, every availability, the whole index, every page of it."""
    wide = [
        {},
        {"none": ["color=nothing"]},
        {"any": ["color=red", "color=blue", "color=qvaulxish"]},
        {"min_price": "0", "max_price": "99999", "currency": "EUR"},
        {"availability": ["in_stock", "out_of_stock", "preorder", "backorder"]},
        {"category": "Dresses"},
    ]
    own = {"red-dress", "red-skirt", "blue-dress", "half/half"}
    for filters in wide:
        for mode in ("visual", "rerank", "native"):
            for exact in (True, False):
                query = {"filters": filters, "mode": mode, "exact": exact, "limit": 100, "per_product": False}
                answered = everything.upload(picture("red", "red", "black"), query)
                assert set(ids(answered)) <= own
                assert not _is_theirs_told(answered, theirs)
    # Nor is one of their attributes what may have been meant.
    for path in ("/v1/facets", "/v1/attributes", "/v1/products"):
        for name in ("all", "any", "none"):
            answered = everything.get(path, params={name: "color=qvaulxish"})
            assert not _is_theirs_told(answered, theirs)
    assert not _is_theirs_told(everything.get("/v1/attributes", params={"q": "qvaul"}), theirs)
    assert everything.get("/v1/facets").json()["num_products"] == len(own)
    theirs_alone = everything.get("/v1/facets", params={"category": "Qvaultshelf"})
    assert theirs_alone.json()["num_products"] == 0


def _parameters(app_description) -> list[tuple[str, str, str]]:
    """Every parameter of an address there is: method, path and name."""
    return [
        (method.upper(), path, parameter["name"])
        for path, methods in app_description["paths"].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]


def _request_of(method: str, described_path: str) -> Route:
    """The row of a path as the description writes it, without converters."""
    return next(
        expected
        for (known, path), expected in ROUTES.items()
        if known == method and path.replace(":path", "") == described_path
    )


def test_hostile_parameters_are_answered_or_refused_and_show_nothing_of_others(everything, theirs):
    described = everything.get("/openapi.json", headers={}).json()
    parameters = _parameters(described)
    assert len(parameters) > 20
    for number, (method, path, name) in enumerate(parameters):
        expected = _request_of(method, path)
        # A sixth of them for each, so that all are tried on something of every kind.
        for value in HOSTILE[number % 6 :: 6]:
            answered = everything.ask(method, expected.path, params={name: value}, **expected.options)
            assert answered.status_code in (200, 400, 401, 404, 422), (method, path, name, value[:40], answered.text)
            assert not _is_theirs_told(answered, theirs, value)


def test_hostile_names_in_paths_are_not_found(everything, theirs):
    for (method, path), expected in CLOSED.items():
        if "{" not in path:
            continue
        start, _, rest = path.partition("{")
        end = rest.partition("}")[2]
        for value in (*HOSTILE, "%2e%2e%2fqvault-id", "..%2f..%2f", "%00", "%ED%A0%80", "%FF%FE", "qvault-id%00"):
            quoted = value if value.startswith(("%", "..%")) and len(value) > 1 else quote(value, safe="")
            answered = everything.ask(method, f"{start}{quoted}{end}", **expected.options)
            assert answered.status_code in (200, 400, 404, 405, 422), (method, path, value[:40], answered.text)
            assert not _is_theirs_told(answered, theirs, value, "qvault-id", theirs.product)
            assert "qvaultdress" not in _told(answered)


def test_hostile_values_in_bodies_show_nothing_of_others(everything, theirs):
    shapes: list[Callable[[str], dict[str, Any]]] = [
        lambda value: {"product_id": value},
        lambda value: {"words": value},
        lambda value: {"image_url": value},
        lambda value: {"product_id": "red-dress", "filters": {"all": [value]}},
        lambda value: {"product_id": "red-dress", "filters": {"any": [value, value]}},
        lambda value: {"product_id": "red-dress", "filters": {"none": [value]}},
        lambda value: {"product_id": "red-dress", "filters": {"category": value}},
        lambda value: {"product_id": "red-dress", "filters": {"currency": value}},
        lambda value: {"product_id": "red-dress", "filters": {"min_price": value}},
        lambda value: {"product_id": "red-dress", "but": [value]},
        lambda value: {"product_id": "red-dress", "without": [value]},
        lambda value: {value: value},
    ]
    for shape in shapes:
        for value in HOSTILE:
            answered = everything.post("/v1/search", json=shape(value))
            assert answered.status_code in (200, 404, 422), (shape("…"), value[:40], answered.text)
            assert not _is_theirs_told(answered, theirs, value)
    for surrogate in (b'{"product_id": "\\ud800"}', b'{"words": "\\udfff red"}', b'{"product_id": "\xed\xa0\x80"}'):
        headers = {"X-Api-Key": everything.key, "Content-Type": "application/json"}
        answered = everything.ask("POST", "/v1/search", headers, content=surrogate)
        assert answered.status_code in (400, 404, 422), answered.text


def test_both_see_their_own_of_the_same_id(application, shop, everything, theirs):
    """``red-dress`` is a product of either."""
    trove = replace(everything, key=application.api_keys.create("trove", "own", [Scope.SEARCH]).secret)
    assert trove.get("/v1/products/red-dress").json()["title"] == "Qvaultdress"
    assert "qvaultish" in trove.get("/v1/facets").text
    assert everything.get("/v1/products/red-dress").json()["title"] == "Dress"
    assert ids(trove.get("/v1/products/red-dress/similar")) == ["qvault-id"]
    assert "qvault-id" not in ids(everything.get("/v1/products/red-dress/similar"))
