"""``drape serve`` as a process, on the shipped network."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from catalog.client import Client


@pytest.fixture(scope="module")
def feed(small_feed, tmp_path_factory) -> Path:
    return small_feed(tmp_path_factory.mktemp("feed"), 12)


def test_a_catalog_is_searched_over_http_until_the_process_is_stopped(shared_drape, feed):
    ingested = shared_drape.run_here("ingest", feed, "--merchant", "atelier")
    assert ingested.code == 0, ingested.err
    with serving(shared_drape, "--load-later") as (server, address, told):
        assert "drape keys create" in next(told)["message"]
        created = shared_drape.run_here("keys", "create", "--merchant", "atelier", "--json")
        with Client(address, key=created.json["secret"], timeout=60) as client:
            assert client.health().status == "ok"
            assert client.ready().ready
            found = client.similar("P5", limit=3, mode="visual").hits
            assert len({hit.product.id for hit in found} - {"P5"}) == 3
            photo = feed.parent / f"{found[0].product.id[1:]}.png"
            assert client.photo(found[0].image.sha256) == photo.read_bytes()
            assert client.facets().num_products == 12
            assert httpx.get(f"{address}/v1/facets").status_code == 401
        # The index is the server's; whoever wants it for itself is told who has it, and so is who wants its port.
        held = shared_drape.run_here("serve", "--port", "0", "--wait", "0")
        assert (held.code, "in use by process" in held.err) == (75, True)
        taken = shared_drape.run_here("serve", "--port", address.rpartition(":")[2])
        assert (taken.code, "Nothing can be served there" in taken.err) == (2, True)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        lines = list(told)
    assert {("/v1/facets", 200), ("/v1/facets", 401)} <= {(line.get("route"), line.get("status")) for line in lines}
    assert lines[-1]["message"] == "Stopped"


def test_a_server_that_is_stopped_while_it_loads_networks_does_not_wait_for_them(shared_drape, feed):
    assert shared_drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    with serving(shared_drape, "--open") as (server, address, told):
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        lines = [line["message"] for line in told]
    assert lines[-1] == "Stopped"
    assert "The networks are loaded" not in lines
    # What the embedded parts hold was given back: the next process has them at once.
    assert shared_drape.run_here("status").code == 0


@pytest.mark.slow
def test_a_photo_is_searched_with_by_the_shipped_network(drape, feed):
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    with serving(drape, "--open") as (server, address, told):
        assert any(line["message"] == "The networks are loaded" for line in told)
        with Client(address, timeout=60) as client:
            found = client.search(image=feed.parent / "5.png", mode="visual", limit=1)
        assert found.hits[0].product.id == "P5"
        # The network runs in a process of its own. Where that is killed, another one takes its place.
        (networks,) = [
            one for one in psutil.Process(server.pid).children() if "workers.network_process" in one.cmdline()
        ]
        networks.kill()
        with Client(address, timeout=60) as client:
            found = client.search(image=feed.parent / "7.png", mode="visual", limit=1)
        assert found.hits[0].product.id == "P7"
        # A feed is taken beside the server, which owns the index, and indexes what the command marks.
        more = feed.parent / "more.csv"
        more.write_text("id,title,image\nnew,New dress,5.png\n", encoding="utf-8")
        beside = drape.run_here("ingest", more, "--merchant", "atelier")
        assert beside.code == 0, beside.err
        assert "the server that does their work, took 1 image" in beside.out
        assert httpx.get(f"{address}/v1/products/new/similar", timeout=60).json()["hits"]
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


@contextmanager
def serving(drape, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, Iterator[dict[str, object]]]]:
    """A server, its address, and what it logs from then on; its log fits into the pipe."""
    with drape.start("serve", "--port", "0", *arguments) as server:
        try:
            told = map(json.loads, server.stderr)
            address = next(line["address"] for line in told if "address" in line)
            yield server, address, told
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--open", "--host", "0.0.0.0"], "only this machine may ask"),
        (["--merchant", "atelier"], "--merchant without --open"),
        (["--host", "no.such.host.invalid"], "Nothing can be served there"),
        (["--open", "--port", "0"], "No catalog has been ingested yet"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_sentence(drape, arguments, words):
    ended = drape.run_here("serve", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err
