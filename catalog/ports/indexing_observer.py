"""What the indexing tells of itself while it runs: to be counted, or not to be heard at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """Where the time of a batch goes. The first two, ``embed`` and the last two overlap.

    ``claim``: PostgreSQL gives marks and facts. ``decode``: bytes are read, decoded and scaled. ``embed``: the network.
    ``write``: the vector index takes points, payloads and deletions. ``finish``: PostgreSQL notes what was written.
    """

    CLAIM = "claim"
    DECODE = "decode"
    EMBED = "embed"
    WRITE = "write"
    FINISH = "finish"


class FailureKind(StrEnum):
    """Why an image was not indexed, in few words; the whole reason stands with the image."""

    UNUSABLE_IMAGE = "unusable image"
    LOST_IMAGE = "image lost from the store"
    IMAGE_STORE = "image store unavailable"
    MODEL = "model version unusable"
    KILLED = "killed its worker"


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What was written of a batch, in images.

    Args:
        embedded: By merchant's name and model version; an image that two galleries hold counts for both.
        refreshed: The same, for those whose payload alone was replaced.
        removed: By merchant's name.
        quarantined, postponed: By kind of failure.
        duplicates: That are no longer shown, because another of their product looks the same.
    """

    embedded: Mapping[tuple[str, str], int]
    refreshed: Mapping[tuple[str, str], int]
    removed: Mapping[str, int]
    quarantined: Mapping[FailureKind, int]
    postponed: Mapping[FailureKind, int]
    duplicates: int = 0


class IndexingObserver(Protocol):
    """Hears of what was done. Called from several threads; raises nothing."""

    def took(self, stage: Stage, seconds: float) -> None:
        """A batch was in a stage for so long."""

    def wrote(self, outcome: BatchOutcome) -> None:
        """A batch was written, and PostgreSQL knows."""


class NoObserver:
    """Where nobody counts."""

    def took(self, stage: Stage, seconds: float) -> None:
        """Tell nobody."""

    def wrote(self, outcome: BatchOutcome) -> None:
        """Tell nobody."""


@contextmanager
def timed(observer: IndexingObserver, stage: Stage) -> Iterator[None]:
    """Tell how long the ``with`` block took, however it ends."""
    started = time.perf_counter()
    try:
        yield
    finally:
        observer.took(stage, time.perf_counter() - started)
