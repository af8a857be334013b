"""What the client sends, and what it makes of answers."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from email import message_from_bytes
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.client import (
    AnswerUnusable,
    Client,
    Crop,
    DrapeApiError,
    Filters,
    JobNotDone,
    KeyNotAccepted,
    NotFound,
    RateLimited,
    RequestRefused,
    ServerFailed,
)
from tests.scripted_server import ScriptedServer, error, fine

EMPTY = {"groups": [], "model_version": "m", "timings_ms": {}}


def parts(body: bytes, content_type: str) -> dict[str, tuple[str | None, bytes]]:
    """The parts of a multipart body by name: the name of the file, and the bytes."""
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found = {}
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")
        found[name] = (part.get_filename(), part.get_payload(decode=True))
    return found


def job(state: str, images_waiting: int = 0, error: str | None = None) -> dict:
    is_over = state not in ("waiting", "running")
    return {
        "id": 12,
        "kind": "ingest",
        "feed": "feed.csv",
        "state": state,
        "counts": {},
        "progress": {"done": None, "total": None, "unit": None},
        "is_cancelling": False,
        "error": error,
        "errors": [],
        "started_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:00Z" if is_over else None,
        "images_waiting": images_waiting,
    }


def test_it_loads_nothing_that_the_server_consists_of():
    """A shop's program has no use for networks, databases and servers."""
    heavy = "{'fastapi', 'keras', 'numpy', 'PIL', 'qdrant_client', 'sqlalchemy', 'starlette', 'tensorflow', 'uvicorn'}"
    code = f"import sys, catalog.client; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_key_goes_with_every_request_and_to_no_redirect():
    server = ScriptedServer([fine(), httpx.Response(302, headers={"Location": "https://elsewhere.example/healthz"})])
    client = server.client()
    client.health()
    with pytest.raises(AnswerUnusable) as failed:
        client.health()
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer dk_secret"] * 2
    assert failed.value.remedy == "use the address that it names: https://elsewhere.example/healthz"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://drape.example", "", "/v1"])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(ValueError, match="address of a server"):
        Client(url)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_id_is_one_segment_of_the_path_and_comes_back_whole(product_id):
    """With the server's path behind a proxy before it."""
    server = ScriptedServer([error(404)])
    with pytest.raises(NotFound):
        server.client("http://drape.example/shop/").similar(product_id, limit=3)
    path, _, query = server.asked[0].url.raw_path.partition(b"?")
    assert path.count(b"/") == len(["", "shop", "v1", "products", "x", "similar"]) - 1
    assert (unquote(path.decode()), query) == (f"/shop/v1/products/{product_id}/similar", b"limit=3")


def test_only_what_is_given_is_said():
    server = ScriptedServer([error(404), error(404)])
    for ask in (
        lambda client: client.search(product_id="D-1", but=["color=blue"], filters={"max_price": "80.50"}),
        lambda client: client.search(like=("a", "b"), mode="fc6", filters=Filters(any=("x=1",)), limit=5),
    ):
        with pytest.raises(NotFound):
            ask(server.client())
    assert [json.loads(body) for body in server.bodies] == [
        {"product_id": "D-1", "but": ["color=blue"], "filters": {"max_price": "80.50"}},
        {"like": ["a", "b"], "mode": "visual", "filters": {"any": ["x=1"]}, "limit": 5},
    ]
    assert server.asked[0].headers["Content-Type"] == "application/json"


def test_filters_of_addresses_repeat_their_names():
    server = ScriptedServer([error(404)])
    filters = Filters(
        all=("color=red", "size=m & l"),
        min_price=Decimal("1E+1"),
        availability=("in_stock",),
        fields={"season": ("spring", "summer")},
    )
    with pytest.raises(NotFound):
        server.client().facets(filters=filters, count_fields=["season"])
    assert server.asked[0].url.params.multi_items() == [
        ("all", "color=red"),
        ("all", "size=m & l"),
        ("min_price", "10"),
        ("availability", "in_stock"),
        ("field", "season=spring"),
        ("field", "season=summer"),
        ("count_fields", "season"),
    ]


