"""How soon the command line answers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

LONGEST_SECONDS = 0.5
RUNS = 10


@pytest.mark.benchmark
def test_help_answers_within_half_a_second():
    """The fastest of ten runs, because the machine may be busy with something else in the others."""
    program = Path(sys.executable).with_name("drape")
    durations = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([program, "--help"], check=True, capture_output=True)
        durations.append(time.perf_counter() - start)
    print(f"\ndrape --help: fastest {min(durations):.2f} s, slowest {max(durations):.2f} s of {RUNS} runs")
    assert min(durations) < LONGEST_SECONDS
