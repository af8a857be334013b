"""How far a long command is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from catalog.services.progress import Advance, unheard

_WINDOW_SECONDS = 20.0
"""Rates are of the last seconds, so that a slow start (a network loading) does not spoil the time left for long."""

_FIRST_LINE_SECONDS = 5.0
_LINE_EVERY_SECONDS = 30.0
"""A log soon says that something goes on, and what takes hours does not fill it."""

Clock = Callable[[], float]


@contextmanager
def progress(
    label: str,
    *,
    unit: str,
    quiet: bool = False,
    stream: TextIO | None = None,
    clock: Clock = time.monotonic,
) -> Iterator[Advance]:
    """Show the progress of a phase while its ``with`` block runs; gives the callback that the phase calls.

    Nothing appears before the first call, so a phase with nothing to do leaves no trace.

    Args:
        label: What is going on: ``"indexing images"``.
        unit: What is counted: ``"images"``; ``"B"`` for bytes.
        quiet: Show nothing, for output that programs read.
        stream: Where to, standard error if not given.
        clock: Seconds, monotonic.
    """
    target = stream or sys.stderr
    if quiet:
        yield unheard
    elif target.isatty():
        with _bar(label, unit, target, clock) as advance:
            yield advance
    else:
        with _lines(label, unit, target, clock) as advance:
            yield advance


class Pace:
    """How fast something goes, from what was done when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def record(self, done: int) -> None:
        """Note that ``done`` are done by now."""
        now = self._clock()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()

    def per_second(self) -> float | None:
        """Over the last seconds; None while there is nothing to tell it from."""
        if len(self._samples) < 2:
            return None
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start and after > before else None


def progress_text(done: int, total: int | None, unit: str, per_second: float | None) -> str:
    """``1,200 of 10,000 images, 12 %, 85 images/s, 1 min 44 s left``, leaving out what is not known."""
    if unit == "B":
        # Small feeds in kB: 0.0 of 0.0 MB says nothing.
        unit = "kB" if max(done, total or 0) < 1e6 else "MB"
    if total is None:
        parts = [_amount(done, unit)]
    else:
        percent = 100 * done // total if total else 100
        parts = [f"{_number(done, unit)} of {_amount(total, unit)}", f"{percent} %"]
    if per_second:
        parts.append(f"{_amount(per_second, unit)}/s")
        if total is not None and total > done:
            parts.append(f"{duration_text((total - done) / per_second)} left")
    return ", ".join(parts)


def duration_text(seconds: float) -> str:
    """``8 s``, ``1 min 44 s``, ``2 h 5 min``; rounded up, for a time left of zero would be a promise."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def _bar(label: str, unit: str, stream: TextIO, clock: Clock) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(overflow="ellipsis", no_wrap=True)),
    )
    pace = Pace(clock)
    with Progress(*columns, console=Console(file=stream), redirect_stdout=False) as bar:
        task = bar.add_task(label, total=None, text="", visible=False)

        def advance(done: int, total: int | None) -> None:
            pace.record(done)
            text = progress_text(done, total, unit, pace.per_second())
            bar.update(task, completed=done, total=total, text=text, visible=True)

        yield advance


@contextmanager
def _lines(label: str, unit: str, stream: TextIO, clock: Clock) -> Iterator[Advance]:
    pace = Pace(clock)
    next_line = clock() + _FIRST_LINE_SECONDS
    last_text: str | None = None
    printed: str | None = None

    def advance(done: int, total: int | None) -> None:
        nonlocal next_line, last_text, printed
        pace.record(done)
        last_text = progress_text(done, total, unit, pace.per_second())
        if clock() >= next_line:
            print(f"{label}: {last_text}", file=stream, flush=True)
            next_line, printed = clock() + _LINE_EVERY_SECONDS, last_text

    yield advance
    if printed is not None and last_text != printed:
        print(f"{label}: {last_text}", file=stream, flush=True)


_BYTES: Final = {"kB": 1e3, "MB": 1e6}


def _number(value: float, unit: str) -> str:
    if unit in _BYTES:
        return f"{value / _BYTES[unit]:,.1f}"
    return f"{value:,.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def _amount(value: float, unit: str) -> str:
    return f"{_number(value, unit)} {unit}"