def test_a_photo_goes_beside_the_query_and_whole_again_at_the_next_attempt(tmp_path):
    photo = tmp_path / "röck.png"
    photo.write_bytes(bytes(range(256)) * 1000)
    server = ScriptedServer([error(503), httpx.ReadTimeout("late"), fine(**EMPTY), fine(**EMPTY)])
    client = server.client()
    client.tag(photo, crop=(1, 2, 30, 40))
    client.tag(b"bytes", crop=Crop(left=1, top=2, right=30, bottom=40), top_k=1)
    sent = [
        parts(body, request.headers["Content-Type"]) for body, request in zip(server.bodies, server.asked, strict=True)
    ]
    crop = {"left": 1, "top": 2, "right": 30, "bottom": 40}
    for one in sent[:3]:
        assert one["image"][1] == photo.read_bytes()
        assert json.loads(one["query"][1]) == {"crop": crop}
    assert sent[3]["image"] == ("photo", b"bytes")
    assert json.loads(sent[3]["query"][1]) == {"crop": crop, "top_k": 1}


def test_a_file_is_read_while_it_goes_out_and_no_further_than_it_is_wanted(tmp_path):
    """40 MB that the server refuses at their beginning."""
    feed = tmp_path / "feed.csv"
    with feed.open("wb") as file:
        file.truncate(40_000_000)
    pieces = []

    class Refusing(httpx.BaseTransport):
        def handle_request(self, request):
            for piece in request.stream:
                pieces.append(len(piece))
                if sum(pieces) > 200_000:
                    break
            assert int(request.headers["Content-Length"]) > 40_000_000
            return error(413, "body_too_large")

    with Client("http://drape.example", transport=Refusing()) as client, pytest.raises(RequestRefused) as failed:
        client.send_feed(feed)
    assert failed.value.code == "body_too_large"
    assert max(pieces) <= 2**16


def test_a_feed_is_handed_over_once_however_often_it_is_sent(tmp_path):
    """Every attempt of a call has the same key, and every call one of its own, unless it names one."""
    feed = tmp_path / "feed.csv.gz"
    feed.write_bytes(b"rows")
    server = ScriptedServer([error(503), fine(**job("waiting")), fine(**job("waiting")), fine(**job("waiting"))])
    client = server.client()
    client.send_feed(feed, full_sync=True, currency="EUR")
    client.send_feed("https://shop.example/feed.csv", dialect="google")
    client.send_feed(str(feed), idempotency_key="spring")
    keys = [request.headers["Idempotency-Key"] for request in server.asked]
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == "spring"
    sent = parts(server.bodies[1], server.asked[1].headers["Content-Type"])
    assert sent["feed"] == ("feed.csv.gz", b"rows")
    assert json.loads(sent["options"][1]) == {"full_sync": True, "currency": "EUR"}
    assert json.loads(server.bodies[2]) == {"url": "https://shop.example/feed.csv", "dialect": "google"}


@pytest.mark.parametrize(
    ("ask", "place"),
    [
        (lambda client: client.search(words="red", limit=101), "limit"),
        (lambda client: client.search(words="red", filters={"al": ["color=red"]}), "filters.al"),
        (lambda client: client.facets(filters={"currency": "EURO"}), "currency"),
        (lambda client: client.similar("a", boost={"newer": 2.0}), "newer"),
        (lambda client: client.search(image=b"x", crop=(5, 5, 5, 9)), "crop"),
        (lambda client: client.send_feed("https://s.example/f", max_removal=2.0), "max_removal"),
    ],
)
def test_what_has_no_meaning_is_refused_unsent_in_the_words_of_the_api(ask, place):
    server = ScriptedServer([])
    with pytest.raises(RequestRefused) as failed:
        ask(server.client())
    assert (failed.value.code, failed.value.status) == ("invalid_request", None)
    assert failed.value.message == f"{place} cannot be used"
    assert failed.value.received
    assert failed.value.expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, KeyNotAccepted),
        (403, KeyNotAccepted),
        (404, NotFound),
        (409, RequestRefused),
        (422, RequestRefused),
        (429, RateLimited),
        (500, ServerFailed),
        (503, ServerFailed),
    ],
)
def test_errors_have_their_kind_and_all_their_facts(status, kind):
    facts = {"received": "this", "expected": "that", "remedy": "do so"}
    headers = {"X-Request-Id": "r1", "Retry-After": "100"}
    server = ScriptedServer([error(status, "a_code", headers, message="So it is", **facts)])
    with pytest.raises(DrapeApiError) as failed:
        server.client().health()
    assert type(failed.value) is kind
    told = failed.value
    assert (told.status, told.code, told.message, told.request_id) == (status, "a_code", "So it is", "r1")
    assert {"received": told.received, "expected": told.expected, "remedy": told.remedy} == facts
    assert told.retry_after == 100
    assert str(told) == "So it is; received: this; expected: that; to do: do so"


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "", "[]", '{"error": "no"}', '{"detail": []}'])
def test_errors_of_others_than_drape_are_told_as_such(body):
    server = ScriptedServer([httpx.Response(418, text=body)])
    with pytest.raises(RequestRefused) as failed:
        server.client().health()
    assert (failed.value.status, failed.value.code) == (418, "status_418")
    assert failed.value.received == (body or "an empty body")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"ready": 7}),
        httpx.Response(204),
        lambda _: httpx.Response(200, stream=httpx.ByteStream(b"no gzip"), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["html", "list", "other shape", "nothing", "broken encoding"],
)
def test_answers_of_another_shape_are_errors(answer):
    with pytest.raises(AnswerUnusable) as failed:
        ScriptedServer([answer]).client().ready()
    assert failed.value.code == "unusable_answer"


