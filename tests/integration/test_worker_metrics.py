"""Running workers serve what Prometheus reads."""

from __future__ import annotations

import socket

from cli.worker import Queue
from tests.scraped_metrics import scrape
from workers.metrics import SHARED_FOLDER

NUM_IMAGES = 40


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_worker_counts_its_work_and_the_sweep_what_waits(cluster):
    embed, index, beat = _free_port(), _free_port(), _free_port()
    shared = cluster.folder / "counts"
    shared.mkdir()
    cluster.start(Queue.EMBED, DRAPE_METRICS_PORT=str(embed))
    cluster.start(Queue.INDEX, DRAPE_METRICS_PORT=str(index), **{SHARED_FOLDER: str(shared)})
    cluster.start(Queue.BEAT, DRAPE_METRICS_PORT=str(beat))
    rows = cluster.rows_of(NUM_IMAGES)
    rows.append({**rows[0], "id": "broken", "image": "broken.png"})
    (cluster.folder / "feed" / "broken.png").write_bytes((cluster.folder / "feed" / "0.png").read_bytes()[:60])
    cluster.ingest(rows)
    cluster.wait_until_indexed()

    embedded = scrape(embed)
    assert embedded.value("drape_images_total", outcome="embedded", merchant="atelier", model="colors-1") == NUM_IMAGES
    assert embedded.value("drape_image_failures_total", outcome="quarantined", reason="unusable image") == 1
    for stage in ("claim", "decode", "embed", "write", "finish"):
        assert embedded.value("drape_stage_seconds_count", stage=stage) >= 3
    assert embedded.value("process_resident_memory_bytes") > 0
    waiting = scrape(beat)
    assert (waiting.value("drape_up", service="postgresql"), waiting.value("drape_up", service="broker")) == (1, 1)
    assert waiting.value("drape_dirty_images", merchant="atelier", state="due") == 0
    assert waiting.value("drape_quarantined_images", merchant="atelier") == 1

    # Only prices change: no network is needed, and whichever worker it was has counted it.
    for row in rows[:NUM_IMAGES]:
        row["price"] = "9.00 EUR"
    cluster.ingest(rows[:NUM_IMAGES])
    cluster.wait_until_indexed()
    labels = {"outcome": "refreshed", "merchant": "atelier", "model": "colors-1"}
    refreshed = [scrape(port).value("drape_images_total", **labels) or 0 for port in (embed, index)]
    assert sum(refreshed) == NUM_IMAGES
    cluster.redis.kill()
    assert scrape(beat).value("drape_up", service="broker") == 0
