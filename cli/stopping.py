"""Being asked to stop by the system, as by Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_MOMENT = 0.002
"""Seconds: longer than the weak reference's call goes on, shorter than it takes until a network is run again."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, so that what it holds is given back. For the main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interruptions_kept() -> Iterator[None]:
    """Have Ctrl-C end the block also where Python would only print it and go on. For the main thread.

    What comes during a long call into a library in C is raised by the first Python code after it. After a network
    was run, that is most often what a weak reference calls, whose errors nobody can catch. So it is raised once more,
    a moment later, in the code that goes on from there.
    """
    before = sys.unraisablehook
    main_thread = threading.get_ident()
    over = threading.Event()
    keeping = False

    def raise_again() -> None:
        time.sleep(_MOMENT)
        # Starting this thread may take longer than the moment; what is raised in there would be lost again.
        while keeping:
            time.sleep(_MOMENT)
        if not over.is_set():
            signal.pthread_kill(main_thread, signal.SIGINT)

    def keep(lost: sys.UnraisableHookArgs) -> None:
        nonlocal keeping
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        keeping = True
        try:
            threading.Thread(target=raise_again, name="interrupt again").start()
        finally:
            keeping = False

    sys.unraisablehook = keep
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = before
