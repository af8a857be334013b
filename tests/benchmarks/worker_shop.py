"""A shop whose images real ``drape worker`` processes index, to be measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

from catalog.bootstrap import Application
from catalog.services.ingesting.ingest import IngestRequest
from catalog.settings import Settings

_LOOK_SECONDS = 0.05


@dataclass
class WorkerShop:
    """PostgreSQL and Redis, whose workers are started and timed.

    Args:
        settings: ``DRAPE_*`` by their names.
    """

    settings: Mapping[str, str]
    workers: list[psutil.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._engine = create_engine(self.settings["DRAPE_DATABASE_URL"])

    @contextmanager
    def application(self) -> Iterator[Application]:
        values: dict[str, Any] = {key.removeprefix("DRAPE_").lower(): value for key, value in self.settings.items()}
        with Application(Settings(**values)) as application:
            yield application

    def ingest(self, feed: Path, version: str, number: int) -> None:
        """Read a feed of so many images and leave them to workers, none of which runs yet."""
        with self.application() as application:
            request = IngestRequest(feed, "benchmark", version, allow_absolute=True)
            application.ingest.run(request, on_error=_fail)
        assert self.waiting() == number

    def start(self, cores: Sequence[int] | None = None) -> psutil.Popen:
        """A worker, on these cores alone if they are named."""
        worker = psutil.Popen(
            [Path(sys.executable).with_name("drape"), "worker"],
            env={**os.environ, **self.settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
        self.workers.append(worker)
        return worker

    def waiting(self) -> int:
        return self.scalar("SELECT count(*) FROM outbox")

    def scalar(self, query: str) -> int:
        with self._engine.connect() as connection:
            return connection.execute(text(query)).scalar_one()

    def wait_until_indexed(self, seconds: float = 1800) -> None:
        deadline = time.monotonic() + seconds
        while self.waiting():
            assert time.monotonic() < deadline
            assert all(worker.is_running() for worker in self.workers)
            time.sleep(_LOOK_SECONDS)

    def timed_repetition(self) -> float:
        """Have everything that is indexed embedded once more; the seconds until nothing waits."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM indexed_image"))
        with self.application() as application, application.unit_of_work() as work:
            merchant_id = work.merchants.id_of("benchmark")
            work.outbox.mark([image.id for page in work.images.pages(merchant_id) for image in page])
            started = time.perf_counter()
            work.commit()
        self.wait_until_indexed()
        return time.perf_counter() - started

    def stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(60)
        self.workers.clear()

    def close(self) -> None:
        self.stop()
        self._engine.dispose()


def _fail(error: object) -> None:
    raise AssertionError(error)
