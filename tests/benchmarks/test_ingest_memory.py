"""Peak memory of an ingest does not grow with the catalog."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import Image

LARGEST_GROWTH = 1.2

# The highest resident size since the process started; getrusage would report its parent's where that was larger.
PROGRAM = """
import sys
from pathlib import Path
from catalog.bootstrap import Application
from catalog.services.ingesting.ingest import IngestRequest
from catalog.settings import Settings

with Application(Settings()) as application:
    summary = application.ingest.run(IngestRequest(Path(sys.argv[1]), "m", "compact-rendered"), on_error=print)
    assert application.indexing.run(summary.merchant_id).embedded == int(sys.argv[2])
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_ten_times_the_catalog_takes_no_more_memory(tmp_path, home):
    """10,000 images against 1,000, each in a process of its own, the vector index included."""
    peaks = {}
    for num_images in (1_000, 10_000):
        feed = _write_feed(tmp_path / str(num_images), num_images)
        environment = {**os.environ, "DRAPE_HOME": str(home / str(num_images))}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(feed), str(num_images)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[num_images] = int(ended.stdout.split()[-1]) / 1024
    growth = peaks[10_000] / peaks[1_000]
    print(
        f"\npeak memory: {peaks[1_000]:.0f} MiB of 1,000 images, {peaks[10_000]:.0f} MiB of 10,000 ({growth:.2f} times)"
    )
    assert growth < LARGEST_GROWTH


def _write_feed(folder, num_images: int):
    folder.mkdir()
    lines = ["id,title,image"]
    for number in range(num_images):
        picture = Image.new("RGB", (48, 64), (number % 251, number // 251 * 6, 128))
        picture.save(folder / f"{number}.png")
        lines.append(f"P{number},Item {number},{number}.png")
    path = folder / "feed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
