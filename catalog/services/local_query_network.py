"""The query network in this process."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import Models
from catalog.ports.query_network import EmbeddedQuery


class LocalQueryNetwork:
    """Runs one photo at a time."""

    def __init__(self, models: Models) -> None:
        self._models = models
        # Two calls at once would share the same cores and memory.
        self._network = threading.Lock()

    def load(self, version: str) -> None:
        """Make the version's network ready."""
        embedder = self._models.embedder(version)
        edge = embedder.input_size
        with self._network:
            # Some of it is only made ready by the first picture.
            embedder.embed(np.zeros((1, edge, edge, 3), dtype=np.uint8))

    def embed(self, version: str, prepared: NDArray[np.uint8]) -> EmbeddedQuery:
        """The features of one photo, (input_size, input_size, 3) uint8. ``wait`` is for other photos, ``load`` for the
        version's first."""
        start = time.perf_counter()
        embedder = self._models.embedder(version)
        loaded = time.perf_counter()
        with self._network:
            begun = time.perf_counter()
            features = embedder.embed(prepared[np.newaxis])
        end = time.perf_counter()
        timings = {"load": loaded - start, "wait": begun - loaded, "embed": end - begun}
        return EmbeddedQuery(
            {name: values[0] for name, values in features.items()},
            {stage: seconds * 1000 for stage, seconds in timings.items()},
        )
