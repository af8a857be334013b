"""How often keys, visitors with a public key, and whoever tries keys out may ask."""

from __future__ import annotations

import dataclasses

import pytest

from catalog.adapters.broker.request_limits import RequestLimits
from catalog.request_rates import Period, RequestRate
from catalog.storefront import rate_limits
from catalog.storefront.app import create_app
from catalog.storefront.rate_limits import PHOTOS, VISITORS, RateLimits
from catalog.types import Caller, Scope
from tests.integration.storefront.conftest import Client, refused

SITE = "https://shop.example"
THREE = RequestRate(3, Period.HOUR)
NAMES = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


def _client(application, key: str, rate: RequestRate | None = None, address: str = "127.0.0.1") -> Client:
    app = create_app(application)
    app.state.rate_limits = RateLimits(RequestLimits(), rate)
    return Client(app, key, address=address)


def _key(application, rate: RequestRate | None = None, *, is_public: bool = False) -> str:
    origins = [SITE] if is_public else []
    return application.api_keys.create(
        "atelier", "limits", [Scope.SEARCH], is_public=is_public, allowed_origins=origins, rate_limit=rate
    ).secret


def test_headers_tell_what_is_left_and_429_when_to_ask_again(application):
    """Three in an hour: two are left, one, none. What is wrong in itself counts, too."""
    shop = _client(application, _key(application), THREE)
    answers = [shop.get("/v1/facets"), shop.get("/v1/facets", params={"all": "="}), shop.get("/v1/products/x/similar")]
    assert [answer.status_code for answer in answers] == [200, 422, 404]
    assert [[answer.headers[name] for name in NAMES[:2]] for answer in answers] == [["3", "2"], ["3", "1"], ["3", "0"]]
    over = shop.get("/v1/facets")
    facts = refused(over, 429, "rate_limited")
    assert facts["expected"] == "at most 3/h"
    assert 1 <= int(over.headers["retry-after"]) <= 3600
    assert [over.headers[name] for name in NAMES] == ["3", "0", over.headers["retry-after"]]
    assert over.headers["retry-after"] in facts["remedy"]


def test_a_key_has_its_own_rate_or_that_of_keys_in_general(application):
    """One of the one key's two requests is left after one, whatever the other key does; without a rate, all are."""
    own, usual = _key(application, RequestRate(2, Period.MINUTE)), _key(application)
    shop = _client(application, own, THREE)
    assert shop.get("/v1/facets").headers["ratelimit-remaining"] == "1"
    assert dataclasses.replace(shop, key=usual).get("/v1/facets").headers["ratelimit-remaining"] == "2"
    unlimited = _client(application, usual, None).get("/v1/facets")
    assert unlimited.status_code == 200
    assert NAMES[0] not in unlimited.headers


def test_visitors_have_a_share_each_of_what_a_public_key_has(application):
    """A key for 2 · VISITORS requests: each address has two, and where one address has used its own up, others go on.

    Of an IPv6 address the first 64 bits are one visitor's. VISITORS visitors have used it all up.
    """
    key = _key(application, RequestRate(2 * VISITORS, Period.HOUR), is_public=True)
    shop = _client(application, key)
    origin = {"X-Api-Key": key, "Origin": SITE}

    def ask(address: str) -> int:
        return dataclasses.replace(shop, address=address).get("/v1/facets", headers=origin).status_code

    assert [ask("192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:0:9::3")] == [200, 200, 429]
    others = [f"198.51.100.{number}" for number in range(VISITORS - 2)]
    assert [ask(address) for address in others for _ in range(2)] == [200] * 2 * (VISITORS - 2)
    over = dataclasses.replace(shop, address="203.0.113.1").get("/v1/facets", headers=origin)
    assert "visitors" in refused(over, 429, "rate_limited")["remedy"]
    assert over.headers["access-control-allow-origin"] == SITE
    assert "Retry-After" in over.headers["access-control-expose-headers"]


def test_photos_are_counted_by_themselves(application):
    """A page of hits is one search and many photos: 1 request and 10 photos are allowed."""
    shop = _client(application, _key(application, RequestRate(1, Period.HOUR)))
    found = shop.get("/v1/products/red-dress/similar")
    photo = found.json()["hits"][0]["image"]["url"]
    assert [shop.get(photo).status_code for _ in range(PHOTOS + 1)] == [200] * PHOTOS + [429]
    assert shop.get("/v1/facets").status_code == 429


def test_keys_are_not_tried_out_without_end_and_those_that_count_go_on(application, monkeypatch):
    """After three, here, an address gets no more looked up; another address does. One again and again is one."""
    monkeypatch.setattr(rate_limits, "GUESSES", THREE)
    good = _key(application)
    shop = _client(application, good, None, "192.0.2.7")
    assert shop.get("/v1/facets").status_code == 200
    again = dataclasses.replace(shop, key="drape_sk_" + "c" * 43)
    assert [again.get("/v1/facets").status_code for _ in range(5)] == [401] * 5
    wrong = dataclasses.replace(shop, key="drape_sk_" + "a" * 43)
    for other in ("drape_sk_" + "b" * 43, "x"):
        assert dataclasses.replace(shop, key=other).get("/v1/facets").status_code == 401
    over = wrong.get("/v1/facets")
    refused(over, 429, "rate_limited")
    assert int(over.headers["retry-after"]) >= 1
    unknown_so_far = dataclasses.replace(shop, key=_key(application))
    assert unknown_so_far.get("/v1/facets").status_code == 429
    assert dataclasses.replace(unknown_so_far, address="192.0.2.8").get("/v1/facets").status_code == 200
    assert shop.get("/v1/facets").status_code == 200


def test_what_needs_no_key_is_not_limited(application):
    shop = _client(application, _key(application), RequestRate(1, Period.HOUR))
    for path in ("/healthz", "/metrics", "/", "/openapi.json"):
        for answered in [shop.get(path, headers={}) for _ in range(3)]:
            assert answered.status_code == 200
            assert NAMES[0] not in answered.headers


def test_whoever_looks_around_on_this_machine_is_not_limited(application):
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("atelier")
    caller = Caller("atelier", merchant_id, 0, frozenset({Scope.SEARCH}), (), is_public=False)
    app = create_app(application, open_to=caller)
    app.state.rate_limits = RateLimits(RequestLimits(), RequestRate(1, Period.HOUR))
    client = Client(app, "", "localhost")
    assert [client.get("/v1/facets", headers={}).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("from_proxy", "visitor"), [("127.0.0.1", "203.0.113.9"), ("192.0.2.66", "192.0.2.66")])
def test_only_a_proxy_that_is_trusted_tells_who_asks(application, from_proxy, visitor):
    """What stands before the address that the trusted proxy saw, anybody may have written."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    key = _key(application, RequestRate(VISITORS, Period.HOUR), is_public=True)
    shop = _client(application, key)
    behind = Client(ProxyHeadersMiddleware(shop.app, application.settings.trusted_proxies), key, address=from_proxy)
    told = {"X-Api-Key": key, "Origin": SITE, "X-Forwarded-For": "10.9.9.9, 203.0.113.9"}
    assert behind.get("/v1/facets", headers=told).status_code == 200
    direct = dataclasses.replace(shop, address=visitor)
    assert direct.get("/v1/facets", headers={"X-Api-Key": key, "Origin": SITE}).status_code == 429
