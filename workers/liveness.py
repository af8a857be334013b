"""``python -m workers.liveness``: whether the worker of this container still works on its messages.

A worker touches a file with every task; the sweep alone brings one every few seconds. One that hangs touches none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from workers.time_limits import HARD_SECONDS

_FILE: Final = Path(tempfile.gettempdir()) / "drape-worker-alive"

LONGEST_SILENCE: Final = HARD_SECONDS + 60
"""A task may take this long before the worker ends itself."""


def touch(path: Path = _FILE) -> None:
    """Note that the worker is alive."""
    path.touch()


def is_alive(path: Path = _FILE, now: float | None = None) -> bool:
    """Whether it was noted lately.

    Args:
        now: Seconds since 1970.
    """
    try:
        touched = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return (time.time() if now is None else now) - touched <= LONGEST_SILENCE


if __name__ == "__main__":
    sys.exit(0 if is_alive() else 1)
