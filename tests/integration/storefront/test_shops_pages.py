"""What a browser lets a shop's page send and read: preflights, who may read answers, photos in ``<img>``."""

from __future__ import annotations

import pytest

from catalog.storefront.app import create_app
from catalog.types import Caller, Scope
from tests.integration.storefront.conftest import Client, ids, refused

SHOP, EVIL = "https://shop.example", "https://evil.example"
SIMILAR = "/v1/products/red-dress/similar"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def public(application) -> str:
    """A key for the pages of ``SHOP``."""
    made = application.api_keys.create("atelier", "page", [Scope.SEARCH], is_public=True, allowed_origins=[SHOP])
    return made.secret


@pytest.fixture(scope="module")
def photo(shop) -> str:
    return shop.get(SIMILAR).json()["hits"][0]["image"]["url"]


def _asked_before(client, path, **more):
    headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST", **more}
    return client.ask("OPTIONS", path, headers)


def test_a_preflight_has_no_key_and_tells_what_may_be_sent(shop):
    """It says the same of every page: whose pages may ask, the key of the request that follows decides."""
    answered = _asked_before(shop, "/v1/search", **{"Access-Control-Request-Headers": "content-type,x-api-key"})
    assert (answered.status_code, answered.content) == (204, b"")
    headers = answered.headers
    assert headers[ALLOWED] == "*"
    assert {"GET", "POST"} <= set(headers["access-control-allow-methods"].split(", "))
    assert {"authorization", "x-api-key", "content-type"} <= set(
        headers["access-control-allow-headers"].lower().split(", ")
    )
    assert int(headers["access-control-max-age"]) >= 600
    assert "x-request-id" in headers


@pytest.mark.parametrize("path", ["/", "/metrics", "/readyz", "/docs", "/openapi.json"])
def test_what_is_not_the_api_is_not_for_other_pages(shop, path):
    assert _asked_before(shop, path).status_code == 405
    assert ALLOWED not in shop.get(path, headers={"Origin": SHOP}).headers


def test_options_that_are_no_preflight_are_a_method_that_there_is_not(shop):
    refused(shop.ask("OPTIONS", "/v1/search", {"Origin": SHOP}), 405, "method_not_allowed")


def test_pages_of_the_keys_sites_read_answers_and_errors(shop, public):
    headers = {"X-Api-Key": public, "Origin": SHOP}
    answers = [
        shop.get(SIMILAR, headers=headers),
        shop.get("/v1/products/nothing/similar", headers=headers),
        shop.get(SIMILAR, headers=headers, params={"limit": 0}),
        shop.post("/v1/search", headers=headers, content=b"no JSON"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 415]
    for answer in answers:
        assert answer.headers[ALLOWED] == SHOP
        assert "Origin" in answer.headers["vary"]
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_an_error_that_nobody_foresaw_is_read_too(shop, public, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(type(shop.app.state.parts.search), "by_product", broken)
    answered = shop.get(SIMILAR, headers={"X-Api-Key": public, "Origin": SHOP})
    refused(answered, 500, "internal_error")
    assert answered.headers[ALLOWED] == SHOP


def test_answers_to_a_secret_key_are_read_by_no_page(shop):
    """Whoever puts one in a page finds out at once."""
    for path in (SIMILAR, "/v1/facets", "/v1/products/nothing/similar"):
        answered = shop.get(path, headers={"X-Api-Key": shop.key, "Origin": SHOP})
        assert answered.status_code in (200, 404)
        assert ALLOWED not in answered.headers
        assert "Origin" in answered.headers["vary"]


def test_refusals_before_any_catalog_was_looked_at_are_read_by_every_page(shop, public):
    """So that a script can tell why; there is nothing else in them."""
    wrong = shop.get(SIMILAR, headers={"X-Api-Key": "drape_pk_" + "a" * 43, "Origin": EVIL})
    elsewhere = shop.get(SIMILAR, headers={"X-Api-Key": public, "Origin": EVIL})
    refused(wrong, 401, "key_refused")
    refused(elsewhere, 403, "origin_not_allowed")
    for answered in (wrong, elsewhere):
        assert answered.headers[ALLOWED] == "*"
        assert SHOP not in answered.text


def test_where_no_key_is_asked_for_no_other_page_reads_anything(application):
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("atelier")
    caller = Caller("atelier", merchant_id, 0, frozenset({Scope.SEARCH}), (), is_public=False)
    client = Client(create_app(application, open_to=caller), "", "localhost")
    assert _asked_before(client, "/v1/search").status_code == 405
    answered = client.get(SIMILAR, headers={"Origin": SHOP})
    assert ids(answered)
    assert ALLOWED not in answered.headers
    url = answered.json()["hits"][0]["image"]["url"]
    assert client.get(url, headers={}).status_code == 200
    refused(Client(client.app, "", "rebound.example").get(url, headers={}), 403, "host_refused")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Referer": f"{SHOP}/"}, 200),
        ({"Referer": "HTTPS://Shop.example:443/dresses?page=2"}, 200),
        ({"Origin": SHOP}, 200),
        ({"Referer": f"{EVIL}/"}, 403),
        ({"Referer": f"{EVIL}/?{SHOP}/"}, 403),
        ({"Referer": "https://shop.example@evil.example/"}, 403),
        ({"Referer": "http://[/"}, 403),
        ({"Referer": f"{SHOP}.evil.example/"}, 403),
        ({"Origin": EVIL, "Referer": f"{SHOP}/"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=str,
)
def test_a_photos_address_may_have_the_public_key(shop, public, photo, headers, status):
    """An ``<img>`` sends no header of its own. Where the browser tells the page, that must be one of the sites'."""
    answered = shop.get(photo, headers=headers, params={"width": 160, "key": public})
    assert answered.status_code == status
    if status == 403:
        refused(answered, 403, "origin_not_allowed")
    else:
        assert answered.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answered.headers["cache-control"].startswith("public")
        kept = {**headers, "If-None-Match": answered.headers["etag"]}
        again = shop.get(photo, headers=kept, params={"width": 160, "key": public})
        assert (again.status_code, again.headers["cross-origin-resource-policy"]) == (304, "cross-origin")


def test_other_keys_have_no_place_in_an_address(shop, public, photo):
    """A secret key there is refused although it counts, and two keys are as anywhere."""
    secret = shop.get(photo, headers={}, params={"key": shop.key})
    assert "revoke" in refused(secret, 401, "key_refused")["remedy"]
    assert shop.key not in secret.text
    for wrong in ("", "drape_pk_" + "a" * 43):
        refused(shop.get(photo, headers={}, params={"key": wrong}), 401, "key_refused")
    refused(shop.get(photo, params={"key": public}), 401, "key_refused")
    assert shop.get(photo, params={"key": ""}).headers["cache-control"].startswith("private")
    for path in (SIMILAR, "/v1/facets"):
        refused(shop.get(path, headers={"Origin": SHOP}, params={"key": public}), 401, "key_refused")


def test_a_photo_of_another_merchant_is_not_there_with_a_public_key_either(shop, rival, public):
    found = rival.post("/v1/search", json={"words": "red"}).json()["hits"][0]["image"]["url"]
    refused(shop.get(found, headers={}, params={"key": public}), 404, "image_not_found")


def test_what_needs_a_header_is_kept_by_the_one_browser_and_loads_in_no_other_page(shop, photo):
    headers = shop.get(photo).headers
    assert headers["cache-control"].startswith("private")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert set(headers["vary"].split(", ")) == {"Authorization", "X-Api-Key", "Origin"}
