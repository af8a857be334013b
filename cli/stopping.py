"""Being asked to stop by the system, as by Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, so that what it holds is given back. For the main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave_at_once(code: int) -> NoReturn:
    """End the process with this status while threads of it are at work. What is to be closed must be closed already.

    Python itself would wait for them. Threads that it is told not to wait for (daemons), it ends wherever they ask for
    its lock, which in the middle of a library in C++ aborts the process.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
