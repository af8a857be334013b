"""``drape worker`` beside ``drape ingest``: real Redis, the shipped network, everything else embedded."""

from __future__ import annotations

import dataclasses
import socket
import subprocess

import pytest

from tests.file_server import FileServer, answer, serving
from tests.redis_server import RedisServer

NUM_IMAGES = 24


@pytest.fixture
def feed(small_feed, tmp_path):
    return small_feed(tmp_path, NUM_IMAGES)


def _ended(worker: subprocess.Popen[str]) -> int:
    worker.terminate()
    worker.communicate(timeout=60)
    return worker.returncode


def test_an_ingest_leaves_its_images_to_a_worker_and_waits_for_it(drape, feed, tmp_path):
    with RedisServer(tmp_path / "redis") as redis, serving(FileServer()) as files:
        files.answers["/a.png"] = answer((tmp_path / "3.png").read_bytes())
        with feed.open("a", encoding="utf-8") as lines:
            lines.write(f"web,Item by address,{files.url('/a.png')}\n")
        allowed = f"127.0.0.1:{files.port}"
        shop = dataclasses.replace(drape, settings={"DRAPE_BROKER_URL": redis.url, "DRAPE_FETCH_ALLOW": allowed})
        queued = shop.run_here("ingest", feed, "--merchant", "atelier", "--no-wait")
        assert queued.code == 0, queued.err
        assert "Workers index what is new" in queued.out
        assert "1 image waits to be fetched, which a worker does." in queued.out
        worker = shop.start("worker")
        try:
            ingested = shop.run_here("ingest", feed, "--merchant", "atelier", "--json")
            assert ingested.code == 0, ingested.err
            by_address = ingested.json["by_address"]
            assert (by_address["new"] + by_address["unchanged"], by_address["waiting"]) == (1, 0)
            assert ingested.json["images"]["new"] + ingested.json["images"]["unchanged"] == NUM_IMAGES + 1
            # One of them was waited for to be fetched, and perhaps for its indexing beside that.
            assert ingested.json["indexed_by_workers"] in (NUM_IMAGES + 1, NUM_IMAGES + 2)
            # The index is the worker's; whoever wants it for itself is told who has it.
            held = shop.run_here("similar", "P5")
            assert (held.code, "in use by process" in held.err) == (75, True)
        finally:
            code = _ended(worker)
        assert code == 0
        found = shop.run_here("similar", "P5", "--json")
        assert len(found.json["hits"]) == 10
        assert shop.run_here("similar", "web", "--json").json["hits"][0]["id"] == "P3"


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "words"),
    [
        ({}, [], 2, "no DRAPE_BROKER_URL"),
        ({"DRAPE_BROKER_URL": "amqp://guest:secret@rabbit//"}, [], 2, "not one of Redis"),
        ({"DRAPE_BROKER_URL": "redis://127.0.0.1:1/0"}, ["--wait", "0.1"], 75, "Redis does not answer"),
        ({"DRAPE_BROKER_URL": "redis://127.0.0.1:1/0"}, ["--concurrency", "2"], 2, "--queue index alone"),
    ],
)
def test_a_worker_that_cannot_work_says_why_in_one_sentence(drape, settings, arguments, code, words):
    shop = dataclasses.replace(drape, settings=settings)
    ended = shop.run_here("worker", *arguments)
    assert ended.code == code
    assert words in ended.err
    assert "secret" not in ended.err
    assert "Traceback" not in ended.err


def test_a_worker_without_a_network_cannot_own_the_embedded_index(drape, tmp_path):
    with RedisServer(tmp_path / "redis") as redis:
        shop = dataclasses.replace(drape, settings={"DRAPE_BROKER_URL": redis.url})
        ended = shop.run_here("worker", "--queue", "index")
    assert (ended.code, "one owner" in ended.err) == (2, True)


def test_nothing_is_left_to_workers_where_there_are_none(drape, feed):
    ended = drape.run_here("ingest", feed, "--merchant", "atelier", "--no-wait")
    assert (ended.code, "--no-wait" in ended.err) == (2, True)


def test_metrics_are_not_promised_where_they_cannot_be_served(drape, tmp_path):
    with RedisServer(tmp_path / "redis") as redis, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        shop = dataclasses.replace(drape, settings={"DRAPE_BROKER_URL": redis.url})
        ended = shop.run_here("worker", "--metrics-port", port)
    assert (ended.code, port in ended.err, "--metrics-port of its own" in ended.err) == (2, True, True)
