"""Counting requests in this process and in Redis: the same answers, and never an outage."""

from __future__ import annotations

import math
import threading
import time

import pytest

from catalog.adapters.broker.request_limits import RequestLimits
from catalog.request_rates import Period, RequestRate
from tests.redis_server import RedisServer

FIVE = RequestRate(5, Period.HOUR)


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["here", "redis"])
def limits(request):
    if request.param == "here":
        return RequestLimits()
    server = request.getfixturevalue("redis")
    return RequestLimits(server.url)


def test_so_many_are_granted_and_no_more(limits):
    """5 in an hour: 4, 3, 2, 1 and 0 are left; what is refused counts for nothing, and others are not concerned."""
    granted = [limits.take("so-many", FIVE) for _ in range(7)]
    assert [(one.is_granted, one.remaining) for one in granted] == [
        *((True, left) for left in (4, 3, 2, 1, 0)),
        *((False, 0),) * 2,
    ]
    assert all(0 < one.reset_seconds <= 3600 for one in granted)
    assert limits.take("so-many-others", FIVE).remaining == 4
    assert limits.take("so-many", RequestRate(5, Period.MINUTE)).remaining == 4


def test_looking_counts_nothing(limits):
    assert [limits.look("looks", FIVE).is_granted for _ in range(9)] == [True] * 9
    for _ in range(5):
        limits.take("looks", FIVE)
    assert not limits.look("looks", FIVE).is_granted


def test_threads_together_get_no_more_than_one(limits):
    granted = []

    def ask():
        granted.extend(limits.take("threads", RequestRate(50, Period.HOUR)).is_granted for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(granted), sum(granted)) == (120, 50)


def test_after_the_time_that_is_told_there_is_more(limits):
    """Two a second: once both are used, the time until there is more is at most a second, and then there is."""
    rate = RequestRate(2, Period.SECOND)
    while (refused := limits.take("soon", rate)).is_granted:
        pass
    assert refused.reset_seconds <= 1
    time.sleep(math.ceil(refused.reset_seconds) + 0.1)
    assert limits.take("soon", rate).is_granted


def test_processes_count_together_in_redis(redis):
    one, other = RequestLimits(redis.url), RequestLimits(redis.url)
    assert [limits.take("shared", FIVE).remaining for limits in (one, other, one)] == [4, 3, 2]


def test_without_redis_a_process_counts_by_itself_and_asks_redis_again_later(redis, caplog):
    """Redis is asked again after five seconds; until then nobody waits for it, and the log has one line."""
    now = [100.0]
    away = RequestLimits("redis://127.0.0.1:1/0", lambda: now[0])
    assert [away.take("away", FIVE).remaining for _ in range(3)] == [4, 3, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    now[0] += 5.1
    assert away.take("away", FIVE).remaining == 1
    assert len(caplog.records) == 2
