"""``GET /v1/attributes``: what there is to choose from, counted under the filters, and completed."""

from __future__ import annotations

import pytest

from tests.integration.storefront.conftest import refused


def _told(response) -> list[tuple[str, int]]:
    assert response.status_code == 200, response.text
    return [(one["attribute"], one["count"]) for one in response.json()["attributes"]]


def test_attributes_of_products_come_first_then_the_models_others(shop):
    """Three products are red and one is blue; the model knows green and others, too."""
    answered = shop.get("/v1/attributes")
    told = _told(answered)
    assert told[:2] == [("color=red", 3), ("color=blue", 1)]
    assert ("color=green", 0) in told[2:]
    assert answered.json()["total"] == len(told)
    assert answered.json()["attributes"][0] == {
        "attribute": "color=red",
        "group": "color",
        "value": "red",
        "count": 3,
        "ranked": True,
        "matched": None,
    }


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"q": "rou", "category": "Women"}, [("color=red", 2)]),
        ({"q": "BLA", "availability": "in_stock"}, [("color=black", 0), ("color=blue", 0)]),
        ({"q": "re", "none": "color=red"}, [("color=red", 0)]),
        ({"limit": 1}, [("color=red", 3)]),
        ({"group": "Colour", "limit": 2, "max_price": 70, "currency": "EUR"}, [("color=blue", 1), ("color=red", 1)]),
        ({"group": "fabric"}, []),
        ({"q": "xyzzy"}, []),
    ],
    ids=str,
)
def test_they_are_completed_and_counted_under_filters(shop, asked, told):
    assert _told(shop.get("/v1/attributes", params=asked))[: len(told) or None] == told


def test_the_word_that_matched_is_told(shop):
    """Red in French; black in its own name."""
    answered = shop.get("/v1/attributes", params={"q": "rou"}).json()["attributes"]
    assert [(one["attribute"], one["matched"]) for one in answered][:1] == [("color=red", "rouge")]
    answered = shop.get("/v1/attributes", params={"q": "bla"}).json()["attributes"]
    assert [(one["attribute"], one["matched"]) for one in answered][:1] == [("color=black", None)]


def test_others_have_others(rival):
    """Theirs is one red product."""
    assert _told(rival.get("/v1/attributes", params={"limit": 1})) == [("color=red", 1)]


@pytest.mark.parametrize(
    "asked", [{"limit": 101}, {"limit": 0}, {"q": "a" * 201}, {"q": "a\0"}, {"group": ""}, {"max_price": 3}], ids=str
)
def test_what_has_no_meaning_is_refused(shop, asked):
    refused(shop.get("/v1/attributes", params=asked), 422, "invalid_request")
