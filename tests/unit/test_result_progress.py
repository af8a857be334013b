"""What a person is told while a long command runs."""

from __future__ import annotations

import io

import pytest

from cli.progress import Pace, duration_text, progress, progress_text


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        # 8,800 left at 85 a second are 103.5 s, rounded up: 1 min 44 s.
        ((1200, 10_000, "images", 85.0), "1,200 of 10,000 images, 12 %, 85 images/s, 1 min 44 s left"),
        ((0, 10, "images", None), "0 of 10 images, 0 %"),
        ((10, 10, "images", 2.5), "10 of 10 images, 100 %, 2.5 images/s"),
        ((999, 1000, "images", 0.5), "999 of 1,000 images, 99 %, 0.5 images/s, 2 s left"),
        ((0, 0, "images", None), "0 of 0 images, 100 %"),
        ((7, None, "images", 3.0), "7 images, 3 images/s"),
        ((273, 27_300, "B", 500.0), "0.3 of 27.3 kB, 1 %, 0.5 kB/s, 55 s left"),
        ((1_500_000, 3_000_000, "B", 500_000.0), "1.5 of 3.0 MB, 50 %, 0.5 MB/s, 3 s left"),
    ],
)
def test_progress_is_told_in_words(arguments, text):
    """Done, total, percent (never 100 before the end), rate and time left, as far as they are known."""
    assert progress_text(*arguments) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "1 s"), (59.2, "1 min 0 s"), (61, "1 min 1 s"), (7500, "2 h 5 min")]
)
def test_durations_are_rounded_up(seconds, text):
    """Seconds below a minute, minutes and seconds below an hour, then hours and minutes."""
    assert duration_text(seconds) == text


def test_the_rate_is_that_of_the_last_seconds():
    """100 s of nothing, then 10 a second: the rate is 10, not an average with the wait."""
    clock = HandClock()
    pace = Pace(clock)
    pace.record(0)
    assert pace.per_second() is None
    clock.now += 100
    for step in range(31):
        pace.record(10 * step)
        clock.now += 1
    assert pace.per_second() == pytest.approx(10.0)


def test_nothing_done_has_no_rate():
    """No division by zero, no infinite time left."""
    clock = HandClock()
    pace = Pace(clock)
    pace.record(5)
    pace.record(5)
    clock.now += 1
    pace.record(5)
    assert pace.per_second() is None


def test_without_a_terminal_lines_become_rarer():
    """Calls a second apart over 68 s: a line at 5 s, then one per 30 s (at 35 s and 65 s), and the end."""
    clock, stream = HandClock(), io.StringIO()
    with progress("indexing images", unit="images", stream=stream, clock=clock) as advance:
        for second in range(69):
            advance(second * 10, 680)
            clock.now += 1
    assert stream.getvalue().splitlines() == [
        "indexing images: 50 of 680 images, 7 %, 10 images/s, 1 min 3 s left",
        "indexing images: 350 of 680 images, 51 %, 10 images/s, 33 s left",
        "indexing images: 650 of 680 images, 95 %, 10 images/s, 3 s left",
        "indexing images: 680 of 680 images, 100 %, 10 images/s",
    ]


def test_the_end_is_told_once_wherever_something_was_told():
    """6 s of work: the line at 5 s is followed by the end; where the end is itself a line, by nothing."""
    for seconds, lines in ((6, 2), (5, 1)):
        clock, stream = HandClock(), io.StringIO()
        with progress("indexing images", unit="images", stream=stream, clock=clock) as advance:
            for second in range(seconds + 1):
                advance(second, seconds)
                clock.now += 1
        assert len(stream.getvalue().splitlines()) == lines
        assert f"{seconds} of {seconds} images, 100 %" in stream.getvalue()


def test_a_quick_phase_says_nothing_in_a_log():
    """Done within seconds: no line."""
    stream = io.StringIO()
    with progress("reading feed", unit="B", stream=stream, clock=HandClock()) as advance:
        advance(10, 10)
    assert stream.getvalue() == ""


def test_a_terminal_shows_a_bar():
    """Label and numbers appear; a label that looks like markup is shown as it is."""
    stream = Terminal()
    with progress("indexing [red]images", unit="images", stream=stream) as advance:
        advance(1, 2)
        advance(2, 2)
    assert "indexing [red]images" in stream.getvalue()
    assert "2 of 2 images, 100 %" in stream.getvalue()


def test_a_phase_with_nothing_to_do_shows_no_bar():
    """Without a call there is nothing to see."""
    stream = Terminal()
    with progress("indexing images", unit="images", stream=stream):
        pass
    assert "indexing" not in stream.getvalue()


@pytest.mark.parametrize("stream_type", [io.StringIO, Terminal])
def test_quiet_is_silent(stream_type, capsys):
    """With JSON asked for, nothing is written anywhere, on a terminal neither."""
    clock, stream = HandClock(), stream_type()
    with progress("indexing images", unit="images", quiet=True, stream=stream, clock=clock) as advance:
        clock.now += 60
        advance(1, 2)
    assert stream.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_through():
    """The phase's error is the caller's to handle."""

    def fail() -> None:
        with progress("x", unit="images", stream=Terminal()) as advance:
            advance(1, 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
