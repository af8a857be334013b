"""``POST /v1/search`` and ``GET /v1/products/{id}/similar``: the same searches as everywhere, in JSON."""

from __future__ import annotations

import dataclasses
import datetime
import json
import threading

import pytest
from sqlalchemy import create_engine, text

from catalog.bootstrap import Application
from catalog.storefront.app import create_app
from tests.fakes import ColorEmbedder
from tests.file_server import FileServer, answer, serving
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, ids, refused

LIKE_RED_DRESS = ["red-skirt", "half/half", "blue-dress"]
"""Red throughout has ⅔ of red-skirt's bands in common with it, ½ of half/half's, and nothing of blue-dress's."""


def test_an_uploaded_photo_finds_what_looks_like_it(shop):
    # Of a size that no other test sends, for what was searched with before is not embedded again.
    found = shop.upload(picture("red", size=(32, 52)), {"limit": 2, "mode": "visual"})
    assert ids(found)[0] == "red-dress"
    answered = found.json()
    assert (answered["page"], answered["limit"], answered["mode"]) == (0, 2, "visual")
    assert (answered["model_version"], answered["gallery"]) == ("colors-1", "drape-colors-1")
    assert set(answered["timings_ms"]) == {
        *("cache", "decode", "load", "wait", "embed", "search", "products", "explain", "total")
    }
    hit = answered["hits"][0]
    assert hit["rank"] == 1
    assert hit["score"] == pytest.approx(1.0, abs=1e-3)
    assert hit["why"] == [{"attribute": "color=red", "share": pytest.approx(1.0)}]
    product = hit["product"]
    assert product["category"] == ["Women", "Dresses"]
    assert (product["attributes"], product["given_attributes"]) == (["color=red"], ["color=red"])
    assert (product["price"], product["availability"]) == ({"amount": "80.00", "currency": "EUR"}, "in_stock")
    assert hit["image"]["url"] == f"/v1/images/{hit['image']['sha256']}"


def test_a_crop_is_what_is_searched_with(shop):
    photo = picture("red", "blue", size=(32, 48))
    lower = {"crop": {"left": 0, "top": 24, "right": 32, "bottom": 48}, "mode": "visual"}
    assert ids(shop.upload(photo, lower))[0] == "blue-dress"
    assert ids(shop.upload(photo, {"mode": "visual"}))[0] == "half/half"


@pytest.mark.parametrize("mode", ["fused", "visual", "rerank", "native", "exact"])
def test_products_are_searched_with_by_both_ways(shop, mode):
    by_body = shop.post("/v1/search", json={"product_id": "red-dress", "mode": mode, "exact": True})
    by_address = shop.get("/v1/products/red-dress/similar", params={"mode": mode, "exact": True})
    assert ids(by_body) == ids(by_address) == LIKE_RED_DRESS
    assert "embed" not in by_body.json()["timings_ms"]


def test_an_id_may_hold_slashes(shop):
    for path in ("/v1/products/half/half/similar", "/v1/products/half%2Fhalf/similar"):
        assert set(ids(shop.get(path))) == {"red-dress", "red-skirt", "blue-dress"}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"all": ["color=red"]}, ["red-skirt", "half/half"]),
        ({"any": ["color=blue", "color=green"]}, ["blue-dress"]),
        ({"none": ["color=red"]}, ["blue-dress"]),
        ({"category": "women > skirts"}, ["red-skirt"]),
        ({"min_price": "50", "max_price": "60.50", "currency": "EUR"}, ["blue-dress"]),
        ({"currency": "usd"}, ["half/half"]),
        ({"availability": ["in_stock"]}, ["red-skirt", "half/half"]),
        ({"all": ["color=red"], "currency": "EUR"}, ["red-skirt"]),
        ({"all": ["color=green"]}, []),
    ],
)
def test_filters_hold_in_the_body_and_in_the_address(shop, filters, found):
    assert ids(shop.post("/v1/search", json={"product_id": "red-dress", "filters": filters})) == found
    assert ids(shop.get("/v1/products/red-dress/similar", params=filters)) == found


