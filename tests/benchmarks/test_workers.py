"""Workers: the rate of the network end to end, more with a second one, flat memory, and what idling costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.networks import prepared_files, resnet50_version
from tests.benchmarks.worker_shop import WorkerShop
from tests.feeds_from_shared import read_products, write_shared_feed
from tests.qdrant_double import QdrantDoubleProcess
from tests.redis_server import RedisServer

BATCH = 32


@pytest.fixture
def shop(home, tmp_path) -> Iterator[WorkerShop]:
    """Its vector index is the embedded one, which its only worker owns."""
    with EmbeddedPostgres(home / "postgres") as postgres, RedisServer(tmp_path / "redis") as redis:
        settings = {
            "DRAPE_HOME": str(home),
            "DRAPE_DATABASE_URL": postgres.url(),
            "DRAPE_BROKER_URL": redis.url,
            "DRAPE_BATCH_SIZE": str(BATCH),
        }
        shop = WorkerShop(settings)
        yield shop
        shop.close()


@pytest.fixture
def server_shop(shop, tmp_path) -> Iterator[WorkerShop]:
    """Its vector index is a Qdrant double in a process of its own."""
    with QdrantDoubleProcess(tmp_path / "qdrant") as qdrant:
        shared = WorkerShop({**shop.settings, "DRAPE_QDRANT_URL": qdrant.url})
        yield shared
        shared.close()


@pytest.mark.benchmark
@pytest.mark.shared
@pytest.mark.timeout(1800)
def test_a_worker_keeps_the_networks_rate(shared_folder, tmp_path, shop):
    """Real photos of about 400 px, from the first claim to the last note, against ResNet-50 on prepared arrays."""
    number = 640
    feed = write_shared_feed(shared_folder, "clothing", tmp_path, limit=number)
    sources = [product.images[0].source for product in read_products(shared_folder, "clothing")][:number]
    with shop.application() as application:
        resnet50_version(application.model_store, shared_folder)
        embedder = application.models.embedder("resnet50-imagenet")
        prepared = prepared_files(sources, embedder.input_size)
        embedder.embed(prepared[:BATCH])
        started = time.perf_counter()
        for start in range(0, number, BATCH):
            embedder.embed(prepared[start : start + BATCH])
        bare = number / (time.perf_counter() - started)
    del prepared
    shop.ingest(feed, "resnet50-imagenet", number)
    shop.start()
    shop.wait_until_indexed()
    rate = number / shop.timed_repetition()
    print(f"\nbare network {bare:.1f} images/s, a worker end to end {rate:.1f} images/s, share {rate / bare:.2f}")
    assert rate / bare >= 0.9


@pytest.mark.benchmark
@pytest.mark.shared
@pytest.mark.timeout(1800)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs a core for each of two workers")
def test_a_second_worker_on_a_second_core_raises_the_rate(shared_folder, tmp_path, server_shop):
    """One worker on one core, then two on a core each; PostgreSQL and the index take what they need of both."""
    number = 320
    shop = server_shop
    rates = []
    with shop.application() as application:
        resnet50_version(application.model_store, shared_folder)
    shop.ingest(write_shared_feed(shared_folder, "clothing", tmp_path, limit=number), "resnet50-imagenet", number)
    for core in sorted(os.sched_getaffinity(0))[:2]:
        shop.start([core])
        shop.wait_until_indexed()
        if rates:
            # The second worker compiles its network.
            shop.timed_repetition()
        rates.append(number / shop.timed_repetition())
    one, two = rates
    print(f"\none worker on one core {one:.1f} images/s, two on two {two:.1f} images/s, {two / one:.2f} times")
    assert two / one > 1.5


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
def test_twenty_thousand_images_take_no_more_memory_in_the_end_than_before(tmp_path, server_shop):
    """The compact network; memory and rate by quarters. The first quarter loads the network."""
    number = 20_000
    shop = server_shop
    shop.ingest(_small_feed(tmp_path / "feed", number), "compact-rendered", number)
    worker = shop.start()
    memory: list[tuple[int, float, float]] = []
    while waiting := shop.waiting():
        memory.append((number - waiting, time.monotonic(), worker.memory_info().rss / 2**20))
        time.sleep(0.5)
    memory.append((number, time.monotonic(), worker.memory_info().rss / 2**20))
    quarters = [[sample for sample in memory if sample[0] * 4 // (number + 1) == at] for at in range(4)]
    means = [float(np.mean([size for _, _, size in quarter])) for quarter in quarters]
    rates = [(quarter[-1][0] - quarter[0][0]) / (quarter[-1][1] - quarter[0][1]) for quarter in quarters]
    told = ", ".join(f"{size:.0f} MiB at {rate:.0f} images/s" for size, rate in zip(means, rates, strict=True))
    print(f"\n20,000 images by quarters: {told}")
    assert shop.scalar("SELECT count(*) FROM indexed_image") == number
    assert means[3] == pytest.approx(means[1], rel=0.05)
    assert rates[3] > 0.8 * rates[1]


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_a_worker_that_has_nothing_to_do_costs_next_to_nothing(shop):
    seconds = 60
    commits = "SELECT sum(xact_commit) FROM pg_stat_database"
    worker = shop.start()
    time.sleep(20)
    before, queries = worker.cpu_times(), shop.scalar(commits)
    time.sleep(seconds)
    after, more = worker.cpu_times(), shop.scalar(commits)
    share = (after.user + after.system - before.user - before.system) / seconds
    print(f"\nan idle worker: {100 * share:.2f} % of a core, {(more - queries) / seconds:.1f} transactions/s")
    assert share < 0.05


def _small_feed(folder: Path, number: int) -> Path:
    folder.mkdir()
    lines = ["id,title,image"]
    for at in range(number):
        picture = Image.new("RGB", (48, 64), (at % 251, at // 251 % 251, 128))
        picture.save(folder / f"{at}.png")
        lines.append(f"P{at},Item {at},{at}.png")
    path = folder / "feed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
