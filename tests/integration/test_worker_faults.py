"""Whatever happens to workers and what they work with, each image ends up indexed exactly once, at its revision.

Every test compares PostgreSQL and the index row by row at its end.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine

from catalog.adapters.broker.celery_announcements import CeleryAnnouncements
from catalog.adapters.broker.celery_broker import announce_reconciliation, celery_app
from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres
from catalog.errors import JobCancelled
from catalog.ports.announcements import WorkQueue
from catalog.types import SearchMode, SearchOptions
from cli.worker import Queue
from migrations.runner import upgrade
from tests.color_workers import BATCH_SECONDS, CLOCK_SHIFT, FULL_MEMORY, KILL_AFTER_UPSERT, POISON
from tests.qdrant_double import QdrantDouble
from tests.redis_server import RedisServer
from tests.worker_cluster import LEASE_SECONDS, MERCHANT, WorkerCluster, striped_picture
from workers.tasks import OUT_OF_MEMORY

NUM_IMAGES = 500
SLOW = {BATCH_SECONDS: "0.1"}
"""32 batches take some three seconds: long enough to be met in the middle."""


def _wait_until_half_way(cluster: WorkerCluster) -> None:
    cluster.wait_until(lambda: cluster.num_indexed() >= NUM_IMAGES // 5, "a fifth of the images")
    assert cluster.num_indexed() < NUM_IMAGES


def test_a_worker_indexes_what_is_ingested_and_ends_when_asked_to(cluster):
    worker = cluster.start()
    cluster.ingest(cluster.rows_of(60))
    cluster.wait_until_indexed()
    cluster.assert_consistent(60)
    # What announces again lives in the same process, so that nothing of a killed worker goes on.
    assert psutil.Process(worker.pid).children(recursive=True) == []
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0


def test_the_nightly_reconciliation_puts_right_what_was_lost_behind_postgresqls_back(cluster):
    """Of 60 points 20 vanish: they are embedded again, 80 in all."""
    cluster.start()
    cluster.ingest(cluster.rows_of(60))
    cluster.wait_until_indexed()
    app = celery_app(cluster.redis.url)
    with cluster.application() as application:
        (collection,) = application.index.list_collections()
        points = application.index.scroll(collection, limit=20)
        application.index.delete(collection, [point.id for point in points])
        assert application.index.count(collection) == 40
    announce_reconciliation(app)
    app.close()
    cluster.wait_until(lambda: cluster.embedded_by(0) == 80, "what was lost is embedded again")
    cluster.wait_until_indexed()
    cluster.assert_consistent(60)
    (told,) = [line for line in cluster.told_by(0) if line["message"].startswith("Reconciled")]
    assert (told["marked"], told["deleted"], told["is_complete"]) == (20, 0, True)


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_is_replaced_by_another(cluster):
    killed = cluster.start(**SLOW)
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    _wait_until_half_way(cluster)
    killed.kill()
    killed.wait()
    cluster.start()
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_a_worker_that_is_killed_between_the_index_and_postgresql_has_doubled_nothing(cluster, tmp_path):
    """The points of its third batch are in the index, and nobody has noted them."""
    marker = tmp_path / "killed"
    killed = cluster.start(**{KILL_AFTER_UPSERT: str(marker)})
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    assert killed.wait(60) == -signal.SIGKILL
    assert marker.exists()
    with cluster.application() as application:
        (collection,) = application.index.list_collections()
        assert application.index.count(collection) > cluster.num_indexed()
    cluster.start()
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_two_workers_and_doubled_messages_share_the_work(cluster):
    """Each image is embedded once: what one worker has claimed, the other leaves alone."""
    cluster.start(**SLOW)
    cluster.start(Queue.EMBED, **SLOW)
    announcements = CeleryAnnouncements(celery_app(cluster.redis.url))
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    for _ in range(10):
        announcements.announce(WorkQueue.EMBED)
    announcements.close()
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)
    embedded = [cluster.embedded_by(worker) for worker in range(2)]
    assert sum(embedded) == NUM_IMAGES
    assert all(number > 0 for number in embedded), embedded


@pytest.mark.slow
def test_workers_whose_clocks_are_an_hour_off_take_nothing_from_each_other(cluster):
    """One is an hour ahead, one an hour behind; leases of 2 s are PostgreSQL's, and end by its clock alone."""
    cluster.start(**SLOW, **{CLOCK_SHIFT: "3600"})
    cluster.start(Queue.EMBED, **SLOW, **{CLOCK_SHIFT: "-3600"})
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)
    embedded = [cluster.embedded_by(worker) for worker in range(2)]
    assert sum(embedded) == NUM_IMAGES
    assert all(number > 0 for number in embedded), embedded
    assert [round(cluster.clock_of(worker) / 3600) for worker in range(2)] == [1, -1]


