"""Ctrl-C ends a command wherever it is met."""

from __future__ import annotations

import signal
import sys
import threading
import time
import weakref

import pytest

from cli.stopping import interruptions_kept, terminated_like_interrupted


@pytest.fixture(autouse=True)
def hears_ctrl_c():
    """A shell that runs the tests in its background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Held:
    """Something that is let go of."""


def let_go(error):
    """Let go of something that a weak reference watches, whose call then raises the error."""

    def call(_):
        raise error

    held = Held()
    watching = weakref.ref(held, call)
    del held
    assert watching() is None


def test_an_interruption_that_a_weak_reference_met_is_raised_again():
    """Python itself prints and forgets it."""

    def work():
        let_go(KeyboardInterrupt())
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), interruptions_kept():
        work()


def test_an_interruption_is_not_lost_again_where_its_thread_starts_slowly(monkeypatch):
    """Main thread and new one share a busy machine: the new one is far before the main one has seen it start."""

    class StartedLater(threading.Thread):
        def start(self):
            super().start()
            for _ in range(100):
                time.sleep(0.001)

    monkeypatch.setattr(threading, "Thread", StartedLater)

    def work():
        let_go(KeyboardInterrupt())
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), interruptions_kept():
        work()


def test_nothing_that_comes_after_is_interrupted(monkeypatch):
    """The block has ended by itself within the moment; there is nothing left to end."""
    monkeypatch.setattr("cli.stopping._MOMENT", 0.5)
    with interruptions_kept():
        let_go(KeyboardInterrupt())
    (waiting,) = (thread for thread in threading.enumerate() if thread.name == "interrupt again")
    waiting.join()


def test_other_errors_that_cannot_be_raised_are_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with interruptions_kept():
        hook = sys.unraisablehook
        let_go(ValueError("lost"))
    assert hook is not told.append
    assert [str(lost.exc_value) for lost in told] == ["lost"]
    assert sys.unraisablehook == told.append


def in_file(filename, name):
    """A function of this name, as if it stood in that file, that is interrupted and goes on computing for a while."""
    source = f"""
def {name}(interrupt, number, clock, steps):
    interrupt(number)
    until = clock() + 0.05
    while clock() < until:
        pass
    steps.append('done')
"""
    made = {}
    exec(compile(source, filename, "exec"), made)
    return made[name]


@pytest.mark.parametrize(
    ("filename", "name", "is_whole"),
    [
        ("<frozen importlib._bootstrap>", "cb", True),
        (threading.__file__, "__enter__", True),
        (threading.__file__, "wait", False),
        ("catalog/anything.py", "step", False),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_for_what_holds_a_lock(filename, name, is_whole, number):
    """Between two steps of these, others would wait for ever; everything else ends at once."""
    steps = []

    def work():
        in_file(filename, name)(signal.raise_signal, number, time.process_time, steps)
        while True:
            pass

    with pytest.raises(KeyboardInterrupt), interruptions_kept(), terminated_like_interrupted():
        work()
    assert steps == (["done"] if is_whole else [])
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL


def test_where_ctrl_c_is_ignored_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptions_kept():
        signal.raise_signal(signal.SIGINT)