def test_what_newer_servers_tell_besides_does_no_harm():
    assert ScriptedServer([fine(status="ok", mood="good")]).client().health().status == "ok"


def test_a_server_that_is_not_ready_says_what_is_down():
    """503 is an answer here, and not asked for again."""
    down = {"ready": False, "checks": [{"name": "database", "ok": False, "why": "no answer"}]}
    ready = ScriptedServer([httpx.Response(503, json=down)]).client().ready()
    assert (ready.ready, ready.checks[0].why) == (False, "no answer")


def test_products_are_asked_for_page_by_page_as_they_are_read():
    product = {
        "id": "a", "title": "A", "category": [], "attributes": [], "given_attributes": [], "price": None,
        "availability": "in_stock", "link": None, "item_group": None,
    }  # fmt: skip
    item = {"product": product, "image": {"id": 1, "sha256": "0", "url": "/v1/images/0"}}
    pages = [fine(items=[item, item], total=3, next="n1"), fine(items=[item], total=3, next=None)]
    server = ScriptedServer(pages)
    products = server.client().products(filters={"category": "Dress"}, order="id", page_size=2)
    assert server.asked == []
    assert next(products).product.id == "a"
    assert len(server.asked) == 1
    assert len(list(products)) == 2
    asked = {"category": "Dress", "order": "id", "limit": "2"}
    assert [dict(request.url.params) for request in server.asked] == [asked, {**asked, "after": "n1"}]


def test_a_job_is_waited_for_as_the_server_wants():
    answers = [job("waiting"), job("running", 2), job("done", 2), job("done")]
    headers = {"Retry-After": "3"}
    server = ScriptedServer([httpx.Response(200, json=one, headers=headers) for one in answers])
    seen = []
    done = server.client().wait_for(12, until_searchable=True, on_progress=lambda job: seen.append(job.state.value))
    assert (done.state, server.waits) == ("done", [3.0, 3.0, 3.0])
    assert seen == ["waiting", "running", "done", "done"]


def test_without_a_word_of_the_server_jobs_are_asked_for_every_second():
    server = ScriptedServer([fine(**job("running")), fine(**job("done", 5))])
    assert server.client().wait_for(12).images_waiting == 5
    assert server.waits == [1.0]


@pytest.mark.parametrize(("state", "words"), [("failed", "has failed"), ("cancelled", "has been cancelled")])
def test_a_job_that_ended_otherwise_is_an_error(state, words):
    server = ScriptedServer([fine(**job(state, error="no header"))])
    with pytest.raises(JobNotDone, match=f"Job 12 {words}; received: no header") as failed:
        server.client().wait_for(12)
    assert (failed.value.job.state, failed.value.code) == (state, f"job_{state}")


def test_a_job_is_waited_for_no_longer_than_asked():
    """Looks at 0, 1 and 2 s; the next would be at 3."""
    server = ScriptedServer([fine(**job("running")) for _ in range(3)])
    with pytest.raises(JobNotDone) as failed:
        server.client().wait_for(12, timeout=3)
    assert (failed.value.code, failed.value.job.state, server.waits) == ("job_not_done", "running", [1.0, 1.0])
