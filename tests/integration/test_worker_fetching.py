"""Workers fetch images by address: the one that runs no network, killed in the middle of it or not."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from cli.worker import Queue
from tests.file_server import FileServer, answer, serving
from tests.worker_cluster import striped_picture

NUM_IMAGES = 30


@pytest.fixture
def server():
    """Pictures that take a moment each, and one that is not there at first."""

    def late(number: int):
        def send(connection, _) -> None:
            time.sleep(0.05)
            connection.sendall(answer(striped_picture(number, "red")))

        return send

    with serving(FileServer({f"/{at}.png": late(at) for at in range(NUM_IMAGES)})) as files:
        yield files


def _kill_with_children(worker) -> None:
    """As where the machine goes down: a child of a pool would otherwise finish its task."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    worker.kill()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    worker.wait()


@pytest.mark.slow
def test_a_killed_fetcher_loses_nothing_and_nothing_is_fetched_by_the_embedder(cluster, server):
    """What it had claimed is fetched by the next one; every image is indexed once."""
    allowed = {"DRAPE_FETCH_ALLOW": f"127.0.0.1:{server.port}"}
    cluster.start(Queue.EMBED, **allowed)
    cluster.start(Queue.BEAT, **allowed)
    (cluster.folder / "feed").mkdir()
    rows = [{"id": f"P{at}", "title": "Item", "image": server.url(f"/{at}.png")} for at in range(NUM_IMAGES)]
    cluster.ingest(rows)
    cluster.wait_until(lambda: cluster.redis.client.llen("drape:fetch") == 1, "an announcement")
    assert server.asked == []
    first = cluster.start(Queue.INDEX, **allowed)
    cluster.wait_until(lambda: len(server.asked) >= NUM_IMAGES // 3, "some images fetched")
    _kill_with_children(first)
    assert cluster.scalar("SELECT count(*) FROM image_fetch WHERE due_at IS NOT NULL") > 0
    with cluster.application() as application:
        follower, merchant_id = application.indexing_follower, cluster.scalar("SELECT id FROM merchant")
        cluster.start(Queue.INDEX, **allowed)
        followed = follower.follow(merchant_id, 0, fetches=True)
    assert (followed.quarantined, followed.postponed) == (0, 0)
    assert cluster.scalar("SELECT count(*) FROM image_fetch WHERE due_at IS NOT NULL OR lease_until IS NOT NULL") == 0
    assert dict(cluster.rows("SELECT outcome, count(*) FROM image_fetch GROUP BY outcome")) == {"new": NUM_IMAGES}
    assert cluster.scalar("SELECT count(DISTINCT sha256) FROM image") == NUM_IMAGES
    cluster.assert_consistent(NUM_IMAGES)
