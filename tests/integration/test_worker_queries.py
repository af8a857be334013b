"""Photos that are searched with over HTTP are embedded by worker processes, which come and go."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from catalog.adapters.broker.redis_query_requests import RedisQueryRequests
from catalog.storefront.app import create_app
from catalog.types import Scope
from cli.worker import Queue
from tests.color_workers import CLOCK_SHIFT
from tests.fakes import INPUT_SIZE, ColorEmbedder
from tests.integration.storefront.conftest import Client, ids, refused
from tests.qdrant_double import REPOSITORY
from tests.redis_server import RedisServer
from tests.worker_cluster import MERCHANT, striped_picture

SECONDS = 30


@pytest.mark.slow
def test_a_killed_worker_costs_a_clear_answer_until_another_is_there(cluster):
    """No worker, one, none, and one whose clock is an hour ahead."""
    summary = cluster.ingest(cluster.rows_of(6, lambda at: ["red", "blue"][at % 2]))
    with cluster.application(query_embedder="worker", query_deadline="1.0", query_cache_mb="0") as application:
        application.indexing.run(summary.merchant_id)
        key = application.api_keys.create(MERCHANT, "tests", [Scope.SEARCH]).secret
        shop = Client(create_app(application), key)

        def search():
            return shop.upload(striped_picture(0, "red"), {"mode": "visual", "limit": 1})

        def wait_for_an_answer():
            deadline = time.monotonic() + SECONDS
            while (answer := search()).status_code != 200:
                assert time.monotonic() < deadline, cluster.logs()
            return answer

        told = search()
        facts = refused(told, 503, "query_network_busy")
        assert (facts["message"], told.headers["Retry-After"]) == ("The photo was not embedded in time", "2")
        worker = cluster.start(Queue.QUERY)
        answered = wait_for_an_answer()
        assert ids(answered) == ["P0"]
        assert "worker" in answered.json()["timings_ms"]
        worker.kill()
        worker.wait()
        refused(search(), 503, "query_network_busy")
        # Searches that need no network go on.
        assert shop.get("/v1/products/P0/similar").status_code == 200
        cluster.start(Queue.QUERY, **{CLOCK_SHIFT: "3600"})
        assert ids(wait_for_an_answer()) == ["P0"]
        assert application.models.num_embedded == 6


_ASKS = """
import sys
from catalog.bootstrap import Application, settings_from_environment
from catalog.services.photo_queries.query_cache import QueryCache
from catalog.services.photo_queries.query_embedding import QueryEmbedding
import catalog.storefront.app

with Application(settings_from_environment()) as application:
    queries = QueryEmbedding(application.models, application._query_network, QueryCache(0), max_pixels=10_000)
    queries.load("compact-rendered")
    found = queries.embed(sys.stdin.buffer.read(), "compact-rendered")
    print(found.features["prob"].tolist(), sorted({"tensorflow", "keras", "jax"} & set(sys.modules)))
"""


def test_the_process_that_is_asked_loads_no_network_library(tmp_path):
    """It knows the shipped version by its description; arithmetic answers in the network's place."""
    with RedisServer(tmp_path / "redis") as redis:
        requests = RedisQueryRequests(redis.url)
        with subprocess.Popen(
            [sys.executable, "-c", _ASKS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env={
                "PYTHONPATH": str(REPOSITORY),
                "DRAPE_HOME": str(tmp_path / "home"),
                "DRAPE_BROKER_URL": redis.url,
                "DRAPE_QUERY_EMBEDDER": "worker",
                "DRAPE_QUERY_DEADLINE": "60",
            },
        ) as asking:
            assert asking.stdin is not None
            asking.stdin.write(striped_picture(0, "red", stripe=False))
            asking.stdin.close()
            deadline = time.monotonic() + SECONDS
            while not (claimed := requests.claim(1, 1.0)):
                assert time.monotonic() < deadline
                assert asking.poll() is None
            size = claimed[0].prepared.shape[0] // INPUT_SIZE
            features = ColorEmbedder("colors-1").embed(claimed[0].prepared[None, ::size, ::size])
            requests.answer(claimed[0], {name: values[0] for name, values in features.items()})
            assert asking.stdout is not None
            # Nothing of it is of another colour than red, the fourth.
            assert asking.stdout.read().decode().strip() == "[0.0, 0.0, 0.0, 1.0, 0.0, 0.0] []"
        assert asking.returncode == 0
        requests.close()