@pytest.mark.slow
def test_what_a_worker_with_a_wrong_clock_held_is_taken_up_when_its_lease_ends(cluster):
    killed = cluster.start(**SLOW, **{CLOCK_SHIFT: "3600"})
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    _wait_until_half_way(cluster)
    killed.kill()
    killed.wait()
    ends = cluster.scalar("SELECT max(lease_until) - now() FROM outbox").total_seconds()
    assert ends <= LEASE_SECONDS
    cluster.start(**{CLOCK_SHIFT: "-3600"})
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_redis_that_loses_everything_and_is_away_for_a_while_costs_nothing_but_time(cluster):
    cluster.start(**SLOW)
    rows = cluster.rows_of(NUM_IMAGES)
    cluster.ingest(rows)
    _wait_until_half_way(cluster)
    cluster.redis.client.flushall()
    cluster.redis.kill()
    # Work goes on that nobody announces: a changed price while Redis is away.
    rows[0]["price"] = "25.00 EUR"
    cluster.ingest(rows)
    time.sleep(1)
    cluster.redis.start()
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_postgresql_that_is_restarted_is_waited_for(tmp_path):
    # Not pytest's own folder: that one is closed to the account which runs PostgreSQL for root.
    with tempfile.TemporaryDirectory(prefix="drape-tests-") as folder:
        data = Path(folder) / "postgres"
        with EmbeddedPostgres(data) as server:
            engine = create_engine(server.url(), pool_pre_ping=True)
            upgrade(engine)
            with RedisServer(tmp_path / "redis") as redis, QdrantDouble() as qdrant:
                cluster = WorkerCluster(tmp_path, engine, redis, qdrant)
                cluster.start(**SLOW)
                cluster.ingest(cluster.rows_of(NUM_IMAGES))
                _wait_until_half_way(cluster)
                # The postmaster dies as by kill -9, and its children with it; asking for it again restarts it.
                postmaster = int((data / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
                subprocess.run(["kill", "-9", str(postmaster)], check=True)
                time.sleep(1.5)
                with EmbeddedPostgres(data) as again:
                    again.url()
                    engine.dispose()
                    cluster.wait_until_indexed(120)
                    cluster.assert_consistent(NUM_IMAGES)
                cluster.stop()
            engine.dispose()


@pytest.mark.slow
def test_a_vector_store_that_refuses_everything_for_20_seconds_loses_nothing(cluster):
    cluster.start(**SLOW)
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    _wait_until_half_way(cluster)
    began = time.monotonic()
    cluster.qdrant.fail(refuse=True, seconds=20)
    cluster.wait_until_indexed(90)
    assert time.monotonic() - began >= 20
    cluster.assert_consistent(NUM_IMAGES)
    # Having been in vain counts against no image.
    assert cluster.scalar("SELECT count(*) FROM image WHERE state = 'quarantined'") == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        # Too few copies took it: it stands on some of them.
        {"status": 500, "words": "Service internal error: 1 out of 3 shards failed to apply operation"},
        {"status": 503, "words": "Service unavailable: The replica is not active"},
        # All took it, and nobody heard.
        {"lose_answer": True},
        # It will be applied some time.
        {"acknowledge": True},
    ],
    ids=lambda fault: str(fault.get("status", next(iter(fault)))),
)
def test_writes_that_a_cluster_did_in_part_are_done_again(cluster, fault):
    """Four writes end so, each in another way than well; what is written twice is there once."""
    cluster.start(**SLOW)
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    _wait_until_half_way(cluster)
    cluster.qdrant.fail(**fault, requests="(PUT|POST) .*/points(/batch|/delete)?$", times=4)
    cluster.wait_until_indexed(90)
    cluster.assert_consistent(NUM_IMAGES)
    assert cluster.scalar("SELECT count(*) FROM image WHERE state = 'quarantined'") == 0


@pytest.mark.slow
def test_a_picture_that_kills_whoever_embeds_it_is_set_aside_and_no_other(cluster):
    """A supervisor starts workers anew until the picture is known: three attempts are what the settings allow it."""
    rows = cluster.rows_of(NUM_IMAGES, color=lambda at: "yellow" if at == 77 else "blue")
    (cluster.folder / "feed" / "77.png").write_bytes(striped_picture(0, "yellow", stripe=False))
    cluster.ingest(rows)
    starts = 0
    worker = None
    deadline = time.monotonic() + 150
    while cluster.scalar("SELECT count(*) FROM outbox"):
        assert time.monotonic() < deadline, cluster.logs()[-6000:]
        if worker is None or worker.poll() is not None:
            worker = cluster.start(**{POISON: "yellow"})
            starts += 1
        time.sleep(0.1)
    assert starts > 1
    ((external_id, reason),) = cluster.rows(
        "SELECT external_id, last_error FROM image JOIN product ON product.id = product_id WHERE state = 'quarantined'"
    )
    assert external_id == "P77"
    assert "killed" in reason
    cluster.assert_consistent(NUM_IMAGES - 1)


