"""Answers are remembered for a while, each key's for itself, and not too many of them."""

from __future__ import annotations

import pytest

from catalog.services.remembered import Remembered


class Source:
    """Counts how often it is asked, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []

    def read(self, key: str) -> str:
        self.asked.append(key)
        return f"{key} at {self.now}"


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def remembered(source) -> Remembered[str, str]:
    return Remembered(source.read, seconds=10, most=2, clock=lambda: source.now)


def test_answers_of_a_while_ago_are_given_again(source, remembered):
    assert remembered.get("a") == "a at 100.0"
    source.now = 110.0
    assert remembered.get("a") == "a at 100.0"
    source.now = 110.1
    assert remembered.get("a") == "a at 110.1"
    assert source.asked == ["a", "a"]


def test_who_needs_it_younger_has_it_read_again(source, remembered):
    remembered.get("a")
    source.now = 103.0
    assert remembered.get("a", seconds=3) == "a at 100.0"
    assert remembered.get("a", seconds=2) == "a at 103.0"
    assert remembered.get("a", seconds=99) == "a at 103.0"


def test_the_keys_asked_for_last_are_kept(source, remembered):
    for key in "abac":
        remembered.get(key)
    assert source.asked == ["a", "b", "c"]
    remembered.get("a")
    remembered.get("b")
    assert source.asked == ["a", "b", "c", "b"]


def test_errors_are_not_remembered():
    answers = iter([ValueError("down"), "up"])

    def read(key: str) -> str:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    remembered = Remembered(read, seconds=10, most=2)
    with pytest.raises(ValueError, match="down"):
        remembered.get("a")
    assert remembered.get("a") == "up"
