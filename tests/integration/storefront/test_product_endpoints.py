"""``GET /v1/products`` and ``GET /v1/products/{id}``: the catalog as its feed describes it, and nobody else's."""

from __future__ import annotations

import base64
import datetime
import json

import pytest

from catalog.services.ingesting.ingest import IngestRequest
from catalog.types import Outcome, RowError, Scope
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, refused

NEWEST_FIRST = ["half/half", "blue-dress", "red-skirt", "red-dress"]
BY_ID = ["blue-dress", "half/half", "red-dress", "red-skirt"]


def listed(response) -> list[str]:
    """The products of a page, in order."""
    assert response.status_code == 200, response.text
    return [item["product"]["id"] for item in response.json()["items"]]


@pytest.fixture(scope="module")
def owner(application, shop) -> Client:
    """A client of ``atelier`` that may ingest and search."""
    return Client(shop.app, application.api_keys.create("atelier", "owner", [Scope.SEARCH, Scope.INGEST]).secret)


def test_a_product_is_told_as_the_feed_describes_it(shop):
    answered = shop.get("/v1/products/half/half")
    assert answered.status_code == 200
    product = answered.json()
    image = product.pop("images")[0]
    times = [datetime.datetime.fromisoformat(product.pop(name)) for name in ("created_at", "updated_at")]
    assert times[0] <= times[1]
    assert all(time.tzinfo is not None for time in times)
    assert product == {
        "id": "half/half",
        "title": "Jacket",
        "description": "",
        "category": ["Men", "Jackets"],
        "attributes": ["color=red"],
        "given_attributes": ["color=red"],
        "price": {"amount": "120.00", "currency": "USD"},
        "availability": "in_stock",
        "link": None,
        "item_group": None,
    }
    assert shop.get(image["url"]).content == picture("red", "blue")
    assert (image["state"], image["note"]) == ("indexed", "searches find it")
    assert (image["width"], image["height"], image["box"]) == (32, 48, None)


def test_what_is_unchanged_is_not_sent_again(shop):
    first = shop.get("/v1/products/red-dress")
    assert "private" in first.headers["cache-control"]
    for named in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = shop.get("/v1/products/red-dress", headers={"X-Api-Key": shop.key, "If-None-Match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = shop.get("/v1/products/red-skirt", headers={"X-Api-Key": shop.key, "If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_an_id_that_is_not_there_is_not_found(shop):
    facts = refused(shop.get("/v1/products/red-dres"), 404, "product_not_found")
    assert facts["received"] == "red-dres"
    refused(shop.get("/v1/products/"), 422, "invalid_request")
    refused(shop.get("/v1/products/a%00b"), 422, "invalid_request")


def test_products_are_listed_newest_first_with_an_image(shop):
    answered = shop.get("/v1/products")
    assert listed(answered) == NEWEST_FIRST
    body = answered.json()
    assert (body["total"], body["next"]) == (4, None)
    item = body["items"][0]
    assert item["product"] == {
        name: value for name, value in shop.get("/v1/products/half/half").json().items() if name in item["product"]
    }
    assert shop.get(item["image"]["url"], params={"width": 160}).status_code == 200


@pytest.mark.parametrize(("order", "expected"), [("newest", NEWEST_FIRST), ("id", BY_ID)])
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_put_together_are_the_whole_list(shop, order, expected, limit):
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = shop.get("/v1/products", params={"order": order, "limit": limit, **after})
        found += listed(page)
        assert page.json()["total"] == 4
        if page.json()["next"] is None:
            break
        after = {"after": page.json()["next"]}
    assert found == expected


def test_a_place_holds_though_its_product_is_gone(shop):
    # Behind an id that nobody has between red-dress and red-skirt.
    place = _place("id", 7, "red-paint")
    assert listed(shop.get("/v1/products", params={"order": "id", "after": place})) == ["red-skirt"]
    # And behind everything.
    end = shop.get("/v1/products", params={"order": "id", "after": _place("id", 7, "zzz")}).json()
    assert (end["items"], end["total"], end["next"]) == ([], 4, None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"all": "color=red"}, ["half/half", "red-skirt", "red-dress"]),
        ({"category": "women"}, ["blue-dress", "red-skirt", "red-dress"]),
        ({"max_price": "60.50", "currency": "EUR"}, ["blue-dress", "red-skirt"]),
        ({"none": "color=red", "availability": "in_stock"}, []),
    ],
    ids=str,
)
def test_lists_hold_to_the_filters_as_facets_do(shop, filters, expected):
    answered = shop.get("/v1/products", params={**filters, "limit": 1})
    assert answered.json()["total"] == len(expected) == shop.get("/v1/facets", params=filters).json()["num_products"]
    assert listed(shop.get("/v1/products", params=filters)) == expected


