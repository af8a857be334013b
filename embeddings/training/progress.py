"""What training tells its caller while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One finished epoch.

    Args:
        epoch: From 1.
        num_epochs: Of the whole training.
        loss: Mean training loss over the epoch.
        scores: Measurements on the held-out images after the epoch; empty where there are none.
        images_per_second: Training images, augmentation included, measuring excluded.
        learning_rate: At the epoch's end.
    """

    epoch: int
    num_epochs: int
    loss: float
    scores: Mapping[str, float]
    images_per_second: float
    learning_rate: float

    def __str__(self) -> str:
        measured = "".join(f", {name} {score:.3f}" for name, score in self.scores.items() if name.endswith("@1"))
        return (
            f"epoch {self.epoch}/{self.num_epochs}: loss {self.loss:.3f}{measured} "
            f"({self.images_per_second:.0f} images/s)"
        )


EpochCallback: TypeAlias = Callable[[EpochRecord], None]

PhaseCallback: TypeAlias = Callable[[str, int, int], None]
"""Told the phase, such as ``epoch 3/9``, and how many of its images are done, of how many."""

NoteCallback: TypeAlias = Callable[[str], None]
"""Told, in a sentence, what training decided by itself and a person should know."""


def ignore_epoch(_: EpochRecord) -> None:
    """The callback of a caller who does not want to know."""


def ignore_phase(_phase: str, _done: int, _total: int) -> None:
    """The callback of a caller who does not want to know."""


def ignore_note(_: str) -> None:
    """The callback of a caller who does not want to know."""
