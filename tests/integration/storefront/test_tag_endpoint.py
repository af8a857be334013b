"""``POST /v1/tag``: what a photo shows, by the model of the key's merchant."""

from __future__ import annotations

import dataclasses
import json

import pytest

from catalog.bootstrap import Application
from catalog.storefront.app import create_app
from tests.file_server import FileServer, answer, serving
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, refused


def _tagged(client: Client, image: bytes, query=None) -> dict:
    data = {} if query is None else {"query": json.dumps(query)}
    answered = client.post("/v1/tag", files={"image": image}, data=data)
    assert answered.status_code == 200, answered.text
    return answered.json()


def _values(body) -> dict[str, dict[str, float]]:
    return {group["group"]: {one["value"]: one["confidence"] for one in group["values"]} for group in body["groups"]}


def test_a_photo_is_tagged_with_how_sure_the_model_is(shop):
    """Two thirds of the picture's bands are red, one is white: that is what the colours' network says."""
    body = _tagged(shop, picture("red", "red", "white"), {"top_k": 2})
    assert _values(body) == {"color": {"red": pytest.approx(2 / 3, abs=0.05), "white": pytest.approx(1 / 3, abs=0.05)}}
    assert sum(_values(body)["color"].values()) == pytest.approx(1, abs=1e-3)
    assert body["groups"][0]["values"][0]["attribute"] == "color=red"
    assert body["groups"][0]["exclusive"] is False
    assert body["model_version"] == "colors-1"
    assert set(body["timings_ms"]) >= {"cache"}


def test_a_crop_is_what_is_tagged(shop):
    lower = {"crop": {"left": 0, "top": 24, "right": 32, "bottom": 48}}
    assert _values(_tagged(shop, picture("red", "blue", size=(32, 48)), lower)) == {"color": {"blue": 1.0}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, {"red", "white"}),
        ({"top_k": 1}, {"red"}),
        ({"min_confidence": 0.5}, {"red"}),
        ({"min_confidence": 0, "top_k": 100}, {"black", "blue", "green", "red", "white", "yellow"}),
    ],
    ids=["as it is", "the surest", "the likely", "all"],
)
def test_as_many_values_are_told_as_are_asked_for(shop, query, expected):
    assert set(_values(_tagged(shop, picture("red", "red", "white"), query))["color"]) == expected


def test_nothing_sure_enough_is_no_group(shop):
    assert _tagged(shop, picture("red", "blue"), {"min_confidence": 0.9})["groups"] == []


def test_a_photo_is_tagged_by_its_address(application, keys):
    with serving(FileServer()) as files:
        files.answers["/photo.png"] = answer(picture("green"))
        settings = application.settings.model_copy(update={"fetch_allow": f"127.0.0.1:{files.port}"})
        with Application(settings) as fetching:
            app = create_app(application)
            app.state.parts = dataclasses.replace(app.state.parts, remote_files=fetching.remote_files)
            query = {"image_url": f"http://127.0.0.1:{files.port}/photo.png"}
            found = Client(app, keys["atelier"]).post("/v1/tag", json=query).json()
    assert _values(found) == {"color": {"green": 1.0}}
    assert set(found["timings_ms"]) >= {"fetch", "cache"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"top_k": 0}, "invalid_request"),
        ({"top_k": 101}, "invalid_request"),
        ({"min_confidence": 1.01}, "invalid_request"),
        ({"min_confidence": float("nan")}, "invalid_request"),
        ({"merchant": "rival"}, "invalid_request"),
        ({"crop": {"left": 3, "top": 0, "right": 3, "bottom": 9}}, "invalid_request"),
        ({"crop": {"left": 500, "top": 500, "right": 900, "bottom": 900}}, "unusable_image"),
        ({"image_url": "https://photos.example/1.jpg"}, "invalid_request"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(shop, query, code):
    refused(shop.post("/v1/tag", files={"image": picture("red")}, data={"query": json.dumps(query)}), 422, code)


def test_one_photo_is_needed(shop):
    refused(shop.post("/v1/tag", json={}), 422, "invalid_request")
    refused(shop.post("/v1/tag", json={"image_url": "http://127.0.0.1/photo.png"}), 422, "image_address_refused")
    refused(shop.post("/v1/tag", files={"image": b"no picture"}), 422, "unusable_image")
    refused(shop.post("/v1/tag", files={"image": b"x" * 100_001}), 413, "body_too_large")
    refused(shop.post("/v1/tag", content=b"photo", headers={"X-Api-Key": shop.key}), 415, "unsupported_media_type")
    refused(shop.post("/v1/tag", files={"image": picture("red")}, headers={}), 401, "key_refused")


def test_a_merchant_without_a_gallery_has_no_model_to_ask(application, shop):
    with application.unit_of_work() as work:
        work.merchants.ensure("nobody-yet")
        work.commit()
    key = application.api_keys.create("nobody-yet", "tests", ["search"]).secret
    refused(Client(shop.app, key).post("/v1/tag", files={"image": picture("red")}), 404, "gallery_not_found")