@pytest.mark.slow
def test_a_worker_without_memory_gives_back_what_it_holds_and_ends_for_its_supervisor(cluster, tmp_path):
    marker = tmp_path / "full"
    worker = cluster.start(**{FULL_MEMORY: str(marker)})
    cluster.ingest(cluster.rows_of(NUM_IMAGES))
    assert worker.wait(60) == OUT_OF_MEMORY
    assert marker.exists()
    assert cluster.scalar("SELECT count(*) FROM outbox WHERE lease_until IS NOT NULL OR attempts > 0") == 0
    cluster.start()
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_what_changes_while_it_is_embedded_ends_as_it_is_now(cluster):
    """Products are removed, changed and given another photo all the while: the older never replaces the newer."""
    cluster.start(**SLOW)
    cluster.start(Queue.EMBED, **SLOW)
    rows = cluster.rows_of(NUM_IMAGES)
    cluster.ingest(rows)
    cluster.wait_until(lambda: cluster.num_indexed() > 0, "a first batch")
    for turn in range(4):
        for at in range(turn, NUM_IMAGES, 7):
            rows[at]["price"] = f"{turn + 1}.00 EUR"
        for at in range(turn, NUM_IMAGES, 11):
            (cluster.folder / "feed" / f"{at}.png").write_bytes(striped_picture(1000 * (turn + 1) + at, "white"))
        kept = [row for at, row in enumerate(rows) if at % 50 != turn]
        cluster.ingest(kept, full_sync=True, max_removal=0.5)
    cluster.wait_until_indexed()
    cluster.assert_consistent(len(kept))
    prices = dict(cluster.rows("SELECT image.id, price FROM image JOIN product ON product.id = product_id"))
    with cluster.application() as application:
        (collection,) = application.index.list_collections()
        for point in application.index.scroll(collection, limit=10_000):
            price = prices[point.id]
            assert point.payload.get("price") == (None if price is None else float(price))


@pytest.mark.slow
def test_a_change_of_models_fails_no_search_and_misses_no_product(cluster):
    """Two workers feed the new gallery while prices change and searches go on; then everything goes back."""
    cluster.start()
    cluster.start(Queue.EMBED)
    rows = cluster.rows_of(NUM_IMAGES)
    cluster.ingest(rows)
    cluster.wait_until_indexed()
    ended = threading.Event()
    seen: list[str] = []
    failures: list[str] = []

    def search() -> None:
        with cluster.application() as application:
            options = SearchOptions(mode=SearchMode.NATIVE, limit=100, exact=True)
            for turn in itertools.count():
                if ended.is_set():
                    return
                try:
                    answer = application.search.by_product(MERCHANT, f"P{turn % NUM_IMAGES}", options=options)
                except Exception as error:  # noqa: BLE001 - whatever it is, a search has failed.
                    failures.append(repr(error))
                    continue
                seen.append(answer.model_version)
                if len(answer.hits) != 100:
                    failures.append(f"{len(answer.hits)} hits in {answer.collection}")

    searching = threading.Thread(target=search)
    searching.start()
    try:
        with cluster.application() as application, application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(MERCHANT)
        with cluster.application() as application:
            assert application.reindexing.run(merchant_id, "colors-2").live
        # This process embedded nothing: it waited for the workers.
        assert application.models.num_embedded == 0
        for at in range(0, NUM_IMAGES, 3):
            rows[at]["price"] = "7.00 EUR"
        cluster.ingest(rows)
        with cluster.application() as application:
            assert application.reindexing.roll_back(merchant_id).live
        cluster.wait_until(lambda: seen[-1:] == ["colors-1"], "searches in the gallery of before")
    finally:
        ended.set()
        searching.join()
    cluster.wait_until_indexed()
    assert failures == []
    assert [version for version, _ in itertools.groupby(seen)] == ["colors-1", "colors-2", "colors-1"]
    cluster.assert_consistent(NUM_IMAGES)


@pytest.mark.slow
def test_a_rate_is_kept_by_all_workers_together_and_a_cancelled_change_leaves_no_trace(cluster):
    """100 images a second: 500 take five seconds, however many workers there are."""
    cluster.start()
    cluster.start(Queue.EMBED)
    rows = cluster.rows_of(NUM_IMAGES)
    merchant_id = cluster.ingest(rows).merchant_id
    cluster.wait_until_indexed()
    with cluster.application() as application:
        started = time.monotonic()
        assert application.reindexing.run(merchant_id, "colors-2", max_rate=100).live
        assert time.monotonic() - started >= NUM_IMAGES / 100 - 1
    cluster.assert_consistent(NUM_IMAGES)

    def cancel_half_way(done: int, total: int | None) -> None:
        if done >= NUM_IMAGES // 5:
            (job, *_) = application.jobs.latest()
            application.jobs.cancel(job.id)

    with cluster.application() as application:
        with pytest.raises(JobCancelled):
            application.reindexing.run(merchant_id, "colors-3", cancel_half_way, max_rate=100)
        assert application.search.by_product(MERCHANT, "P1").model_version == "colors-2"
    cluster.wait_until_indexed()
    cluster.assert_consistent(NUM_IMAGES)
    states = cluster.rows("SELECT name, state FROM gallery JOIN model_version ON model_version.id = model_version_id")
    assert dict(states) == {"colors-1": "retired", "colors-2": "live", "colors-3": "retired"}
