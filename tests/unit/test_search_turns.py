"""Searches that take turns."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from catalog.services.searching.search_turns import SearchTurns

SECONDS = 20


def wait_in_line(turns: SearchTurns, pool: ThreadPoolExecutor, order: list[int], number: int) -> Future[None]:
    """A search that notes its number when it has its turn; returns once it waits."""

    def search() -> None:
        with turns:
            order.append(number)

    before = len(turns._waiting)
    future = pool.submit(search)
    while len(turns._waiting) == before:
        threading.Event().wait(0.001)
    return future


def test_whoever_has_waited_longest_is_next():
    turns, order = SearchTurns(1), []
    with ThreadPoolExecutor(5) as pool:
        with turns:
            waiting = [wait_in_line(turns, pool, order, number) for number in range(5)]
        for one in waiting:
            one.result(SECONDS)
    assert order == [0, 1, 2, 3, 4]


def test_no_more_than_so_many_compute():
    """Two of six at a time: each meets the other at a barrier of two, and nobody ever counts three."""
    turns, barrier, lock = SearchTurns(2), threading.Barrier(2, timeout=SECONDS), threading.Lock()
    inside, most = 0, 0

    def search(_: int) -> None:
        nonlocal inside, most
        with turns:
            with lock:
                inside += 1
                most = max(most, inside)
            barrier.wait()
            with lock:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(search, range(6)))
    assert most == 2


def test_a_turn_ends_with_an_error_too():
    turns = SearchTurns(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turns:
            _ = 1 / 0
    with turns:
        assert turns._num_free == 0
    assert turns._num_free == 1
