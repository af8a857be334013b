"""Webhooks over HTTP, for administrators of a merchant alone."""

from __future__ import annotations

from catalog.types import Scope
from tests.integration.storefront.conftest import Client, refused


def test_webhooks_are_made_listed_and_removed_by_their_merchant_alone(application, shop, rival, monkeypatch):
    # No name server is asked, and the address is one of the public internet.
    monkeypatch.setattr(application.webhooks._posts, "check", lambda url: None)
    made = {}
    for name in ("atelier", "rival"):
        admin = Client(shop.app, application.api_keys.create(name, "admin", [Scope.ADMIN]).secret)
        answered = admin.post("/v1/webhooks", json={"url": f"https://{name}.example/hook"})
        assert answered.status_code == 201, answered.text
        made[name] = (admin, answered)
    admin, answered = made["atelier"]
    secret = answered.json()["secret"]
    assert secret.startswith("whsec_")
    assert answered.headers["location"] == f"/v1/webhooks/{answered.json()['id']}"
    (listed,) = admin.get("/v1/webhooks").json()["webhooks"]
    assert listed == {name: value for name, value in answered.json().items() if name != "secret"}
    refused(admin.post("/v1/webhooks", json={"url": "https://atelier.example/hook"}), 422, "invalid_request")
    theirs = made["rival"][1].headers["location"]
    refused(admin.ask("DELETE", theirs), 404, "webhook_not_found")
    assert len(made["rival"][0].get("/v1/webhooks").json()["webhooks"]) == 1
    assert admin.ask("DELETE", answered.headers["location"]).status_code == 204
    refused(admin.ask("DELETE", answered.headers["location"]), 404, "webhook_not_found")


def test_a_key_for_feeds_or_searches_makes_no_webhooks(application, shop):
    other = Client(shop.app, application.api_keys.create("atelier", "k", [Scope.SEARCH, Scope.INGEST]).secret)
    refused(other.post("/v1/webhooks", json={"url": "https://atelier.example/hook"}), 403, "scope_missing")
    refused(other.get("/v1/webhooks"), 403, "scope_missing")


def test_addresses_inside_are_refused(application, shop):
    admin = Client(shop.app, application.api_keys.create("atelier", "admin", [Scope.ADMIN]).secret)
    for url in ("https://127.0.0.1/hook", "http://169.254.169.254/", "https://[::1]/hook"):
        refused(admin.post("/v1/webhooks", json={"url": url}), 422, "invalid_request")


def test_the_message_is_described(shop):
    described = shop.get("/openapi.json", headers={}).json()
    assert "callbacks" in described["paths"]["/v1/webhooks"]["post"]
    schemas = described["components"]["schemas"]
    assert schemas["WebhookMessage"]["properties"]["data"]["$ref"] == "#/components/schemas/JobAnswered"
    assert "Webhooks tell it" in schemas["JobAnswered"]["properties"]["images_waiting"]["description"]
