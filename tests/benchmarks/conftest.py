"""Fixtures of the benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty DRAPE_HOME."""
    # Not pytest's own folder: that one is closed to the account which runs PostgreSQL for root.
    with tempfile.TemporaryDirectory(prefix="drape-benchmark-") as folder:
        yield Path(folder) / "home"
