"""Keys, errors, headers, health and metrics: what holds for every endpoint."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import logging
import re
import threading
from functools import cached_property

import httpx
import numpy as np
import pytest
from PIL import Image

from catalog.adapters.networks.process_models import ProcessModels
from catalog.errors import DatabaseUnavailable, IndexUnavailable, NetworkProcessUnavailable, QueryNetworkBusy
from catalog.storefront.app import create_app
from catalog.storefront.calls import PHOTO_THREADS, Calls
from catalog.storefront.errors import TABLE
from catalog.types import Caller, Scope
from tests.color_networks import DEADLY, HELD, color_process
from tests.fakes import INPUT_SIZE
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, ColorApplication, ids, refused


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/facets/", 404, "not_found"),
        ("DELETE", "/v1/facets", 405, "method_not_allowed"),
        ("GET", "/docs/secrets", 404, "not_found"),
    ],
)
def test_errors_of_the_framework_have_the_same_shape(shop, method, path, status, code):
    refused(shop.ask(method, path), status, code)


def test_what_only_an_operator_can_mend_is_logged_and_not_told(shop, monkeypatch, caplog):
    def away(*_):
        raise IndexUnavailable("The vector index did not answer", received="connection refused by qdrant.intra:6333")

    monkeypatch.setattr(type(shop.app.state.parts.search), "by_product", away)
    answered = shop.get("/v1/products/red-dress/similar")
    facts = refused(answered, 503, "index_unavailable")
    assert int(answered.headers["retry-after"]) > 0
    assert "intra" not in answered.text
    told = [record for record in caplog.records if "qdrant.intra:6333" in record.getMessage()]
    assert [record.request for record in told] == [facts["id"]] == [answered.headers["x-request-id"]]


def test_what_nobody_foresaw_is_an_answer_with_an_id(shop, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(type(shop.app.state.parts.search), "by_product", broken)
    answered = shop.get("/v1/products/red-dress/similar")
    facts = refused(answered, 500, "internal_error")
    assert "secret" not in answered.text
    assert "Traceback" not in answered.text
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.request == facts["id"]
    assert answered.headers["x-content-type-options"] == "nosniff"


def test_more_requests_than_can_wait_are_told_so(application, keys):
    app = create_app(application)
    app.state.parts = dataclasses.replace(app.state.parts, calls=Calls("none", threads=1, most_waiting=-1))
    refused(Client(app, keys["atelier"]).get("/v1/facets"), 503, "too_many_requests")


def test_photos_that_wait_do_not_fill_the_memory(application, keys, monkeypatch):
    """Two as large as are taken together; for a third, whoever has it is asked to come again."""
    photo = picture("red")
    monkeypatch.setattr("catalog.storefront.parts.MOST_PHOTO_BYTES", 2 * len(photo))
    app = create_app(application)
    began, may_end = threading.Semaphore(0), threading.Event()

    def held(*_: object, **__: object) -> None:
        began.release()
        assert may_end.wait(60)
        raise QueryNetworkBusy("no worker took it")

    monkeypatch.setattr(type(app.state.parts.search), "by_image", held)
    headers = {"X-Api-Key": keys["atelier"]}

    async def trial() -> tuple[list[httpx.Response], list[httpx.Response]]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://drape.example", headers=headers) as client:
            two = [asyncio.create_task(client.post("/v1/search", files={"image": photo})) for _ in range(2)]
            for _ in two:
                assert await asyncio.to_thread(began.acquire, timeout=60)
            third = await client.post("/v1/search", files={"image": photo})
            may_end.set()
            both = await asyncio.gather(*two)
            return both, [third, await client.post("/v1/search", files={"image": photo})]

    both, (third, later) = asyncio.run(trial())
    facts = refused(third, 503, "too_many_requests")
    assert facts["expected"] == f"at most {2 * len(photo)} bytes together"
    assert int(third.headers["retry-after"]) > 0
    for answered in (*both, later):
        refused(answered, 503, "query_network_busy")


class ProcessApplication(ColorApplication):
    """One whose networks run in a process beside it."""

    @cached_property
    def _network_process(self):
        return self._resources.enter_context(color_process(self.settings))

    @cached_property
    def _noted_models(self):
        return ProcessModels(self.models, self._network_process)


def test_a_photo_whose_network_is_killed_is_told_so_and_the_next_one_is_answered(application, keys):
    killer = io.BytesIO()
    Image.new("RGB", (32, 48), DEADLY).save(killer, "PNG")
    settings = application.settings.model_copy(update={"home": application.settings.home.parent / "other"})
    with ProcessApplication(settings) as beside:
        beside.index = application.index
        shop = Client(create_app(beside), keys["atelier"])
        for _ in range(2):
            assert "red-dress" in ids(shop.upload(picture("red")))
            answered = shop.upload(killer.getvalue())
            refused(answered, 503, "query_network_unavailable")
            assert int(answered.headers["retry-after"]) > 0
            assert "SIGKILL" not in answered.text


def test_ending_does_not_wait_for_a_network_that_hangs(application, keys):
    """Whoever asked was told that it takes too long, and has gone; the call that waits for the network is let go."""
    settings = application.settings.model_copy(update={"home": application.settings.home.parent / "hung"})
    with ProcessApplication(settings, is_server=True) as beside:
        beside.index = application.index
        app = create_app(beside, on_end=beside.end_networks)
        began = threading.Event()

        def held() -> None:
            began.set()
            beside._network_process.embed(HELD, np.zeros((1, INPUT_SIZE, INPUT_SIZE, 3), np.uint8))

        async def trial() -> Exception | None:
            async with app.router.lifespan_context(app):
                call = asyncio.create_task(app.state.parts.photos.run(held))
                assert await asyncio.to_thread(began.wait, 20)
            (error,) = await asyncio.gather(call, return_exceptions=True)
            return error

        assert isinstance(asyncio.run(asyncio.wait_for(trial(), 20)), NetworkProcessUnavailable)


def test_photos_that_wait_for_a_network_leave_room_for_what_needs_none(application, keys, monkeypatch):
    """A worker that has died holds every photo until its deadline: twenty of them wait, and the catalog is answered."""
    app = create_app(application)
    began, may_end = threading.Semaphore(0), threading.Event()

    def held(*_: object, **__: object) -> None:
        began.release()
        assert may_end.wait(20)
        raise QueryNetworkBusy("The photo was not embedded in time")

    monkeypatch.setattr(type(app.state.parts.search), "by_image", held)
    monkeypatch.setattr(type(app.state.parts.tagging), "tag", held)

    async def trial() -> tuple[list[int], int]:
        transport = httpx.ASGITransport(app)
        headers = {"X-Api-Key": keys["atelier"]}
        async with httpx.AsyncClient(transport=transport, base_url="http://drape.example", headers=headers) as client:
            files = {"image": picture("red")}
            photos = [asyncio.create_task(client.post(f"/v1/{path}", files=files)) for path in ["search", "tag"] * 10]
            try:
                for _ in range(PHOTO_THREADS):
                    assert await asyncio.to_thread(began.acquire, timeout=20)
                similar = await asyncio.wait_for(client.get("/v1/products/red-dress/similar"), 15)
            finally:
                may_end.set()
                answered = await asyncio.gather(*photos)
        return [photo.status_code for photo in answered], similar.status_code

    assert asyncio.run(trial()) == ([503] * 20, 200)


def test_every_answer_has_the_headers(shop):
    for path in ("/healthz", "/v1/facets", "/v1/nothing", "/docs", "/openapi.json"):
        headers = shop.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_description_is_read_and_tried_from_here_alone(shop):
    page = shop.get("/docs", headers={}).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) == 3
    for source in sources:
        assert source.startswith("/docs/")
        assert shop.get(source, headers={}).status_code == 200
    described = shop.get("/openapi.json", headers={}).json()
    references = set(re.findall(r"#/components/schemas/(\w+)", str(described)))
    assert references <= set(described["components"]["schemas"])
    assert {"Query", "ErrorAnswer", "SearchAnswered"} <= references


def test_health_is_that_of_the_process_and_readiness_that_of_its_resources(application, shop, monkeypatch):
    names = ["postgresql", "vector_index", "image_store"]
    assert shop.get("/healthz", headers={}).json() == {"status": "ok"}
    ready = shop.get("/readyz", headers={})
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert [check["name"] for check in ready.json()["checks"]] == names

    def away(*_):
        raise DatabaseUnavailable("PostgreSQL did not answer", received="password of postgres.intra")

    def in_use():
        raise IndexUnavailable("The vector index has been closed")

    monkeypatch.setattr(shop.app.state.parts.readiness, "_unit_of_work", away)
    monkeypatch.setattr(application.index, "list_collections", in_use)
    down = shop.get("/readyz", headers={})
    assert (down.status_code, down.json()["ready"]) == (503, False)
    assert [check["ok"] for check in down.json()["checks"]] == [False, False, True]
    assert down.json()["checks"][0]["why"] == "PostgreSQL did not answer"
    assert "intra" not in down.text
    assert shop.get("/healthz", headers={}).status_code == 200


def test_metrics_count_requests_by_route_and_searches_by_stage(application, keys):
    shop = Client(create_app(application), keys["atelier"])
    for _ in range(2):
        shop.get("/v1/products/red-dress/similar")
    shop.get("/v1/products/nothing/similar")
    shop.get("/v1/nothing")
    before = application.query_embedding.cache_counts
    for _ in range(2):
        shop.upload(picture("red", size=(31, 37)))
    text = shop.get("/metrics", headers={}).text
    route = 'method="GET",route="/v1/products/{product_id:path}/similar"'
    assert f'drape_http_requests_total{{{route},status="200"}} 2.0' in text
    assert f'drape_http_requests_total{{{route},status="404"}} 1.0' in text
    assert 'drape_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert f"drape_http_request_seconds_count{{{route}}} 3.0" in text
    assert 'drape_search_stage_seconds_count{stage="search"} 4.0' in text
    assert 'drape_search_stage_seconds_count{stage="embed"} 1.0' in text
    assert f'drape_query_photos_total{{from="network"}} {before.misses + 1:.1f}' in text
    assert f'drape_query_photos_total{{from="cache"}} {before.hits + 1:.1f}' in text
    # The buckets add up: a batch of one is also one of at most 16.
    batches = sum(application.query_embedding.batch_sizes.values())
    assert f'drape_query_batch_photos_bucket{{le="16"}} {batches:.1f}' in text
    assert f"drape_query_batch_photos_count {batches:.1f}" in text


def test_every_request_is_a_line_in_the_log(shop, caplog):
    with caplog.at_level(logging.INFO):
        shop.get("/v1/products/nothing/similar")
        shop.get("/healthz")
    told = [(record.route, record.status) for record in caplog.records if record.name == "catalog.storefront.edge"]
    assert told == [("/v1/products/{product_id:path}/similar", 404)]


def test_without_a_key_only_this_machine_is_answered(application, shop):
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("atelier")
    caller = Caller("atelier", merchant_id, 0, frozenset({Scope.SEARCH}), (), is_public=False)
    app = create_app(application, open_to=caller)
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert ids(Client(app, "", host).get("/v1/products/red-dress/similar", headers={}))
    for host in ("rebound.example", "10.0.0.7"):
        refused(Client(app, "", host).get("/v1/products/red-dress/similar", headers={}), 403, "host_refused")


def test_what_a_caller_can_correct_is_no_error_of_the_servers():
    """Whoever is told facts has sent something wrong, unless there were simply too many requests at once."""
    wrong = {kind.__name__ for kind, how in TABLE.items() if how.has_facts and how.status >= 500}
    assert wrong == {"TooManyRequests"}
