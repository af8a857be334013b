"""What ``drape worker`` tells Celery."""

from __future__ import annotations

from cli.worker import Queue, celery_arguments


def test_a_worker_that_runs_networks_works_on_one_task_at_a_time():
    arguments = celery_arguments([Queue.EMBED], None)
    assert arguments[:2] == ["worker", "--queues=embed"]
    assert "--pool=solo" in arguments
    assert "--beat" not in arguments


def test_without_a_network_there_may_be_several_processes():
    assert {"--queues=index", "--pool=prefork", "--concurrency=4"} <= set(celery_arguments([Queue.INDEX], 4))
    assert "--concurrency=1" in celery_arguments([Queue.INDEX], None)


def test_one_process_can_do_everything():
    arguments = celery_arguments([Queue.EMBED, Queue.INDEX, Queue.BEAT], None)
    assert {"--queues=embed,index", "--pool=solo", "--beat"} <= set(arguments)


def test_beat_by_itself_takes_no_tasks_and_leaves_no_file():
    assert celery_arguments([Queue.BEAT], None) == ["beat", "--pidfile="]
