"""Workers whose network is the arithmetic of ``tests.fakes``: ``celery -A tests.color_workers worker``.

Everything else is real. What they are told to suffer from stands in the environment (``Ailments``).
"""

from __future__ import annotations

import os
import signal
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import time_machine
from numpy.typing import NDArray

import workers.application
from catalog.bootstrap import Application
from embeddings.errors import OutOfMemory
from tests.fakes import COLORS, ColorEmbedder, ColorModels

BATCH_SECONDS = "COLOR_BATCH_SECONDS"
"""So long the network takes for a batch, on top of what it takes."""

POISON = "COLOR_POISON"
"""A colour whose pictures kill the process that embeds them."""

FULL_MEMORY = "COLOR_FULL_MEMORY"
"""A file that the process makes when it first has no memory for a batch, its third."""

KILL_AFTER_UPSERT = "COLOR_KILL_AFTER_UPSERT"
"""A file that the process makes and then kills itself, after its third upsert and before it tells PostgreSQL."""


CLOCK_SHIFT = "COLOR_CLOCK_SHIFT"
"""So many seconds the process's clock is ahead of everybody else's."""

if os.environ.get(CLOCK_SHIFT):
    # Until the process ends. Celery, imported below or by whoever imports this, sees no other time.
    time_machine.travel(time.time() + float(os.environ[CLOCK_SHIFT]), tick=True).start()


class AilingEmbedder(ColorEmbedder):
    """Slow, and killed by one colour, where it is told to be."""

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        time.sleep(float(os.environ.get(BATCH_SECONDS, "0")))
        poison = os.environ.get(POISON)
        if poison and (images == np.array(COLORS[poison])).all(axis=(1, 2, 3)).any():
            os.kill(os.getpid(), signal.SIGKILL)
        full = os.environ.get(FULL_MEMORY)
        if full and self.num_embedded >= 32:
            Path(full).touch()
            raise OutOfMemory("The memory does not hold a batch")
        return super().embed(images)


class AilingModels(ColorModels):
    """``colors-*`` with that embedder."""

    def embedder(self, version: str) -> ColorEmbedder:
        return self.embedders.setdefault(version, AilingEmbedder(version))


class KillingIndex:
    """Passes everything on; kills its process after the third upsert, once."""

    def __init__(self, index, marker: Path) -> None:
        self._index = index
        self._marker = marker
        self._num_upserts = 0

    def upsert(self, collection, points) -> None:
        self._index.upsert(collection, points)
        self._num_upserts += 1
        if self._num_upserts == 3 and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        return getattr(self._index, name)


class ColorApplication(Application):
    """An application with those models."""

    @cached_property
    def models(self):
        return AilingModels()

    @cached_property
    def _noted_models(self):
        # They have no manifest to hold them to.
        return self.models

    @cached_property
    def index(self):
        index = super().index
        marker = os.environ.get(KILL_AFTER_UPSERT)
        return KillingIndex(index, Path(marker)) if marker else index


workers.application.Application = ColorApplication

if "DRAPE_BROKER_URL" in os.environ:
    from workers.app import app

    __all__ = ["app"]
