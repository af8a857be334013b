"""Networks are loaded beside the first requests; a process that stops waits for what it closes next, not for them."""

import logging
import threading

import pytest

from catalog.errors import DatabaseUnavailable
from catalog.storefront.network_loading import NetworkLoading

SECONDS = 20


class HeldSearch:
    """Holds each step until it is let go, and notes what was asked of it, in order."""

    def __init__(self, versions=("a-1", "b-2")):
        self.asked = []
        self.begins = {name: threading.Event() for name in ("versions", *versions)}
        self.may_go_on = {name: threading.Event() for name in self.begins}
        self._versions = list(versions)

    def versions(self):
        self._step("versions")
        return self._versions

    def load(self, version):
        self._step(version)

    def _step(self, name):
        self.asked.append(name)
        self.begins[name].set()
        assert self.may_go_on[name].wait(SECONDS)

    def let_go(self, *names):
        for name in names or self.may_go_on:
            self.may_go_on[name].set()


@pytest.fixture
def search():
    search = HeldSearch()
    yield search
    search.let_go()


def ended(loading):
    loading._thread.join(SECONDS)
    return not loading._thread.is_alive()


def messages(caplog):
    return [record.message for record in caplog.records]


def test_every_network_is_loaded_and_that_is_told(search, caplog):
    caplog.set_level(logging.INFO)
    loading = NetworkLoading(search)
    assert not loading._thread.is_alive()
    loading.start()
    assert loading._thread.is_alive()
    search.let_go()
    assert ended(loading)
    assert search.asked == ["versions", "a-1", "b-2"]
    assert messages(caplog) == ["The networks are loaded"]


def test_stopping_does_not_wait_for_a_network_and_the_next_one_is_not_begun(search, caplog):
    caplog.set_level(logging.INFO)
    loading = NetworkLoading(search)
    loading.start()
    search.let_go("versions")
    assert search.begins["a-1"].wait(SECONDS)
    loading.stop()
    assert loading._thread.is_alive()
    search.let_go()
    assert ended(loading)
    assert search.asked == ["versions", "a-1"]
    assert messages(caplog) == []


def test_stopping_waits_for_what_is_asked_of_the_database(search):
    loading = NetworkLoading(search)
    loading.start()
    assert search.begins["versions"].wait(SECONDS)
    stopping = threading.Thread(target=loading.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    search.let_go("versions")
    stopping.join(SECONDS)
    assert not stopping.is_alive()
    search.let_go()
    assert ended(loading)


def test_what_is_stopped_before_its_thread_came_to_run_asks_nothing(search):
    loading = NetworkLoading(search)
    loading.stop()
    loading.start()
    assert ended(loading)
    assert search.asked == []


def test_networks_that_cannot_be_loaded_are_told_of_once_and_end_it(caplog):
    class AwaySearch(HeldSearch):
        def versions(self):
            raise DatabaseUnavailable("PostgreSQL does not answer", received="nothing")

    loading = NetworkLoading(AwaySearch())
    loading.start()
    assert ended(loading)
    [told] = messages(caplog)
    assert told.startswith("The networks cannot be loaded: PostgreSQL does not answer")
