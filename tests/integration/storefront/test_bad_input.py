"""Bodies, photos and filters that strangers send: each gets its own status of 4xx, before it costs anything."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from collections.abc import AsyncGenerator

import pytest
from PIL import Image

from catalog.storefront.bodies import pace
from catalog.types import Scope
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, ids, refused
from tests.unit.test_images_refusals import SAMPLES, png_header

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 2**20


class Body:
    """Bytes that are sent piece by piece, and counted as they are taken."""

    def __init__(self, *pieces: bytes, times: int = 1) -> None:
        self._pieces = pieces * times
        self.num_taken = 0

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            self.num_taken += len(piece)
            yield piece


def _sent(client, content, headers, path="/v1/search"):
    return client.ask("POST", path, {"X-Api-Key": client.key, **headers}, content=content)


@pytest.fixture(scope="module")
def everything(application, shop) -> Client:
    """A client whose key may do everything."""
    return Client(shop.app, application.api_keys.create("atelier", "bad input", list(Scope)).secret)


@pytest.mark.parametrize("path", ["/v1/search", "/v1/feeds", "/v1/webhooks"])
def test_ten_megabytes_of_json_are_refused_while_they_come(everything, path):
    """The limit is 1 MiB: no more than a piece of 64 KiB beyond it is taken. Without a key, nothing is."""
    pieces = (b'{"words": "', *[b"a" * 65536] * 160, b'"}')
    body, unread = Body(*pieces), Body(*pieces)
    refused(_sent(Client(everything.app, "x"), unread, JSON, path), 401, "key_refused")
    assert unread.num_taken == 0
    refused(_sent(everything, body, JSON, path), 413, "body_too_large")
    assert MEBIBYTE < body.num_taken <= MEBIBYTE + 2 * 65536


@pytest.mark.parametrize("said", ["10485760", "9" * 30, "9" * 5000])
def test_a_body_that_is_said_to_be_too_large_is_not_taken_at_all(shop, said):
    body = Body(b"{}")
    facts = refused(_sent(shop, body, {**JSON, "Content-Length": said}), 413, "body_too_large")
    assert len(facts["received"]) < 100
    assert body.num_taken == 0


def test_a_photo_without_end_is_refused_while_it_comes(shop):
    """``DRAPE_MAX_IMAGE_BYTES`` is 100,000 here; the form around it may be 1 MiB and 64 KiB."""
    start = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    body = Body(start, *[bytes(65536)] * 400)
    refused(_sent(shop, body, {"Content-Type": "multipart/form-data; boundary=b"}), 413, "body_too_large")
    assert body.num_taken < 1.5 * MEBIBYTE


@pytest.mark.parametrize("opened", [b"[", b'{"filters":', b'{"product_id":[', b'{"a":'])
@pytest.mark.parametrize("path", ["/v1/search", "/v1/feeds", "/v1/webhooks"])
def test_json_that_is_nested_without_end_is_refused(everything, path, opened):
    for depth in (300, 60_000):
        answered = _sent(everything, opened * depth, JSON, path)
        assert (answered.status_code, answered.json()["error"]["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("application/json", b"", 400),
        ("application/json", b"\xff\xfe{\x00}\x00", 400),
        ("application/json; charset=utf-16", '{"product_id": "red-dress"}'.encode("utf-16"), 400),
        ("application/json", b"{}{}", 400),
        ("application/json", b'{"limit": 1e999999999}', 422),
        ("application/json", b'{"limit": ' + b"9" * 10_000 + b"}", 400),
        ("application/json", b'{"product_id": "red-dress", "score_threshold": NaN}', 422),
        ("application/json", b'"red-dress"', 422),
        ("application/x-www-form-urlencoded", b"product_id=red-dress", 415),
        ("text/json", b"{}", 415),
        ("application/json\t", b'{"product_id": 3}', 422),
        ("image/jpeg", b"\xff\xd8", 415),
        ("multipart/mixed; boundary=b", b"--b--", 415),
        ("multipart/form-data; boundary=" + "b" * 5000, b"--b--", 400),
        ("multipart/form-data; boundary=b; charset=undefined", b"--b--", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bodies_of_the_wrong_form_are_refused(shop, kind, content, status):
    answered = _sent(shop, content, {"Content-Type": kind})
    assert answered.status_code == status, answered.text
    assert len(answered.text) < 2000


_IMAGE = b'Content-Disposition: form-data; name="image"; filename="a"\r\n'
_FORMS = {
    "a header without end": b"--b\r\nX: " + b"a" * MEBIBYTE + b"\r\n\r\nx\r\n--b--\r\n",
    "headers without end": b"--b\r\n" + b"a: b\r\n" * 100_000 + b"\r\nx\r\n--b--\r\n",
    "parts without end": b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n{}\r\n' * 10_000 + b"--b--\r\n",
    "files without end": (b"--b\r\n" + _IMAGE + b"\r\nx\r\n") * 10_000 + b"--b--\r\n",
    "a part without a name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "a part without a header": b"--b\r\n\r\nx\r\n--b--\r\n",
    "a part that does not end": b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n{',
    "no part": b"--b--\r\n",
    "nothing": b"",
    "lines without end": b"\r\n" * 100_000,
    "a form in a form": b"--b\r\n"
    + _IMAGE
    + b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--\r\n",
    "a packed part": b"--b\r\n"
    + _IMAGE
    + b"Content-Encoding: gzip\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--\r\n",
    "a query that is no text": b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n\xff\r\n--b\r\n'
    + _IMAGE
    + b"\r\nx\r\n--b--",
}


@pytest.mark.parametrize("form", _FORMS)
def test_forms_that_are_made_to_break_things_are_refused(shop, form):
    kinds = ("multipart/form-data; boundary=b", "multipart/form-data; boundary=b; charset=undefined")
    for kind in kinds:
        answered = _sent(shop, _FORMS[form], {"Content-Type": kind})
        assert answered.status_code in (400, 413, 422), answered.text
        assert len(answered.text) < 2000


def test_who_stops_sending_is_not_waited_for(shop, monkeypatch):
    class Silent(Body):
        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            yield b'{"product_id"'
            await asyncio.sleep(3600)

    monkeypatch.setattr(pace, "SECONDS", 0.05)
    answered = _sent(shop, Silent(), JSON)
    facts = refused(answered, 408, "body_too_slow")
    assert facts["received"].startswith("13 bytes")
    assert answered.headers["connection"] == "close"


def test_who_goes_away_in_the_middle_is_counted_as_that(shop):
    """No answer, no thread that waits, and no error in the log."""
    sent: list[dict] = []
    messages = iter([{"type": "http.request", "body": b'{"product', "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    headers = [(b"x-api-key", shop.key.encode()), (b"content-type", b"application/json"), (b"content-length", b"900")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/search",
        "raw_path": b"/v1/search",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("drape.example", 80),
    }
    asyncio.run(shop.app(scope, receive, send))
    assert sent == []
    assert 'route="/v1/search",status="499"' in shop.get("/metrics", headers={}).text


def _bomb(width: int, height: int) -> bytes:
    """A PNG whose pixels are all there, packed a thousandfold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PHOTOS = {
    "nothing": b"",
    "a page": b"<!doctype html><title>not found</title>",
    "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "a document": b"%PDF-1.7\n",
    "a program": b"\x7fELF" + bytes(100),
    "a page that begins as a GIF": b"GIF89a<script>alert(1)</script>",
    "a size and nothing else": png_header(60_000, 60_000),
    "the largest size": png_header(2**31 - 1, 2**31 - 1),
    "no width": png_header(0, 5),
    "no height": png_header(5, 0),
    "90 million pixels in 11 KB": _bomb(9_600, 9_600),
    "a picture and half of another": SAMPLES["PNG"][:-20] + b"\0" * 20,
    **{f"half of a {name}": data[: len(data) // 2] for name, data in SAMPLES.items()},
    **{f"the beginning of a {name}": data[:16] for name, data in SAMPLES.items()},
}


@pytest.mark.parametrize("photo", PHOTOS)
def test_photos_that_are_none_are_refused(shop, photo):
    facts = refused(shop.upload(PHOTOS[photo]), 422, "unusable_image")
    assert facts["expected"]
    assert len(str(facts)) < 1500


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "animated", "upright"])
def test_photos_of_every_kind_are_taken(shop, mode):
    """Black and white, grey, palette, alpha, print colours, 16 bits, moving, turned by their camera."""
    buffer = io.BytesIO()
    red = Image.new("RGB", (40, 60), (230, 20, 20))
    match mode:
        case "animated":
            red.save(buffer, "GIF", save_all=True, append_images=[Image.new("RGB", (40, 60), "blue")])
        case "upright":
            exif = Image.Exif()
            exif[0x0112] = 6
            red.save(buffer, "JPEG", exif=exif)
        case "CMYK":
            red.convert("CMYK").save(buffer, "JPEG")
        case "I;16":
            Image.new("I;16", (40, 60), 40_000).save(buffer, "PNG")
        case "PA":
            red.convert("RGBA").quantize().save(buffer, "PNG", transparency=0)
        case _:
            red.convert(mode).save(buffer, "PNG")
    assert ids(shop.upload(buffer.getvalue()))


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": 10.5},
        {"limit": 2**63},
        {"page": -1},
        {"page": 100},
        {"candidates": 0},
        {"candidates": 10_001},
        {"score_threshold": 1e308},
        {"mode": "best"},
        {"exact": "perhaps"},
        {"filters": {"all": ["color=red"] * 51}},
        {"filters": {"all": "color=red"}},
        {"filters": {"all": ["color="]}},
        {"filters": {"all": [None]}},
        {"filters": {"all": ["color=red"], "none": ["color=red"]}},
        {"filters": {"category": " > > "}},
        {"filters": {"category": "a" * 501}},
        {"filters": {"min_price": -1}},
        {"filters": {"min_price": "80", "max_price": "20"}},
        {"filters": {"min_price": "1e30"}},
        {"filters": {"min_price": "NaN"}},
        {"filters": {"min_price": "0." + "1" * 30}},
        {"filters": {"currency": "EURO"}},
        {"filters": {"availability": ["sold"]}},
        {"filters": {"availability": ["in_stock"] * 5}},
        {"filters": []},
        {"product_id": ["red-dress"]},
        {"but": ["color=red"] * 51},
        {"crop": {"left": 0, "top": 0, "right": 1, "bottom": 1}},
    ],
    ids=lambda query: json.dumps(query)[:60],
)
def test_queries_without_a_meaning_are_refused(shop, query):
    refused(shop.post("/v1/search", json={"product_id": "red-dress", **query}), 422, "invalid_request")