@pytest.mark.parametrize(
    "parameters",
    [{"limit": 0}, {"limit": 101}, {"order": "price"}, {"after": "x" * 4001}, {"all": "="}, {"after": "%%%"}],
    ids=lambda parameters: str(parameters)[:20],
)
def test_lists_that_cannot_be_are_refused(shop, parameters):
    refused(shop.get("/v1/products", params=parameters), 422, "invalid_request")


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        7,
        None,
        ["newest", 1],
        ["newest", "1", "a"],
        ["newest", True, 1],
        ["newest", -1, "a"],
        ["newest", 2**63, "a"],
        ["newest", 1, "a\0b"],
        ["newest", 1, "\ud800"],
        ["newest", 1, ["a"]],
        ["price", 1, "a"],
    ],
    ids=str,
)
def test_places_that_somebody_made_up_are_refused(shop, said):
    made_up = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    facts = refused(shop.get("/v1/products", params={"after": made_up}), 422, "invalid_request")
    assert facts["expected"] == "the `next` of a page"


def test_a_place_of_another_order_is_refused(shop):
    place = shop.get("/v1/products", params={"limit": 1}).json()["next"]
    facts = refused(shop.get("/v1/products", params={"order": "id", "after": place}), 422, "invalid_request")
    assert facts["received"] == "a place by newest, in a list by id"


def test_another_merchants_products_are_not_there(shop, rival):
    refused(shop.get("/v1/products/theirs"), 404, "product_not_found")
    tag = rival.get("/v1/products/theirs").headers["etag"]
    for held in (tag, "*"):
        refused(
            shop.get("/v1/products/theirs", headers={"X-Api-Key": shop.key, "If-None-Match": held}),
            404,
            "product_not_found",
        )
    assert listed(rival.get("/v1/products")) == ["theirs"]
    # A place in their list, and one before everything, give no more than one's own.
    for order in ("newest", "id"):
        assert set(listed(shop.get("/v1/products", params={"order": order}))) == set(BY_ID)
    assert listed(rival.get("/v1/products", params={"after": _place("newest", 2**62, "a")})) == ["theirs"]
    assert listed(rival.get("/v1/products", params={"order": "id", "after": _place("id", 0, "a")})) == ["theirs"]
    for widening in ({"all": "merchant=rival"}, {"none": "color=nothing"}):
        assert "theirs" not in listed(shop.get("/v1/products", params=widening))
    for unknown in ({"merchant": "rival"}, {"merchant_id": 2}):
        refused(shop.get("/v1/products", params=unknown), 422, "invalid_request")


def test_without_a_key_nothing_is_told(shop):
    for path in ("/v1/products", "/v1/products/red-dress"):
        refused(shop.get(path, headers={}), 401, "key_refused")


def test_every_image_tells_how_it_stands_and_to_its_owner_why(application, shop, owner, tmp_path):
    (tmp_path / "front.png").write_bytes(picture("green"))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "feed.jsonl").write_text(
        json.dumps(
            {
                "id": "green-coat",
                "title": "Coat",
                "description": "Warm & <b>green</b>",
                "image": "front.png",
                "additional_images": ["broken.png", "https://pictures.example/back.jpg"],
                "image_box": "0,0,16,48",
            }
        )
        + "\n"
    )
    errors: list[RowError] = []
    application.ingest.run(IngestRequest(tmp_path / "feed.jsonl", "atelier", "colors-1"), errors.append)
    assert [error.outcome for error in errors] == [Outcome.IMAGE_LEFT_OUT]
    try:
        images = shop.get("/v1/products/green-coat").json()["images"]
        assert [(image["state"], image["note"]) for image in images] == [
            ("waits", "waits to be indexed"),
            ("set_aside", "cannot be used"),
            ("waits", "waits to be fetched"),
        ]
        assert images[0]["box"] == {"left": 0, "top": 0, "right": 16, "bottom": 48}
        assert [image["url"] is None for image in images] == [False, True, True]
        assert {image["reason"] for image in images} == {image["source"] for image in images} == {None}

        theirs = owner.get("/v1/products/green-coat").json()["images"]
        assert "broken.png" in theirs[1]["source"]
        assert theirs[1]["reason"]
        assert theirs[2]["source"] == "https://pictures.example/back.jpg"
        assert (theirs[0]["reason"], theirs[2]["reason"]) == (None, None)
        # It has an image to be shown by, though nothing is indexed yet.
        assert listed(shop.get("/v1/products", params={"limit": 1})) == ["green-coat"]
    finally:
        _remove(application, "green-coat")


def _remove(application, external_id: str) -> None:
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("atelier")
        product = work.browsing.product(merchant_id, external_id)
        if product is not None:
            work.outbox.mark([image.id for image in product.images])
            work.changes.remove_products([product.id])
            work.commit()
    application.indexing.run(merchant_id)


def _place(order: str, id: int, external_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, id, external_id]).encode()).decode().rstrip("=")