def test_pages_are_parts_of_one_ranking(shop):
    pages = [shop.get("/v1/products/red-dress/similar", params={"limit": 1, "page": page}) for page in range(4)]
    assert [ids(page) for page in pages] == [["red-skirt"], ["half/half"], ["blue-dress"], []]
    assert [hit["rank"] for page in pages for hit in page.json()["hits"]] == [1, 2, 3]


@pytest.mark.parametrize("mode", ["fused", "visual", "rerank", "native", "exact"])
@pytest.mark.parametrize("subject", [{"product_id": "red-dress"}, {"like": ["red-dress", "blue-dress"]}])
def test_pages_of_every_mode_are_the_long_answer_in_parts(shop, mode, subject):
    """Without repeats and gaps, with the same total throughout; past the end there is nothing, and no error."""
    query = {**subject, "mode": mode}
    whole = shop.post("/v1/search", json=query).json()
    pages = [shop.post("/v1/search", json={**query, "limit": 1, "page": page}).json() for page in range(5)]
    assert [hit for page in pages for hit in page["hits"]] == whole["hits"]
    assert [page["total"] for page in pages] == [whole["total"]] * 5
    assert whole["total"] == {"value": len(whole["hits"]), "relation": "exact"}
    last = shop.post("/v1/search", json={**query, "limit": 100, "page": 99}).json()
    assert (last["hits"], last["total"]) == ([], whole["total"])


def test_a_threshold_leaves_out_what_scores_lower(shop):
    found = shop.get("/v1/products/red-dress/similar", params={"mode": "native", "score_threshold": 0.5})
    assert ids(found) == ["red-skirt", "half/half"]


def test_a_photo_by_address_is_fetched(application, keys, shop):
    with serving(FileServer()) as files:
        files.answers["/red.png"] = answer(picture("red"))
        files.answers["/large.png"] = answer(b"\x89PNG" + bytes(100_001))
        url = files.url("/red.png")
        facts = refused(shop.post("/v1/search", json={"image_url": url}), 422, "image_address_refused")
        assert facts["expected"]
        settings = application.settings.model_copy(update={"fetch_allow": f"127.0.0.1:{files.port}"})
        app = create_app(application)
        with Application(settings) as allowing:
            app.state.parts = dataclasses.replace(app.state.parts, remote_files=allowing.remote_files)
            allowed = Client(app, keys["atelier"])
            found = allowed.post("/v1/search", json={"image_url": url, "mode": "visual"})
            large = allowed.post("/v1/search", json={"image_url": files.url("/large.png")})
        assert ids(found)[0] == "red-dress"
        assert next(iter(found.json()["timings_ms"])) == "fetch"
        refused(large, 422, "image_address_refused")


