"""What ``drape worker`` tells Celery."""

from __future__ import annotations

import pytest

from catalog.errors import BrokerUnavailable, DatabaseUnavailable, IndexUnavailable, InvalidRequest
from cli.worker import EVERYTHING, Queue, celery_arguments, wait_for, worker
from migrations.runner import DatabaseTooNew


def test_a_worker_that_runs_networks_works_on_one_task_at_a_time():
    arguments = celery_arguments([Queue.EMBED], None)
    assert arguments[:2] == ["worker", "--queues=embed"]
    assert "--pool=solo" in arguments
    assert "--with-beat" not in arguments


def test_without_a_network_there_may_be_several_processes():
    assert {"--queues=index,fetch,feed,hook", "--pool=prefork", "--concurrency=4"} <= set(
        celery_arguments([Queue.INDEX], 4)
    )
    assert "--concurrency=1" in celery_arguments([Queue.INDEX], None)


def test_one_process_can_do_everything():
    arguments = celery_arguments([Queue.EMBED, Queue.INDEX, Queue.BEAT], None)
    assert {"--queues=embed,index,fetch,feed,hook", "--pool=solo", "--with-beat"} <= set(arguments)


def test_who_embeds_queries_does_nothing_else():
    """Somebody waits for each: a task of another queue would hold them up for a minute."""
    assert {"--queues=query", "--pool=solo"} <= set(celery_arguments([Queue.QUERY], None))
    assert Queue.QUERY not in EVERYTHING
    with pytest.raises(InvalidRequest, match=r"does nothing else.*--queue query --queue embed.*--queue query alone"):
        worker([Queue.QUERY, Queue.EMBED])


def test_beat_by_itself_takes_no_tasks_and_leaves_no_file():
    assert celery_arguments([Queue.BEAT], None) == ["beat", "--pidfile="]


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_services_that_are_still_starting_are_waited_for_at_growing_intervals(capsys):
    answers = iter([BrokerUnavailable("Redis is away"), DatabaseUnavailable("starting up"), IndexUnavailable("no")])
    clock = Clock()

    def check() -> None:
        if (error := next(answers, None)) is not None:
            raise error

    wait_for(check, 130.0, clock, clock.sleep)
    # Each lasts between one and two times 0.25, 0.5 and 1 seconds.
    assert [low <= nap <= 2 * low for nap, low in zip(clock.naps, (0.25, 0.5, 1.0), strict=True)] == [True] * 3
    assert [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "Redis is away",
        "starting up",
        "no",
    ]


def test_what_never_answers_is_told_when_the_time_is_up():
    clock = Clock()

    def check() -> None:
        raise IndexUnavailable("no")

    with pytest.raises(IndexUnavailable):
        wait_for(check, 110.0, clock, clock.sleep)
    assert clock.now == 110.0


def test_a_database_of_a_newer_drape_is_not_waited_for():
    clock = Clock()

    def check() -> None:
        raise DatabaseTooNew("newer")

    with pytest.raises(DatabaseTooNew):
        wait_for(check, 110.0, clock, clock.sleep)
    assert clock.naps == []
