"""The command line as a merchant runs it: a process of its own, everything embedded, under a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Runs ``drape`` with a home of its own."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAPE_")}
        return {**kept, "DRAPE_HOME": str(self.home), "COLUMNS": "160", **self.settings}

    @property
    def program(self) -> str:
        return str(Path(sys.executable).with_name("drape"))

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> Ran:
        ended = subprocess.run(
            [self.program, *map(str, arguments)],
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.program, *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def drape() -> Iterator[CommandLine]:
    """A command line whose home is empty."""
    # Not pytest's own folder: that one is closed to the account which runs PostgreSQL for root.
    with tempfile.TemporaryDirectory(prefix="drape-tests-") as folder:
        yield CommandLine(Path(folder) / "home")