@pytest.mark.parametrize(
    ("filters", "page"),
    [
        ({"all": ["color=red", "color=blue"]}, 0),
        ({"category": "nothing > of > this"}, 0),
        ({"all": ["group-that-is-not=there"]}, 0),
        ({"min_price": "2147483648", "currency": "EUR"}, 0),
        ({"currency": "xxx"}, 0),
        ({}, 99),
    ],
    ids=str,
)
def test_what_nothing_meets_is_an_empty_answer(shop, filters, page):
    """Filters that no product passes, and pages past the end, are questions with an answer."""
    assert ids(shop.post("/v1/search", json={"product_id": "red-dress", "filters": filters, "page": page})) == []
    assert ids(shop.upload(picture("red"), {"filters": filters, "page": page, "limit": 100})) == []


@pytest.mark.parametrize(
    ("path", "near"),
    [("/v1/facets?attribute=color%3Dred", "leave it out"), ("/v1/products?limt=2", "did you mean limit?")],
)
def test_a_parameter_that_an_endpoint_does_not_have_is_refused(shop, path, near):
    """A filter that is passed over would answer with what nobody asked for."""
    facts = refused(shop.ask("GET", path, {"X-Api-Key": shop.key}), 422, "invalid_request")
    assert facts["received"] == path.partition("?")[2].partition("=")[0]
    assert facts["remedy"] == near
