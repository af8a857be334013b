"""``GET /v1/facets`` and ``GET /v1/images/{sha256}``: what a key's merchant has, and nothing else."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import refused


def _counts(values) -> dict[str, int]:
    return {one["value"]: one["count"] for one in values}


def test_facets_count_products(shop):
    facets = shop.get("/v1/facets").json()
    assert facets["num_products"] == 4
    assert facets["attributes"] == {"color": [{"value": "red", "count": 3}, {"value": "blue", "count": 1}]}
    assert _counts(facets["categories"]) == {
        "Women": 3,
        "Women > Dresses": 2,
        "Women > Skirts": 1,
        "Men": 1,
        "Men > Jackets": 1,
    }
    assert facets["availability"] == [{"value": "in_stock", "count": 3}, {"value": "out_of_stock", "count": 1}]
    assert facets["prices"] == [
        {"currency": "EUR", "lowest": "40.00", "highest": "80.00", "count": 3},
        {"currency": "USD", "lowest": "120.00", "highest": "120.00", "count": 1},
    ]


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        ({"all": "color=red"}, 3),
        ({"all": ["color=red", "color=blue"]}, 0),
        ({"any": ["color=red", "color=blue"]}, 4),
        ({"none": "color=red"}, 1),
        ({"category": "WOMEN"}, 3),
        ({"category": "Women > Dresses"}, 2),
        ({"category": "Dresses > Women"}, 0),
        ({"min_price": "60.50", "currency": "EUR"}, 2),
        ({"max_price": "60.50", "currency": "eur"}, 2),
        ({"availability": ["in_stock", "out_of_stock"]}, 4),
    ],
    ids=str,
)
def test_facets_hold_to_the_filters_as_searches_do(shop, filters, number):
    assert shop.get("/v1/facets", params=filters).json()["num_products"] == number
    found = shop.post(
        "/v1/search",
        files={"image": picture("red")},
        data={"query": _query(filters)},
    )
    assert len(found.json()["hits"]) == number


@pytest.mark.parametrize(
    ("entries", "fields", "number"),
    [
        (["season=summer"], {"season": ["summer"]}, 2),
        (["SEASON=winter", "SEASON=Spring"], {"Season ": ["Winter", "spring"]}, 4),
        (["season=winter", "made=pt"], {"season": ["winter"], "made": ["pt"]}, 0),
    ],
)
def test_the_merchants_own_columns_filter(shop, entries, fields, number):
    """As parameters and in the body of a search."""
    assert shop.get("/v1/facets", params={"field": entries}).json()["num_products"] == number
    found = shop.upload(picture("red"), {"filters": {"fields": fields}, "limit": 100})
    assert len(found.json()["hits"]) == number


def test_values_of_own_columns_are_counted_where_that_is_asked(shop):
    """By the name that was asked for in its normal form."""
    assert shop.get("/v1/facets").json()["fields"] == {}
    asked = {"count_fields": ["Season", "made in"], "category": "Women"}
    assert shop.get("/v1/facets", params=asked).json()["fields"] == {
        "season": [
            {"value": "spring", "count": 2},
            {"value": "summer", "count": 2},
            {"value": "winter", "count": 1},
        ],
        "made_in": [],
    }


@pytest.mark.parametrize(
    "fields", [{"season": []}, {"season": [""]}, {"": ["x"]}, {"season": "x"}, {"=": ["x"]}, {"season": [" "]}], ids=str
)
def test_own_columns_without_a_name_or_value_are_refused(shop, fields):
    refused(shop.upload(picture("red"), {"filters": {"fields": fields}}), 422, "invalid_request")
    if isinstance(fields.get("season"), list):
        return
    for entry in ("season", "=x", "season=", "=", "a=\0"):
        refused(shop.get("/v1/facets", params={"field": entry}), 422, "invalid_request")
    for name in ("", " ", "-", "a\0"):
        refused(shop.get("/v1/facets", params={"count_fields": name}), 422, "invalid_request")


def _query(filters) -> str:
    lists = ("all", "any", "none")
    as_lists = {name: [value] if name in lists and isinstance(value, str) else value for name, value in filters.items()}
    return json.dumps({"filters": as_lists, "limit": 100})


@pytest.mark.parametrize(
    "filters",
    [
        {"all": "="},
        {"min_price": "many"},
        {"min_price": 2, "max_price": 1, "currency": "EUR"},
        {"min_price": 2},
        {"currency": "e"},
        {"all": "color=red", "none": ["fabric=lace", "color=red"]},
        {"any": "colour=Rot", "none": ["color=red", "colour=Rot"]},
    ],
    ids=str,
)
def test_filters_without_a_meaning_are_refused(shop, filters):
    told = refused(shop.get("/v1/facets", params=filters), 422, "invalid_request")
    if filters.get("min_price") != "many" and filters.get("currency") != "e":
        found = shop.upload(picture("red"), json.loads(_query(filters)))
        assert refused(found, 422, "invalid_request") == told


@pytest.mark.parametrize(
    ("filters", "notes"),
    [
        ({"all": "color=rde"}, ["color=rde is unknown; did you mean color=red?"]),
        ({"any": ["size=xl", "color=blue"]}, ["size=xl is unknown"]),
        ({"none": "colr=red"}, ["colr=red is unknown; did you mean color=red?"]),
        ({"all": "color=Green"}, ["no product has color=Green"]),
        ({"any": ["color=green", "color=red"]}, []),
        ({"category": "Dreses"}, ["no product is of the category Dreses; did you mean Dresses?"]),
        ({"category": "women>dress"}, ["no product is of the category women>dress; did you mean Women > Dresses?"]),
        ({"currency": "chf"}, ["no price is in CHF: they are in EUR and USD"]),
        ({"all": "color=red", "category": "Women > Dresses"}, []),
    ],
    ids=str,
)
def test_what_nobody_knows_of_is_told_with_what_may_have_been_meant(shop, filters, notes):
    assert shop.get("/v1/facets", params=filters).json()["notes"] == notes
    answered = shop.upload(picture("red"), json.loads(_query(filters)))
    assert (answered.status_code, answered.json()["notes"]) == (200, notes)


def _image_of(client, product: str) -> dict[str, str]:
    query = {"limit": 100, "per_product": True}
    hits = client.upload(picture("red"), query).json()["hits"]
    return next(hit["image"] for hit in hits if hit["product"]["id"] == product)


def test_a_photo_comes_as_it_was_ingested_and_may_be_kept(shop):
    url = _image_of(shop, "half/half")["url"]
    answered = shop.get(url)
    assert answered.content == picture("red", "blue")
    assert answered.headers["content-type"] == "image/png"
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answered.headers["cache-control"]
    assert "private" in answered.headers["cache-control"]
    again = shop.get(url, headers={"X-Api-Key": shop.key, "If-None-Match": answered.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_photo_is_scaled_down_to_widths_there_are(shop):
    url = _image_of(shop, "half/half")["url"]
    small = shop.get(url, params={"width": 160})
    assert small.headers["content-type"] == "image/jpeg"
    # 32 pixels are fewer than 160, so it keeps its size.
    assert Image.open(io.BytesIO(small.content)).size == (32, 48)
    refused(shop.get(url, params={"width": 161}), 422, "invalid_request")


def test_photos_of_others_are_not_there(shop, rival):
    theirs = _image_of(rival, "theirs")["url"]
    tag = rival.get(theirs).headers["etag"]
    refused(shop.get(theirs), 404, "image_not_found")
    refused(shop.get(theirs, headers={"X-Api-Key": shop.key, "If-None-Match": tag}), 404, "image_not_found")
    refused(rival.get(_image_of(shop, "half/half")["url"]), 404, "image_not_found")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("0" * 64, 404, "image_not_found"),
        ("0" * 63, 422, "invalid_request"),
        ("A" * 64, 422, "invalid_request"),
        ("..%2f..%2fetc%2fpasswd", 404, "not_found"),
    ],
)
def test_names_of_no_photo_are_refused(shop, name, status, code):
    refused(shop.get(f"/v1/images/{name}"), status, code)


def test_a_photo_that_is_gone_from_the_store_is_not_found(application, shop):
    image = _image_of(shop, "half/half")
    application.image_store.delete(image["sha256"])
    facts = refused(shop.get(image["url"]), 404, "image_not_found")
    assert application.image_store.put(picture("red", "blue")) == image["sha256"]
    assert facts["received"] is None
