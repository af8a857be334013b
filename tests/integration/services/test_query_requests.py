"""Photos go to workers through Redis and features come back, or a clear error, within the deadline."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from catalog.adapters.broker.query_messages import WAITING_KEY, encode_photo, photo_key
from catalog.adapters.broker.redis_query_network import RedisQueryNetwork
from catalog.adapters.broker.redis_query_requests import RedisQueryRequests
from catalog.errors import BrokerUnavailable, DatabaseUnavailable, QueryNetworkBusy
from catalog.ports.announcements import WorkQueue
from catalog.services.photo_queries.query_work import QueryWork
from embeddings.errors import OutOfMemory, UnusableModel
from tests.fakes import COLORS, INPUT_SIZE, ColorEmbedder, ColorModels
from tests.redis_server import RedisServer

SECONDS = 20.0
SHORT = 0.1


class Announced:
    """Counts the queues that were announced to."""

    def __init__(self):
        self.queues = []

    def announce(self, queue):
        self.queues.append(queue)


class FaultyEmbedder(ColorEmbedder):
    """Notes its batches; yellow photos do not fit into the memory."""

    def __init__(self, version):
        super().__init__(version)
        self.batches = []

    def embed(self, images):
        self.batches.append(len(images))
        if any((image[0, 0] == COLORS["yellow"]).all() for image in images):
            raise OutOfMemory("The memory does not hold a batch")
        return super().embed(images)


class FaultyModels(ColorModels):
    """``colors-*``, and no others."""

    def embedder(self, version):
        if not version.startswith("colors-"):
            raise UnusableModel("no such model version", received=version)
        return self.embedders.setdefault(version, FaultyEmbedder(version))


@contextmanager
def searching_with_colors_1():
    """A unit of work of which only one question is asked."""
    yield SimpleNamespace(galleries=SimpleNamespace(live_versions=lambda: {"colors-1": ["atelier"]}))


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(autouse=True)
def _empty(redis):
    with redis.client as client:
        client.flushall()


@pytest.fixture
def asks(redis):
    """Makes a network with this deadline."""
    made = []

    def make(deadline=SECONDS):
        made.append(RedisQueryNetwork(redis.url, Announced(), deadline))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def requests(redis):
    requests = RedisQueryRequests(redis.url)
    yield requests
    requests.close()


@pytest.fixture
def models():
    return FaultyModels()


@pytest.fixture
def work(requests, models):
    return QueryWork(searching_with_colors_1, models, requests, linger=0.05)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def photo(color):
    return np.full((INPUT_SIZE, INPUT_SIZE, 3), COLORS[color], dtype=np.uint8)


def wait_until(redis, number):
    """Wait until so many photos wait."""
    with redis.client as client:
        deadline = time.monotonic() + SECONDS
        while client.llen(WAITING_KEY) < number:
            assert time.monotonic() < deadline
            threading.Event().wait(0.002)


def keys(redis):
    with redis.client as client:
        return sorted(client.keys())


def test_features_come_back_as_they_were_made(redis, asks, work, models, pool):
    """Five photos that wait together are one batch; each thread gets its own."""
    network = asks()
    colors = ["red", "green", "blue", "white", "red"]
    asked = [pool.submit(network.embed, "colors-1", photo(color)) for color in colors]
    wait_until(redis, 5)
    assert work.run(lambda: False) == 5
    # The first is of loading.
    assert models.embedders["colors-1"].batches == [1, 5]
    for one, color in zip(asked, colors, strict=True):
        found = one.result(SECONDS)
        expected = ColorEmbedder("colors-1").embed(photo(color)[np.newaxis])
        for name, values in expected.items():
            assert found.features[name].dtype == np.float32
            np.testing.assert_array_equal(found.features[name], values[0])
        assert list(found.timings_ms) == ["worker"]
    assert network._announcements.queues == [WorkQueue.QUERY] * 5
    assert keys(redis) == []


def test_model_versions_are_batches_of_their_own(redis, asks, work, models, pool):
    network = asks()
    asked = [pool.submit(network.embed, f"colors-{1 + at % 2}", photo("red")) for at in range(4)]
    wait_until(redis, 4)
    assert work.run(lambda: False) == 4
    assert (models.embedders["colors-1"].batches, models.embedders["colors-2"].batches) == ([1, 2], [2])
    assert all(one.result(SECONDS).features["prob"].argmax() == 3 for one in asked)


def test_where_no_worker_is_the_deadline_ends_the_wait(redis, asks):
    with pytest.raises(
        QueryNetworkBusy, match=r"not embedded in time.*no worker took it.*within 0\.1 s.*--queue query"
    ):
        asks(SHORT).embed("colors-1", photo("red"))
    assert keys(redis) == []


def test_a_worker_that_takes_a_photo_and_vanishes_is_told_apart(redis, asks, requests, pool):
    asked = pool.submit(asks(0.5).embed, "colors-1", photo("red"))
    wait_until(redis, 1)
    assert len(requests.claim(16, 0.0)) == 1
    with pytest.raises(QueryNetworkBusy, match="a worker took it, and did not answer"):
        asked.result(SECONDS)
    assert keys(redis) == []


def test_what_nobody_waits_for_is_not_embedded(redis, requests, work, models):
    """A process that asked and was killed: Redis drops the photo, and a worker finds 20 ids of nothing, and one."""
    with redis.client as client:
        for number in range(20):
            client.rpush(WAITING_KEY, f"gone-{number}")
        client.set(photo_key("late"), encode_photo("colors-1", photo("red"), 0.01), px=10)
        client.rpush(WAITING_KEY, "late")
        while client.exists(photo_key("late")):
            threading.Event().wait(0.002)
        client.set(photo_key("here"), encode_photo("colors-1", photo("red"), 5.0), px=5000)
        client.rpush(WAITING_KEY, "here")
    assert [request.id for request in requests.claim(16, 0.0)] == ["here"]
    assert work.run(lambda: False) == 0
    assert models.embedders["colors-1"].batches == [1]


def test_a_photo_that_cannot_be_read_is_passed_over(redis, requests):
    with redis.client as client:
        for name, message in [("a", b"no message"), ("b", b'{"version": "x", "size": 4, "deadline": 1}\n123')]:
            client.set(photo_key(name), message)
            client.rpush(WAITING_KEY, name)
        client.set(photo_key("c"), encode_photo("colors-1", photo("red"), 5.0))
        client.rpush(WAITING_KEY, "c")
    (request,) = requests.claim(16, 0.0)
    assert (request.id, request.version, request.deadline) == ("c", "colors-1", 5.0)
    np.testing.assert_array_equal(request.prepared, photo("red"))


@pytest.mark.parametrize(
    ("version", "prepared", "error", "words"),
    [
        ("other-1", photo("red"), UnusableModel, "no such model version"),
        ("colors-1", np.zeros((4, 4, 3), np.uint8), QueryNetworkBusy, "has failed"),
    ],
)
def test_why_there_are_no_features_is_told(redis, asks, work, pool, version, prepared, error, words):
    """Of an error that nobody foresaw, only that there was one."""
    asked = pool.submit(asks().embed, version, prepared)
    wait_until(redis, 1)
    assert work.run(lambda: False) == 1
    with pytest.raises(error, match=words):
        asked.result(SECONDS)


def test_a_photo_of_another_form_fails_alone(redis, asks, work, models, pool):
    """As of a process that has another manifest of the version: what came with it is embedded."""
    other = np.zeros((INPUT_SIZE + 1, INPUT_SIZE + 1, 3), dtype=np.uint8)
    network = asks()
    answers = [pool.submit(network.embed, "colors-1", prepared) for prepared in (photo("red"), other, photo("blue"))]
    wait_until(redis, 3)
    assert work.run(lambda: False) == 3
    with pytest.raises(QueryNetworkBusy, match="has failed"):
        answers.pop(1).result(SECONDS)
    found = [list(COLORS)[int(one.result(SECONDS).features["prob"].argmax())] for one in answers]
    assert found == ["red", "blue"]
    assert models.embedders["colors-1"].batches[-1] == 2


def test_a_worker_without_memory_answers_the_others_and_ends(redis, asks, work, pool):
    network = asks()
    asked = [pool.submit(network.embed, "colors-1", photo(color)) for color in ("red", "yellow")]
    wait_until(redis, 2)
    with pytest.raises(OutOfMemory):
        work.run(lambda: False)
    assert asked[0].result(SECONDS).features["prob"].argmax() == 3
    with pytest.raises(OutOfMemory):
        asked[1].result(SECONDS)


def test_a_worker_lingers_for_what_comes_next(redis, asks, requests, models, pool):
    """The second photo comes while it waits; nothing was announced to it."""
    lingering = QueryWork(searching_with_colors_1, models, requests, linger=SECONDS)
    network = asks()
    first = pool.submit(network.embed, "colors-1", photo("red"))
    wait_until(redis, 1)
    # Batches of loading, of the first and of the second.
    working = pool.submit(lingering.run, lambda: len(models.embedder("colors-1").batches) == 3)
    assert first.result(SECONDS).features["prob"].argmax() == 3
    second = network.embed("colors-1", photo("blue"))
    assert second.features["prob"].argmax() == 1
    assert working.result(SECONDS) == 2


def test_a_service_that_is_down_is_told(tmp_path, models):
    with RedisServer(tmp_path / "redis") as own:
        network, requests = RedisQueryNetwork(own.url, Announced(), SHORT), RedisQueryRequests(own.url)
        own.kill()
        with pytest.raises(BrokerUnavailable, match="DRAPE_QUERY_EMBEDDER"):
            network.embed("colors-1", photo("red"))
        with pytest.raises(BrokerUnavailable):
            requests.claim(16, 0.0)

        def down():
            raise DatabaseUnavailable("PostgreSQL is away")

        with pytest.raises(DatabaseUnavailable):
            QueryWork(down, models, requests).run(lambda: False)
        network.close()
        requests.close()
