"""``drape worker``: a process that indexes what others ingest."""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0


class Queue(StrEnum):
    """What a worker does. All but ``beat`` are those of ``catalog.ports.announcements``."""

    EMBED = "embed"
    INDEX = "index"
    BEAT = "beat"
    QUERY = "query"


EVERYTHING = (Queue.EMBED, Queue.INDEX, Queue.BEAT)
"""What one process does where nothing is named. Somebody waits for each query, so that who embeds these does nothing
else."""


def worker(
    queue: Annotated[
        list[Queue] | None,
        typer.Option(
            "--queue",
            "-q",
            help="embed: run networks, one process for each GPU. index: what needs no network. beat: announce again "
            "what was missed; one in all. May be given several times; without it, one process does these three. query: "
            "embed the photos that are searched with, alone, where DRAPE_QUERY_EMBEDDER=worker.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=64, help="Processes of an index worker; default 1.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long PostgreSQL, Redis and Qdrant are waited for."),
    ] = 30.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port",
            metavar="PORT",
            min=1,
            max=65535,
            help="Serve metrics for Prometheus there; default: DRAPE_METRICS_PORT, or none.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Index what is ingested elsewhere, until stopped. Needs DRAPE_BROKER_URL, the address of a Redis server.

    Start as many as there is work for. Ctrl-C or SIGTERM: the images at hand are finished, nothing more is taken. Any
    of them may be killed at any time: what it held is taken up by another when its lease ends.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from embeddings.batch_size import USUAL_BATCH_SIZE

    queues = list(dict.fromkeys(queue or EVERYTHING))
    if concurrency is not None and queues != [Queue.INDEX]:
        raise InvalidRequest(
            "Only a worker of the queue index has several processes",
            received=f"--concurrency with {', '.join(queues)}",
            expected="--queue index alone",
            remedy="start another `drape worker` for each GPU",
        )
    if Queue.QUERY in queues and len(queues) > 1:
        raise InvalidRequest(
            "A worker of the queue query does nothing else, because somebody waits for each photo",
            received=f"--queue {' --queue '.join(queues)}",
            expected="--queue query alone",
            remedy="start another `drape worker` for the others",
        )
    if queues == [Queue.QUERY] and not os.environ.get("DRAPE_BATCH_SIZE"):
        # Its batches are as large as queries come: there is no size to measure before the first is answered.
        os.environ["DRAPE_BATCH_SIZE"] = str(USUAL_BATCH_SIZE)
    if metrics_port is not None:
        os.environ["DRAPE_METRICS_PORT"] = str(metrics_port)
    settings = settings_from_environment()
    if settings.metrics_port is not None:
        require_free(settings.metrics_host, settings.metrics_port)
        if uses_processes(queues):
            # Where the processes of this worker put their counts together.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="drape-metrics-")
    with Application(settings) as application:
        deadline = time.monotonic() + wait
        wait_for(application.check_broker, deadline)
        if settings.qdrant_url is None and Queue.EMBED not in queues and Queue.INDEX in queues:
            raise InvalidRequest(
                "The embedded vector index has one owner, which must embed, too",
                received="--queue index without DRAPE_QDRANT_URL",
                expected="one worker of both queues, or a Qdrant server",
                remedy="run `drape worker` without --queue, or set DRAPE_QDRANT_URL",
            )
        if Queue.BEAT not in queues or len(queues) > 1:
            # Told now, in one sentence, instead of by every task.
            wait_for(application.check_database, deadline)
            if queues != [Queue.QUERY]:
                wait_for(application.index.list_collections, deadline)
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", *celery_arguments(queues, concurrency)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


def wait_for(
    check: Callable[[], object],
    deadline: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call it until its service answers, at growing intervals.

    Raises:
        What it raises: the deadline has passed, or waiting would not help.
    """
    from catalog.errors import BrokerUnavailable, DatabaseUnavailable, IndexUnavailable
    from migrations.runner import DatabaseTooNew

    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            check()
            return
        except DatabaseTooNew:
            raise
        except (BrokerUnavailable, DatabaseUnavailable, IndexUnavailable) as error:
            left = deadline - clock()
            if left <= 0:
                raise
            print(f"Waiting: {error}", file=sys.stderr, flush=True)
        sleep(min(delay * (1 + random.random()), max(left, 0)))
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)


def uses_processes(queues: list[Queue]) -> bool:
    """Whether the worker's tasks run in processes of their own: not with networks, of which each process loads one."""
    return [queue for queue in queues if queue is not Queue.BEAT] == [Queue.INDEX]


def require_free(host: str, port: int) -> None:
    """Raise InvalidRequest where this address cannot be served on."""
    from catalog.errors import InvalidRequest

    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise InvalidRequest(
            "Metrics cannot be served there",
            received=f"{host}:{port}: {error}",
            expected="an address of this machine, and a port that nothing else serves on",
            remedy="give each worker a --metrics-port of its own, or correct DRAPE_METRICS_HOST",
        ) from error


def celery_arguments(queues: list[Queue], concurrency: int | None) -> list[str]:
    """What Celery is told. A process that runs networks works on one task at a time, in its main thread."""
    if queues == [Queue.BEAT]:
        return ["beat", "--pidfile="]
    tasks = [queue for queue in queues if queue is not Queue.BEAT]
    pool = ["--pool=prefork", f"--concurrency={concurrency or 1}"] if uses_processes(queues) else ["--pool=solo"]
    return [
        "worker",
        f"--queues={','.join(tasks)}{',fetch,feed,hook' if Queue.INDEX in tasks else ''}",
        f"--hostname={'-'.join(tasks)}-{os.getpid()}@%h",
        *pool,
        # What workers would tell each other; nobody listens.
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        *(["--with-beat"] if Queue.BEAT in queues else []),
    ]
