"""The query network in this process, which takes all photos at once that came while it was busy."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import Models
from catalog.ports.query_network import EmbeddedQuery
from catalog.services.photo_queries.embedding_together import embed_together
from embeddings.embedder import Embedder, check_prepared

MOST_AT_ONCE: Final = 16
"""A batch of more hardly adds to the rate, and has its first photo wait longer."""

PATIENCE: Final = 0.008
"""Seconds. Eight clients' searches were 149 a second, in place of 140 without; a lone client's are the same."""


@dataclass(eq=False, slots=True)
class _Photo:
    """One that waits for the network.

    Args:
        came: When, by ``time.perf_counter``.
        turn: Resolved once there is something to do for its thread: to run the next batch, or to take ``embedded``.
    """

    embedder: Embedder
    prepared: NDArray[np.uint8]
    came: float
    turn: threading.Event = field(default_factory=threading.Event)
    embedded: Future[EmbeddedQuery] = field(default_factory=Future)


class BatchedQueryNetwork:
    """Runs one batch at a time: two at once would share the same cores and memory.

    A photo that finds the network free runs at once, alone, unless others are being decoded, which are worth a few
    milliseconds. Those that come while it runs are the next batch, so that batches grow with the load. It has no thread
    of its own: one of those that wait runs the batch for all of them.

    Args:
        most_at_once: Photos in one batch, at most.
        patience: Seconds that a batch waits for photos that are about to come, at most.
    """

    def __init__(self, models: Models, most_at_once: int = MOST_AT_ONCE, patience: float = PATIENCE) -> None:
        self._models = models
        self._most = most_at_once
        self._patience = patience
        self._lock = threading.Lock()
        self._company = threading.Condition(self._lock)
        self._num_expected = 0
        self._is_busy = False
        # The thread of the first one, where it is busy with none of them yet, runs the next batch.
        self._waiting: list[_Photo] = []
        self._sizes: Counter[int] = Counter()

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many batches there were, by the number of their photos."""
        with self._lock:
            return dict(self._sizes)

    def load(self, version: str) -> None:
        """Make the version's network ready."""
        edge = self._models.describe(version).input_size
        # Some of it is only made ready by the first picture.
        self.embed(version, np.zeros((edge, edge, 3), dtype=np.uint8))

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """While it lasts, the next batch waits for one more photo, but not long."""
        with self._lock:
            self._num_expected += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_expected -= 1
                self._company.notify()

    def embed(self, version: str, prepared: NDArray[np.uint8]) -> EmbeddedQuery:
        """The features of one photo, (input_size, input_size, 3) uint8.

        Of its stages, ``load`` is for the version's first photo, ``wait`` for the batch before it, ``embed`` its own's.

        Raises:
            ValueError: the photo has another shape or dtype.
        """
        start = time.perf_counter()
        embedder = self._models.embedder(version)
        # Before it has company, which must not fail because of it.
        check_prepared(prepared[np.newaxis], embedder.input_size)
        photo = _Photo(embedder, prepared, time.perf_counter())
        with self._lock:
            self._waiting.append(photo)
            self._company.notify()
            waits = self._is_busy
            self._is_busy = True
        if waits:
            photo.turn.wait()
        if not photo.embedded.done():
            self._run_batch()
        embedded = photo.embedded.result()
        return EmbeddedQuery(embedded.features, {"load": (photo.came - start) * 1000, **embedded.timings_ms})

    def _run_batch(self) -> None:
        """Run the first photo that waits, which is the caller's, and those that can be run with it."""
        with self._company:
            self._company.wait_for(self._is_complete, self._patience)
        batch = self._take()
        try:
            _embed(batch)
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting[0].turn.set()
                else:
                    self._is_busy = False
            for photo in batch[1:]:
                photo.turn.set()

    def _is_complete(self) -> bool:
        return not self._num_expected or len(self._waiting) >= self._most

    def _take(self) -> list[_Photo]:
        with self._lock:
            embedder = self._waiting[0].embedder
            batch = [photo for photo in self._waiting if photo.embedder is embedder][: self._most]
            self._waiting = [photo for photo in self._waiting if photo not in batch]
            self._sizes[len(batch)] += 1
        return batch


def _embed(batch: Sequence[_Photo]) -> None:
    """Resolve all of them, with features or an error."""
    begun = time.perf_counter()
    try:
        found = embed_together(batch[0].embedder, [photo.prepared for photo in batch])
    except BaseException as error:
        # Whoever waits for one of them would wait for ever.
        for photo in batch:
            photo.embedded.set_exception(error)
        raise
    milliseconds = (time.perf_counter() - begun) * 1000
    for photo, features in zip(batch, found, strict=True):
        if isinstance(features, Exception):
            photo.embedded.set_exception(features)
        else:
            timings = {"wait": (begun - photo.came) * 1000, "embed": milliseconds}
            photo.embedded.set_result(EmbeddedQuery(features, timings))
