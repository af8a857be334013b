"""Counting requests in this process: no thread for each, and nothing kept of those who no longer ask."""

from __future__ import annotations

import threading
import time

import time_machine

from catalog.adapters.broker.request_limits import RequestLimits
from catalog.request_rates import Period, RequestRate

RATE = RequestRate(3, Period.SECOND)


def test_counting_starts_no_thread(monkeypatch):
    limits = RequestLimits()
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(AssertionError(thread)))
    granted = [limits.take("key", RequestRate(3, Period.HOUR)).is_granted for _ in range(5)]
    assert granted == [True, True, True, False, False]


def test_those_who_no_longer_ask_are_forgotten():
    """A thousand visitors of an hour ago leave nothing behind once somebody else asks."""
    now = time.time()
    with time_machine.travel(now, tick=False):
        limits = RequestLimits()
        for number in range(1000):
            assert limits.take(f"visitor {number}", RATE).is_granted
        storage = limits._here.storage
        assert len(storage.storage) == 1000
    with time_machine.travel(now + 3600, tick=False):
        assert limits.take("another", RATE).is_granted
        assert (len(storage.storage), len(storage.expirations)) == (1, 1)
