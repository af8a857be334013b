"""A task takes nothing more after its soft limit, and does not outlive the hard one."""

from __future__ import annotations

import subprocess
import sys

from workers.time_limits import time_limits


def test_enough_is_said_at_the_soft_limit_or_when_the_process_is_to_end():
    now = 100.0
    stopping = False
    with time_limits(lambda: stopping, soft=60, hard=900, clock=lambda: now) as enough:
        assert not enough()
        now = 159.9
        assert not enough()
        now = 160.0
        assert enough()
        now, stopping = 101.0, True
        assert enough()


def test_a_task_that_hangs_ends_its_process_and_tells_where():
    hangs = (
        "import time\n"
        "from workers.time_limits import time_limits\n"
        "def stuck():\n"
        "    time.sleep(60)\n"
        "with time_limits(lambda: False, soft=0.1, hard=0.2):\n"
        "    stuck()\n"
    )
    ended = subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "in stuck" in ended.stderr


def test_a_task_that_ends_in_time_takes_the_limit_with_it():
    lives = (
        "import time\n"
        "from workers.time_limits import time_limits\n"
        "with time_limits(lambda: False, soft=0.1, hard=0.2):\n"
        "    pass\n"
        "time.sleep(0.5)\n"
        "print('alive')\n"
    )
    ended = subprocess.run([sys.executable, "-c", lives], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (0, "alive\n")
