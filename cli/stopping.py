"""Being asked to stop by the system, as by Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Final

_MOMENT: Final = 0.002
"""Seconds: longer than what must not be interrupted goes on, shorter than it takes until a network is run again."""

_IMPORTS: Final = "<frozen importlib._bootstrap>"
_WAITS: Final = frozenset({"wait", "join", "_wait_for_tstate_lock"})
"""Functions of ``threading`` that take long, and that give back what they hold when they are interrupted."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, so that what it holds is given back. For the main thread."""
    with _interrupting(signal.SIGTERM):
        yield


@contextmanager
def interruptions_kept() -> Iterator[None]:
    """Have Ctrl-C end the block, wherever it is met. For the main thread.

    Python raises it between any two steps of the main thread. Between taking a lock and having it given back, for one:
    whoever waits for that lock then waits for ever. There it comes a moment later. And in what a weak reference calls,
    whose errors Python prints and forgets: what comes during a long call into a library in C is raised by the first
    Python code after it, which is often that. There it is raised once more.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # A shell that runs it in its background has it ignored.
        yield
        return
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
        with _interrupting(signal.SIGINT):
            yield
    finally:
        over.set()
        sys.unraisablehook = before


@contextmanager
def _interrupting(number: signal.Signals) -> Iterator[None]:
    """Have the signal raise KeyboardInterrupt in the main thread, where it holds no lock of Python's own."""
    before = {heard: signal.signal(heard, _interrupt) for heard in (signal.SIGVTALRM, number)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        for heard, handler in before.items():
            signal.signal(heard, handler)


def _interrupt(_: int, frame: FrameType | None) -> None:
    if frame is None or not _may_hold_lock(frame.f_code):
        raise KeyboardInterrupt
    # Comes back here, once the process has computed for a moment.
    signal.setitimer(signal.ITIMER_VIRTUAL, _MOMENT)


def _may_hold_lock(code: CodeType) -> bool:
    """Whether the interpreter, or a part of ``threading``, is between two steps that belong together."""
    if code.co_filename == threading.__file__:
        return code.co_name not in _WAITS
    return code.co_filename == _IMPORTS