def test_another_merchants_products_are_neither_found_nor_known(shop, rival):
    assert "theirs" not in ids(shop.upload(picture("red", "red", "red", "black"), {"limit": 100}))
    assert ids(rival.upload(picture("red"))) == ["theirs"]
    refused(shop.get("/v1/products/theirs/similar"), 404, "product_not_found")
    refused(rival.post("/v1/search", json={"product_id": "red-dress"}), 404, "product_not_found")


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        (b"{", 400, "malformed_body", None),
        (b"\xff\xfe", 400, "malformed_body", None),
        (b"[" * 5000, 400, "malformed_body", None),
        (b" " * (2**20 + 1), 413, "body_too_large", None),
        ({}, 422, "invalid_request", None),
        ([], 422, "invalid_request", None),
        ({"product_id": "red-dress", "image_url": "https://shop.example/a.jpg"}, 422, "invalid_request", None),
        ({"product_id": "red-dress", "limit": 0}, 422, "invalid_request", "limit"),
        ({"product_id": "red-dress", "limit": 101}, 422, "invalid_request", "limit"),
        ({"product_id": "red-dress", "page": -1}, 422, "invalid_request", "page"),
        ({"product_id": "red-dress", "mode": "best"}, 422, "invalid_request", "mode"),
        ({"product_id": "red-dress", "colour": "red"}, 422, "invalid_request", "colour"),
        ({"product_id": "red\0dress"}, 422, "invalid_request", "product_id"),
        ({"product_id": ""}, 422, "invalid_request", "product_id"),
        ({"product_id": 7}, 422, "invalid_request", "product_id"),
        ({"product_id": "red-dress", "score_threshold": 1e300}, 422, "invalid_request", "score_threshold"),
        ({"product_id": "red-dress", "filters": {"all": ["red=" * 100]}}, 422, "invalid_request", "filters.all.0"),
        ({"product_id": "red-dress", "filters": {"all": ["a=b"] * 51}}, 422, "invalid_request", "filters.all"),
        ({"product_id": "red-dress", "filters": {"all": ["="]}}, 422, "invalid_request", None),
        ({"product_id": "red-dress", "filters": {"min_price": -1}}, 422, "invalid_request", "filters.min_price"),
        ({"product_id": "red-dress", "filters": {"min_price": 9, "max_price": 8}}, 422, "invalid_request", None),
        ({"product_id": "red-dress", "filters": {"currency": "euro"}}, 422, "invalid_request", "filters.currency"),
        ({"product_id": "red-dress", "filters": {"category": " > "}}, 422, "invalid_request", None),
        ({"product_id": "red-dress", "filters": {"availability": ["soon"]}}, 422, "invalid_request", None),
        (
            {"product_id": "red-dress", "crop": {"left": 0, "top": 0, "right": 9, "bottom": 9}},
            422,
            "invalid_request",
            None,
        ),
        (
            {"image_url": "https://x/", "crop": {"left": 9, "top": 0, "right": 9, "bottom": 9}},
            422,
            "invalid_request",
            "crop",
        ),
        ({"image_url": "ftp://shop.example/a.jpg"}, 422, "image_address_refused", None),
        ({"image_url": "http://169.254.169.254/latest"}, 422, "image_address_refused", None),
        ({"product_id": "nothing"}, 404, "product_not_found", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_searched_with_is_told_by_its_place(shop, body, status, code, where):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Api-Key": shop.key, "Content-Type": "application/json"}
    facts = refused(shop.ask("POST", "/v1/search", headers, content=content), status, code)
    assert facts["received"] is not None
    assert facts["expected"] is not None
    if where is not None:
        assert facts["message"].startswith(f"{where} cannot be used")


@pytest.mark.parametrize(
    ("image", "query", "status", "code"),
    [
        (b"", None, 422, "unusable_image"),
        (b"GIF89a", None, 422, "unusable_image"),
        (b"<svg/>", None, 422, "unusable_image"),
        (picture("red")[:60], None, 422, "unusable_image"),
        (bytes(100_001), None, 413, "body_too_large"),
        (bytes(2_000_000), None, 413, "body_too_large"),
        (picture("red"), {"product_id": "red-dress"}, 422, "invalid_request"),
        (picture("red"), {"limit": "many"}, 422, "invalid_request"),
        (picture("red"), {"crop": {"left": 500, "top": 0, "right": 600, "bottom": 9}}, 422, "unusable_image"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_photos_that_cannot_be_used_are_refused(shop, image, query, status, code):
    refused(shop.upload(image, query), status, code)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": b"x"}, 415, "unsupported_media_type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed_body"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "malformed_body"),
        ({"files": {"photo": b"x"}}, 400, "malformed_body"),
        ({"files": [("image", b"x"), ("image", b"y")]}, 400, "malformed_body"),
        ({"files": {"image": b"x"}, "data": {"query": "{", "more": "1"}}, 400, "malformed_body"),
        ({"files": {"image": b"x"}, "data": {"query": "{"}}, 400, "malformed_body"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bodies_of_other_forms_are_refused(shop, options, status, code):
    headers = {"X-Api-Key": shop.key, **options.pop("headers", {})}
    refused(shop.ask("POST", "/v1/search", headers, **options), status, code)


def test_networks_can_be_made_ready_before_the_first_photo(application):
    before = application.models.num_embedded
    # Both merchants search with the one version.
    [version] = application.search.versions()
    application.search.load(version)
    assert application.models.num_embedded == before + 1


def test_the_network_takes_one_batch_at_a_time(application, shop, monkeypatch):
    running, most = 0, 0
    lock = threading.Lock()
    embed = ColorEmbedder.embed

    def slow(self, images):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return embed(self, images)

    monkeypatch.setattr(ColorEmbedder, "embed", slow)
    photos = [picture("red", size=(40, 41 + number)) for number in range(4)]
    threads = [threading.Thread(target=shop.upload, args=(photo,)) for photo in photos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_words_are_searched_with_and_told_as_they_were_understood(shop):
    """Dresses up to 70 EUR are the blue one alone."""
    found = shop.post("/v1/search", json={"words": "red dresses under 70 €, without white, flowy"})
    assert ids(found) == ["blue-dress"]
    assert found.json()["understood"] == {
        "all": ["color=red"],
        "none": ["color=white"],
        "category": "Dresses",
        "min_price": None,
        "max_price": "70.00",
        "currency": "EUR",
        "ignored": ["flowy"],
    }


def test_a_product_or_a_photo_may_be_searched_with_in_another_colour(shop):
    """The jacket is half blue, but red by its feed, which is believed."""
    by_product = shop.post("/v1/search", json={"product_id": "red-dress", "but": ["color=blue"]})
    assert ids(by_product)[0] == "blue-dress"
    assert by_product.json()["understood"] is None
    assert ids(shop.upload(picture("red"), {"but": ["color=blue"], "limit": 1})) == ["blue-dress"]
    without = shop.post("/v1/search", json={"product_id": "half/half", "without": ["color=red"]})
    assert ids(without) == ["blue-dress"]


def test_words_beside_a_photo_or_products_tell_in_what_hits_differ(shop):
    """What they ask for is what `but`, `without` and filters ask for; the answer tells how they were understood."""
    words = {"words": "but in blue, without white, under 90 EUR"}
    by_product = shop.post("/v1/search", json={"product_id": "red-dress", **words})
    plain = {"but": ["color=blue"], "without": ["color=white"], "filters": {"max_price": "90", "currency": "EUR"}}
    assert (
        ids(by_product)
        == ids(shop.post("/v1/search", json={"product_id": "red-dress", **plain}))
        == [*("blue-dress", "red-skirt")]
    )
    understood = by_product.json()["understood"]
    assert (understood["all"], understood["none"]) == (["color=blue"], ["color=white"])
    assert (understood["max_price"], understood["currency"], understood["ignored"]) == ("90.00", "EUR", [])
    by_photo = shop.upload(picture("red"), {"words": "the same in blue, but in dollars"})
    assert ids(by_photo)[0] == "blue-dress"
    assert by_photo.json()["understood"]["ignored"] == ["dollars"]
    by_examples = shop.post("/v1/search", json={"like": ["red-dress"], "unlike": ["half/half"], "words": "a skirt"})
    assert ids(by_examples) == ["red-skirt"]
    assert by_examples.json()["understood"]["category"] == "Skirts"
    # Looks alone can be filtered.
    assert ids(shop.post("/v1/search", json={"product_id": "red-dress", "words": "a skirt", "mode": "visual"})) == [
        "red-skirt"
    ]


def test_words_beside_a_photo_and_more_of_the_same_hold_together(shop):
    """Nothing but the jacket is in dollars; prices in words without a currency are compared as numbers, and told."""
    query = {"product_id": "red-dress", "words": "not white, under 130", "but": ["color=blue"]}
    found = shop.post("/v1/search", json=query)
    assert ids(found)[0] == "blue-dress"
    assert "half/half" in ids(found)
    assert found.json()["notes"] == ["prices in EUR and USD were compared as mere numbers; name the currency, too"]
    in_dollars = shop.post("/v1/search", json={**query, "filters": {"currency": "USD"}})
    assert (ids(in_dollars), in_dollars.json()["notes"]) == (["half/half"], [])


def test_what_is_in_stock_can_be_lifted(shop):
    """Of a blue photo: 1 and out of stock, 1/√2 and in stock, twice 0 and in stock. All are divided by the same."""
    photo = picture("blue")
    plain = shop.upload(photo, {"mode": "native"})
    assert (ids(plain)[:2], plain.json()["reordered_by"]) == (["blue-dress", "half/half"], [])
    # 1 against .71 + .2.
    some = shop.upload(photo, {"mode": "native", "boost": {"in_stock": 0.2}})
    assert (ids(some)[:2], some.json()["reordered_by"]) == (["blue-dress", "half/half"], ["in_stock"])
    more = shop.upload(photo, {"mode": "native", "boost": {"in_stock": 0.5}})
    assert ids(more)[:2] == ["half/half", "blue-dress"]
    scores = {hit["product"]["id"]: hit["score"] for hit in plain.json()["hits"]}
    assert {hit["product"]["id"]: hit["score"] for hit in more.json()["hits"]} == scores
    assert more.json()["total"] == plain.json()["total"]


def test_what_is_newer_can_be_lifted(module_database, shop):
    """The skirt leads by (.89 − .71)/.89 = .21; a year later than the jacket it stays, a year earlier it falls behind
    by what 0.3 is worth. All came at once."""
    query = {"product_id": "red-dress", "mode": "native", "boost": {"newer": 0.3}}
    assert ids(shop.post("/v1/search", json=query)) == LIKE_RED_DRESS
    aged = "UPDATE product SET created_at = created_at + {} * interval '1 year' WHERE external_id = 'red-skirt'"
    engine = create_engine(module_database)
    found = []
    for years in (1, -2, 1):
        with engine.begin() as connection:
            connection.execute(text(aged.format(years)))
        found.append(ids(shop.post("/v1/search", json=query)))
    engine.dispose()
    assert found == [LIKE_RED_DRESS, ["half/half", "red-skirt", "blue-dress"], LIKE_RED_DRESS]


@pytest.mark.parametrize("mode", ["fused", "visual", "rerank", "native", "exact"])
def test_hits_can_be_had_less_like_each_other_on_all_pages_alike(shop, mode):
    """The skirt is first. .2·.79 − .8·.63 of the jacket, which is red like the skirt, are less than 0 of blue."""
    query = {"product_id": "red-dress", "mode": mode, "diversity": 0.8}
    found = shop.post("/v1/search", json=query)
    assert ids(found) == ["red-skirt", "blue-dress", "half/half"]
    assert found.json()["reordered_by"] == ["diversity"]
    pages = [shop.post("/v1/search", json={**query, "limit": 1, "page": page}) for page in range(4)]
    assert [ids(page) for page in pages] == [["red-skirt"], ["blue-dress"], ["half/half"], []]
    by_address = shop.get(
        "/v1/products/red-dress/similar", params={"mode": mode, "diversity": 0.8, "boost_in_stock": 0.4}
    )
    assert ids(by_address)[0] == "red-skirt"
    assert by_address.json()["reordered_by"] == ["in_stock", "diversity"]
    neutral = {**query, "diversity": 0, "boost": {"in_stock": 0, "newer": 0}}
    assert ids(shop.post("/v1/search", json=neutral)) == LIKE_RED_DRESS


@pytest.mark.parametrize(
    "query",
    [
        {"words": "xyzzy"},
        {"words": "red", "mode": "visual"},
        {"words": "xyzzy", "product_id": "red-dress"},
        {"words": "but in blue", "product_id": "red-dress", "mode": "visual"},
        {"words": "not in blue", "product_id": "red-dress", "but": ["color=blue"]},
        {"words": "in blue", "product_id": "red-dress", "filters": {"none": ["color=blue"]}},
        {"words": "a skirt", "product_id": "red-dress", "filters": {"category": "Dresses"}},
        {"product_id": "red-dress", "diversity": 1.1},
        {"product_id": "red-dress", "boost": {"in_stock": -0.1}},
        {"product_id": "red-dress", "boost": {"newest": 0.1}},
        {"words": "red", "but": ["color=blue"]},
        {"words": "red", "crop": {"left": 0, "top": 0, "right": 1, "bottom": 1}},
        {"words": "under 5 USD", "filters": {"currency": "EUR"}},
        {"product_id": "red-dress", "but": ["color=blue"], "mode": "visual"},
        {"product_id": "red-dress", "but": ["color=blue"], "without": ["color=blue"]},
        {"product_id": "red-dress", "but": ["="]},
        {"product_id": "red-dress", "but": ["color=red"], "filters": {"none": ["colour=Rot"]}},
        {"product_id": "red-dress", "without": ["color=red"], "filters": {"all": ["color=red"]}},
        {"product_id": "red-dress", "but": ["color=blue"], "filters": {"max_price": 50}},
        {"words": "red", "filters": {"max_price": 50}},
    ],
)
def test_words_and_changes_without_a_meaning_are_refused(shop, query):
    refused(shop.post("/v1/search", json=query), 422, "invalid_request")


@pytest.mark.parametrize("mode", ["fused", "visual", "rerank", "native", "exact"])
def test_several_products_are_searched_with(shop, mode):
    """Of red and half-red the red skirt is the nearest; what is unlike blue is red, and vice versa; none is a hit."""
    both = shop.post("/v1/search", json={"like": ["red-dress", "half/half"], "mode": mode})
    assert ids(both) == ["red-skirt", "blue-dress"]
    assert "embed" not in both.json()["timings_ms"]
    without_blue = shop.post("/v1/search", json={"like": ["half/half"], "unlike": ["blue-dress"], "mode": mode})
    # By looks the skirt's white third is nearer to half/half, less blue, than red alone.
    assert ids(without_blue) == sorted(["red-dress", "red-skirt"], reverse=mode in ("visual", "fused"))
    without_red = shop.post("/v1/search", json={"product_id": "half/half", "unlike": ["red-dress"], "mode": mode})
    assert ids(without_red) == ["blue-dress", "red-skirt"]
    page = {"like": ["half/half"], "unlike": ["blue-dress"], "mode": mode, "limit": 1, "page": 1}
    assert ids(shop.post("/v1/search", json=page)) == ids(without_blue)[1:]


def test_examples_stand_beside_photos_filters_and_changes(shop):
    """A blue photo and the red dress: half of both is nearest. The dress itself is no hit; filters and changes hold."""
    beside_photo = shop.upload(picture("blue"), {"like": ["red-dress"], "mode": "native"})
    assert ids(beside_photo)[0] == "half/half"
    assert "red-dress" not in ids(beside_photo)
    filtered = {"like": ["red-dress", "half/half"], "filters": {"category": "Women > Dresses"}}
    assert ids(shop.post("/v1/search", json=filtered)) == ["blue-dress"]
    changed = shop.post("/v1/search", json={"like": ["red-dress", "red-skirt"], "but": ["color=blue"]})
    assert ids(changed) == ["blue-dress", "half/half"]


@pytest.mark.parametrize(
    ("body", "status", "code", "received"),
    [
        ({"like": ["red-dress", "no-such-dress"]}, 404, "product_not_found", "no-such-dress"),
        ({"like": ["red-dress"], "unlike": ["theirs"]}, 404, "product_not_found", "theirs"),
        ({"unlike": ["red-dress"]}, 422, "invalid_request", "1 products in unlike, none in like"),
        ({"like": ["red-dress"], "unlike": ["red-dress"]}, 422, "invalid_request", "red-dress in unlike and in like"),
        ({"unlike": ["red-dress"], "words": "red"}, 422, "invalid_request", "1 products in unlike, none in like"),
        ({"like": ["a"] * 21}, 422, "invalid_request", None),
        ({"like": list("abcdefghijk"), "unlike": list("lmnopqrstu")}, 422, "invalid_request", "21 products"),
        (
            {"like": ["red-dress"], "crop": {"left": 0, "top": 0, "right": 9, "bottom": 9}},
            422,
            "invalid_request",
            "crop without a photo",
        ),
    ],
)
def test_examples_without_a_meaning_are_refused(shop, body, status, code, received):
    facts = refused(shop.post("/v1/search", json=body), status, code)
    assert received is None or facts["received"].startswith(received)


def test_what_nobody_knows_cannot_take_the_place_of_an_attribute(shop):
    """What is to be without it is as before."""
    facts = refused(
        shop.post("/v1/search", json={"product_id": "red-dress", "but": ["color=bule"]}), 422, "invalid_request"
    )
    assert (facts["received"], facts["remedy"]) == ("color=bule", "did you mean color=blue?")
    without = shop.post("/v1/search", json={"product_id": "red-dress", "without": ["color=bule"]})
    assert without.json()["notes"] == ["color=bule is unknown; did you mean color=blue?"]
    assert len(without.json()["hits"]) == 3


def test_prices_of_words_without_a_currency_are_told_to_be_mere_numbers(shop):
    """Those of filters are refused where there are several: whoever writes them can name one."""
    found = shop.post("/v1/search", json={"words": "red under 90"})
    assert ids(found) == ["red-dress", "red-skirt", "blue-dress"]
    assert found.json()["notes"] == ["prices in EUR and USD were compared as mere numbers; name the currency, too"]
    assert shop.post("/v1/search", json={"words": "red under 90 EUR"}).json()["notes"] == []


@pytest.mark.parametrize(
    ("query", "total"),
    [
        # Everything but the product itself, which passes no filter that it would not pass otherwise.
        ({"mode": "native"}, (3, "exact")),
        ({"mode": "visual", "limit": 1}, (3, "exact")),
        ({"mode": "native", "limit": 1, "filters": {"all": ["color=red"]}}, (2, "exact")),
        ({"mode": "native", "limit": 1, "filters": {"all": ["color=blue"]}}, (1, "exact")),
        ({"mode": "native", "limit": 1, "filters": {"category": "women > dresses"}}, (1, "exact")),
        ({"mode": "native", "limit": 1, "per_product": False}, (3, "exact")),
        ({"mode": "native", "limit": 1, "page": 70}, (3, "exact")),
        ({"mode": "exact", "limit": 1}, (3, "exact")),
        ({"mode": "fused", "limit": 1}, (3, "exact")),
        # The nearest by looks is the nearest by attributes, too.
        ({"mode": "fused", "limit": 1, "candidates": 1}, (1, "at_least")),
        # Candidates: all there are, or the best of more.
        ({"mode": "rerank"}, (3, "exact")),
        ({"mode": "rerank", "limit": 1, "candidates": 2}, (2, "at_least")),
        ({"mode": "rerank", "limit": 1, "candidates": 2, "page": 5}, (2, "at_least")),
        # 0.58 and 0.5 reach the threshold; the page of one has seen both.
        ({"mode": "native", "score_threshold": 0.5}, (2, "exact")),
        ({"but": ["color=blue"], "limit": 1}, (3, "exact")),
        ({"filters": {"all": ["color=green"]}}, (0, "exact")),
    ],
    ids=str,
)
def test_answers_tell_how_many_hits_there_are(shop, query, total):
    answered = shop.post("/v1/search", json={"product_id": "red-dress", **query}).json()
    assert (answered["total"]["value"], answered["total"]["relation"]) == total


def test_answers_tell_what_they_were_ranked_by_and_when_it_changed(application, shop):
    with application.unit_of_work() as work:
        changed = work.galleries.live(work.merchants.id_of("atelier")).indexed_at
    ranked_by = {}
    for mode in ("fused", "visual", "fc6", "pool", "rerank", "native", "exact"):
        answered = shop.post("/v1/search", json={"product_id": "red-dress", "mode": mode}).json()
        assert answered["mode"] == ("visual" if mode in ("fc6", "pool") else mode)
        ranked_by[answered["mode"]] = answered["ranked_by"]
        assert datetime.datetime.fromisoformat(answered["indexed_at"]) == changed
    assert ranked_by == {
        "fused": ["pool", "prob"],
        "visual": ["pool"],
        "rerank": ["prob"],
        "native": ["prob"],
        "exact": ["prob"],
    }
    assert shop.get("/v1/products/red-dress/similar", params={"mode": "fc6"}).json()["mode"] == "visual"
    # Words have no looks to rank by.
    assert shop.post("/v1/search", json={"words": "red", "mode": "fused"}).json()["ranked_by"] == ["prob"]
    filtered = shop.post("/v1/search", json={"words": "dresses"}).json()
    assert (filtered["ranked_by"], filtered["total"]) == ([], {"value": 2, "relation": "exact"})


def test_who_asks_for_an_unknown_mode_learns_every_name_that_is_taken(shop):
    for answered in (
        shop.post("/v1/search", json={"product_id": "red-dress", "mode": "looks"}),
        shop.get("/v1/products/red-dress/similar", params={"mode": "looks"}),
    ):
        facts = refused(answered, 422, "invalid_request")
        assert facts["expected"] == "one of fused, visual (or fc6, pool), rerank, native, exact"
