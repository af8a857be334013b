"""The command line as a merchant runs it, everything embedded, under a home of its own.

``run`` starts a process, as a merchant does. ``run_here`` is the same command in this process, where TensorFlow is
loaded once for all: that takes seconds, which a test pays for where the process is its point. Of every command at
least one test starts a process.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.main import main


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

    def run_here(self, *arguments: str | Path) -> Ran:
        """The command in this process, with the environment, arguments and streams that its own would have."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(self.environment):
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", [self.program, *map(str, arguments)])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as ended:
                main()
        out.flush()
        err.flush()
        return Ran(ended.value.code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())

    def start(self, *arguments: str | Path, new_session: bool = False) -> subprocess.Popen[str]:
        """The command as a process that runs on beside the test; it hears Ctrl-C, as at a terminal.

        Args:
            new_session: In a process group of its own.
        """
        # A shell that runs the tests in its background has them ignore Ctrl-C, and what they start would inherit that.
        ours = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [self.program, *map(str, arguments)],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=new_session,
            )
        finally:
            signal.signal(signal.SIGINT, ours)


def write_small_feed(folder: Path, number: int) -> Path:
    """A feed of so many products P0, P1, …, each with a small picture, no two the same; its path."""
    lines = ["id,title,image"]
    for at in range(number):
        Image.new("RGB", (24, 24), (at % 256, at // 256 * 40, 128)).save(folder / f"{at}.png")
        lines.append(f"P{at},Item {at},{at}.png")
    path = folder / "feed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_feed() -> Callable[[Path, int], Path]:
    """``write_small_feed``, for tests of this folder."""
    return write_small_feed


@contextmanager
def empty_home() -> Iterator[CommandLine]:
    """A command line whose home is empty, and gone afterwards."""
    # Not pytest's own folder: that one is closed to the account which runs PostgreSQL for root.
    with tempfile.TemporaryDirectory(prefix="drape-tests-") as folder:
        yield CommandLine(Path(folder) / "home")


@pytest.fixture
def drape() -> Iterator[CommandLine]:
    """A command line whose home is empty, this test's own."""
    with empty_home() as command_line:
        yield command_line


@pytest.fixture(scope="module")
def shared_drape() -> Iterator[CommandLine]:
    """A command line whose home the tests of a module share."""
    with empty_home() as command_line:
        yield command_line
