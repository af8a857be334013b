"""Workers are told of work once it is committed, and call each other in where there is more."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.orm import sessionmaker

from catalog.adapters.broker.celery_announcements import CeleryAnnouncements
from catalog.adapters.broker.celery_broker import (
    FETCH_IMAGES,
    INDEX_IMAGES,
    RECONCILE,
    TAKE_FEEDS,
    TELL_WEBHOOKS,
    celery_app,
    require_redis,
)
from catalog.errors import BrokerUnavailable, IndexUnavailable
from catalog.ports.announcements import WorkQueue
from catalog.services.indexing.indexing import IndexingService
from catalog.services.indexing.indexing_follower import IndexingFollower
from catalog.services.indexing.indexing_work import IndexingWork
from catalog.unit_of_work import UnitOfWork
from tests.redis_server import RedisServer
from workers.sweep import SweepScheduler, sweep_schedule


class Heard:
    """Announcements as a list."""

    def __init__(self) -> None:
        self.queues: list[WorkQueue] = []

    def announce(self, queue: WorkQueue) -> None:
        self.queues.append(queue)


def _rows(shop, number: int):
    return [{"id": f"P{at}", "title": "Item", "image": shop.photo(f"{at}.png", "red", "blue")} for at in range(number)]


def test_marks_are_announced_after_the_commit_and_not_without_one(shop):
    summary, _ = shop.take(_rows(shop, 2))
    heard = Heard()

    def unit_of_work() -> UnitOfWork:
        return UnitOfWork(sessionmaker(shop.engine), heard)

    with unit_of_work() as work:
        image_ids = [image.id for page in work.images.pages(summary.merchant_id) for image in page]
        work.outbox.mark(image_ids)
        assert heard.queues == []
    assert heard.queues == []
    with unit_of_work() as work:
        work.outbox.mark(image_ids)
        work.commit()
    assert heard.queues == [WorkQueue.EMBED, WorkQueue.INDEX]
    with unit_of_work() as work:
        work.outbox.mark([])
        work.commit()
    assert heard.queues == [WorkQueue.EMBED, WorkQueue.INDEX]


def test_wishes_are_announced_to_those_who_fetch(shop):
    shop.ingest([{"id": "P0", "title": "Item", "image": "https://shop.example/a.png"}])
    heard = Heard()
    with UnitOfWork(sessionmaker(shop.engine), heard) as work:
        product_id = shop.scalar("SELECT id FROM product")
        work.fetches.wish([product_id])
        assert heard.queues == []
        work.commit()
    assert heard.queues == [WorkQueue.FETCH]


def _work(shop, heard: Heard, index=None) -> IndexingWork:
    indexing = IndexingService(
        shop.unit_of_work, index or shop.index, shop.images, shop.models, shop.limits, alone=False
    )
    return IndexingWork(indexing, heard)


def test_a_worker_calls_in_one_other_when_its_first_batch_leaves_something(shop):
    """Batches of 4: with 4 images there is nothing left for another, with 9 there is, and one message is enough."""
    for number, messages in ((4, []), (9, [WorkQueue.EMBED])):
        shop.ingest(_rows(shop, number))
        heard = Heard()
        _work(shop, heard).run(WorkQueue.EMBED, lambda: False)
        assert heard.queues == messages


class RefusingIndex:
    """Refuses every upsert."""

    def __init__(self, index) -> None:
        self._index = index

    def upsert(self, collection, points) -> None:
        raise IndexUnavailable("refused")

    def __getattr__(self, name):
        return getattr(self._index, name)


def test_nobody_is_called_in_while_nothing_can_be_written(shop):
    shop.ingest(_rows(shop, 9))
    heard = Heard()
    with pytest.raises(IndexUnavailable):
        _work(shop, heard, RefusingIndex(shop.index)).run(WorkQueue.EMBED, lambda: False)
    assert heard.queues == []


def test_a_worker_that_was_told_to_end_takes_nothing(shop):
    shop.ingest(_rows(shop, 3))
    assert _work(shop, Heard()).run(WorkQueue.EMBED, lambda: True).num_images == 0
    assert shop.scalar("SELECT count(*) FROM outbox WHERE lease_until IS NULL") == 3


def test_collections_that_nobody_made_are_made_by_the_indexer(shop):
    """Where the index belongs to a worker, whoever takes the feed cannot make them."""
    shop.galleries.ensure_live(shop.ingest(_rows(shop, 1)).merchant_id, "colors-1")
    shop.index.drop_collection("drape-colors-1")
    shop.indexing.run()
    shop.assert_consistent()


class Worker:
    """Indexes some images whenever the follower sleeps."""

    def __init__(self, shop, naps: int) -> None:
        self._shop = shop
        self._naps = naps
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._naps -= 1
        if self._naps <= 0:
            self._shop.indexing.run()

    def clock(self) -> float:
        return self.seconds


def test_a_follower_waits_for_the_workers_and_tells_what_they_set_aside(shop):
    follower = IndexingFollower(shop.unit_of_work)
    since = follower.revision()
    rows = _rows(shop, 5)
    broken = shop.photo("broken.png", "green")
    rows.append({"id": "P9", "title": "Item", "image": broken})
    summary = shop.ingest(rows)
    # Its header can be read, the rest is gone.
    digest = shop.scalar("SELECT sha256 FROM image WHERE source = 'broken.png'")
    shop.images.delete(digest)
    worker = Worker(shop, naps=3)
    seen: list[tuple[int, int | None]] = []
    follower = IndexingFollower(shop.unit_of_work, worker.clock, worker.sleep)
    followed = follower.follow(summary.merchant_id, since, lambda *progress: seen.append(progress))

    assert seen == [(0, 6), (0, 6), (0, 6), (6, 6)]
    assert (followed.num_images, followed.quarantined, followed.postponed) == (6, 1, 0)
    assert sum(followed.failures.values()) == 1
    assert followed.seconds == 1.5


def test_a_follower_tells_once_that_nobody_works(shop, caplog):
    summary = shop.ingest(_rows(shop, 2))
    worker = Worker(shop, naps=50)
    follower = IndexingFollower(shop.unit_of_work, worker.clock, worker.sleep)
    follower.follow(summary.merchant_id, 0)
    assert [record.message[:28] for record in caplog.records] == ["No worker takes the images. "]


def test_messages_reach_their_queue_and_a_broker_that_is_down_is_borne(tmp_path):
    with RedisServer(tmp_path / "redis") as redis:
        require_redis(redis.url)
        announcements = CeleryAnnouncements(celery_app(redis.url))
        for queue in (WorkQueue.EMBED, WorkQueue.INDEX, WorkQueue.EMBED):
            announcements.announce(queue)
        with redis.client as client:
            # One that waits is as good as two, and none ends by itself.
            assert (client.llen("drape:embed"), client.llen("drape:index")) == (1, 1)
            message = json.loads(client.lpop("drape:embed"))
            assert message["headers"]["expires"] is None
            announcements.announce(WorkQueue.EMBED)
            assert client.llen("drape:embed") == 1
        redis.kill()
        announcements.announce(WorkQueue.EMBED)
        announcements.close()
        with pytest.raises(BrokerUnavailable):
            require_redis(redis.url)


def test_the_sweep_announces_each_queue_in_its_time_and_no_queue_twice(tmp_path):
    schedule = sweep_schedule(5.0, "never")
    assert {name: entry["schedule"].total_seconds() for name, entry in schedule.items()} == {
        "sweep-embed": 5.0,
        "sweep-index": 60.0,
        "sweep-fetch": 5.0,
        "sweep-feed": 60.0,
        "sweep-hook": 5.0,
    }
    assert [entry["task"] for entry in schedule.values()] == [
        INDEX_IMAGES,
        INDEX_IMAGES,
        FETCH_IMAGES,
        TAKE_FEEDS,
        TELL_WEBHOOKS,
    ]
    asked = sweep_schedule(5.0, "never", has_queries=True)
    assert set(asked) - set(schedule) == {"sweep-query"}
    nightly = sweep_schedule(5.0, "03:30")["reconcile"]["schedule"]
    assert (nightly.hour, nightly.minute) == ({3}, {30})
    with RedisServer(tmp_path / "redis") as redis:
        app = celery_app(redis.url)
        scheduler = SweepScheduler(app, schedule={}, lazy=True)
        for queue in WorkQueue:
            entry = scheduler.Entry(name="sweep", task=INDEX_IMAGES, app=app, kwargs={"queue": queue.value})
            for _ in range(3):
                scheduler.apply_entry(entry)
        with redis.client as client:
            assert [client.llen(f"drape:{queue}") for queue in WorkQueue] == [1] * len(WorkQueue)
            assert json.loads(client.lindex("drape:fetch", 0))["headers"]["task"] == FETCH_IMAGES
            # A reconciliation does not wait for an empty queue.
            scheduler.apply_entry(scheduler.Entry(name="reconcile", task=RECONCILE, app=app))
            assert client.llen("drape:index") == 2
        app.close()
