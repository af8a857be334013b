"""Worker processes around real PostgreSQL, real Redis and the double of a Qdrant server, to break one by one."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import Engine, text

from catalog.services.ingesting.ingest import IngestRequest, IngestSummary
from catalog.settings import Settings
from cli.worker import EVERYTHING, Queue, celery_arguments
from tests.color_workers import ColorApplication
from tests.fakes import COLORS
from tests.qdrant_double import REPOSITORY, QdrantDouble
from tests.redis_server import RedisServer

MERCHANT = "atelier"
LEASE_SECONDS = 2.0


@dataclass
class WorkerCluster:
    """What workers share, and the worker processes of a test."""

    folder: Path
    engine: Engine
    redis: RedisServer
    qdrant: QdrantDouble
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "DRAPE_HOME": str(self.folder / "home"),
            "DRAPE_DATABASE_URL": self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
            "DRAPE_QDRANT_URL": self.qdrant.url,
            "DRAPE_BROKER_URL": self.redis.url,
            "DRAPE_MODEL": "colors-1",
            "DRAPE_BATCH_SIZE": "16",
            "DRAPE_LEASE_SECONDS": str(LEASE_SECONDS),
            "DRAPE_SWEEP_SECONDS": "0.5",
            "DRAPE_MAX_ATTEMPTS": "3",
        }

    def application(self, **settings: str) -> ColorApplication:
        """This process's part, as a command has it; to be closed."""
        values = {name.removeprefix("DRAPE_").lower(): value for name, value in self.settings.items()} | settings
        return ColorApplication(Settings(**values))

    def start(self, *queues: Queue, **ailments: str) -> subprocess.Popen[bytes]:
        """A worker of these queues, of all if none is named; its log is in the cluster's folder."""
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "tests.color_workers"]
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [*command, *celery_arguments(list(queues or EVERYTHING), None)],
                env={**_plain_environment(), **self.settings, **ailments},
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """End what still runs, as a supervisor does."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def logs(self) -> str:
        """What all workers said, for failures."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("worker-*.log")))

    def told_by(self, number: int) -> list[dict[str, Any]]:
        """What the worker that was started at this place has logged."""
        lines = (self.folder / f"worker-{number}.log").read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def embedded_by(self, number: int) -> int:
        """How many images it has said it embedded."""
        return sum(line.get("embedded", 0) for line in self.told_by(number))

    def clock_of(self, number: int) -> float:
        """So many seconds its clock was ahead of this process's when it last logged something, or some less."""
        return datetime.datetime.fromisoformat(self.told_by(number)[-1]["time"]).timestamp() - time.time()

    def rows_of(self, number: int, color: Callable[[int], str] | None = None, **facts: Any) -> list[dict[str, Any]]:
        """Feed rows of ``number`` products, an image each, with pictures that differ in one stripe."""
        names = list(COLORS)
        feed = self.folder / "feed"
        feed.mkdir(exist_ok=True)
        rows = []
        for at in range(number):
            path = feed / f"{at}.png"
            if not path.exists():
                path.write_bytes(striped_picture(at, color(at) if color else names[at % len(names)]))
            rows.append({"id": f"P{at}", "title": f"Item {at}", "image": path.name, **facts})
        return rows

    def ingest(self, rows: Sequence[Mapping[str, Any]], **options: Any) -> IngestSummary:
        """Write rows and mark images; workers index them."""
        path = self.folder / "feed" / "feed.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        errors: list[object] = []
        with self.application() as application:
            summary = application.ingest.run(IngestRequest(path, MERCHANT, "colors-1", **options), errors.append)
        assert not errors
        return summary

    def scalar(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait for something that workers are to reach."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not reached: {what}\n{self.logs()[-6000:]}"
            time.sleep(0.02)

    def num_indexed(self) -> int:
        return self.scalar("SELECT count(*) FROM indexed_image")

    def wait_until_indexed(self, seconds: float = 60) -> None:
        self.wait_until(lambda: self.scalar("SELECT count(*) FROM outbox") == 0, "an empty outbox", seconds)

    def assert_consistent(self, num_images: int) -> None:
        """Row by row: each image that can be indexed is in each fed gallery once, at its revision; nothing else is."""
        wanted = dict(self.rows("SELECT id, revision FROM image WHERE state = 'ready'"))
        assert len(wanted) == num_images
        assert self.scalar("SELECT count(*) FROM outbox") == 0
        with self.application() as application:
            for gallery, collection in self.rows("SELECT id, collection FROM gallery WHERE state <> 'retired'"):
                points = application.index.scroll(collection, limit=100_000)
                assert len(points) == num_images
                assert {point.id: point.payload["revision"] for point in points} == wanted
                noted = self.rows(f"SELECT image_id, revision FROM indexed_image WHERE gallery_id = {gallery}")
                assert dict(noted) == wanted


def striped_picture(number: int, color: str, *, stripe: bool = True) -> bytes:
    """A PNG of one colour with a narrow stripe whose shade is the number's, so that no two are the same."""
    image = Image.new("RGB", (32, 32), COLORS[color])
    if stripe:
        image.paste((number % 256, number // 256, 128), (0, 30, 2, 32))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DRAPE_", "COLOR_"))}
