"""A rate that is kept to: who waits for how long, on a clock that the test moves."""

from __future__ import annotations

import pytest

from catalog.errors import InvalidRequest
from catalog.services.indexing.rate_limit import RateLimit


class Clock:
    """Time that passes only by sleeping, and by what work takes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _never() -> bool:
    return False


def test_each_batch_waits_for_the_one_before(clock):
    """At 4 a second: the first 8 go at once, the next 2 after 8 / 4 = 2 s, the next after another 2 / 4 = 0.5 s."""
    limit = RateLimit(4, clock, clock.sleep)
    begun = []
    for number in (8, 2, 1):
        limit.take(number, _never)
        begun.append(clock.now - 1000)
    assert begun == pytest.approx([0, 2, 2.5])


def test_time_that_work_takes_counts(clock):
    """10 at 5 a second are made up for in 2 s; of these the work itself takes 1.5, so that 0.5 are waited for."""
    limit = RateLimit(5, clock, clock.sleep)
    limit.take(10, _never)
    clock.now += 1.5
    limit.take(10, _never)
    assert clock.now == pytest.approx(1002)


def test_idle_time_is_not_saved_up(clock):
    """After an hour of nothing to do, the second batch waits as long as ever."""
    limit = RateLimit(2, clock, clock.sleep)
    limit.take(1, _never)
    clock.now += 3600
    idle = clock.now
    limit.take(6, _never)
    assert clock.now == idle
    limit.take(6, _never)
    assert clock.now == pytest.approx(idle + 3)


def test_nothing_waits_for_nothing(clock):
    """Batches that need no network (prices, removals) are not held up, and hold nobody up."""
    limit = RateLimit(1, clock, clock.sleep)
    limit.take(100, _never)
    limit.take(0, _never)
    assert clock.now == 1000


def test_who_is_asked_to_stop_does_not_wait_on(clock):
    """It is asked a few times a second: after 1 s of the 100 s that were to be waited for."""
    limit = RateLimit(1, clock, clock.sleep)
    limit.take(100, _never)
    limit.take(1, lambda: clock.now >= 1001)
    assert clock.now == pytest.approx(1001, abs=0.2)


@pytest.mark.parametrize("rate", [0, -1, 0.05, float("nan"), float("inf")])
def test_rates_that_cannot_be_kept_to_are_refused(rate):
    """Zero would wait for ever."""
    with pytest.raises(InvalidRequest, match=r"at least 0\.1 a second"):
        RateLimit(rate)
