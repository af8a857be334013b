"""How long the stages of a search take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Timings:
    """Milliseconds per stage; a stage entered again adds up."""

    def __init__(self) -> None:
        self._milliseconds: dict[str, float] = {}

    @property
    def milliseconds(self) -> Mapping[str, float]:
        """By stage, in the order in which they were first entered."""
        return dict(self._milliseconds)

    def add(self, timings_ms: Mapping[str, float]) -> None:
        """What others have measured."""
        for name, milliseconds in timings_ms.items():
            self._milliseconds[name] = self._milliseconds.get(name, 0.0) + milliseconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._milliseconds[name] = self._milliseconds.get(name, 0.0) + (time.perf_counter() - start) * 1000
