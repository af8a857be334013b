"""A process that runs the arithmetic of ``tests.fakes`` as ``workers.network_process`` runs networks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.adapters.networks.network_process import NetworkProcess
from catalog.ports.models import Models
from catalog.settings import Settings
from embeddings.errors import UnusableModel
from tests.fakes import ColorEmbedder, ColorModels
from workers.network_process import run

HELD: Final = "colors-held"
"""Never comes to an end."""

FAILING: Final = "colors-failing"
"""Fails as nobody foresaw."""

REFUSING: Final = "colors-refusing"
"""Fails with an error of a library's own, that cannot be sent."""

LEAVING: Final = "colors-leaving"
"""Ends its thread, as no error does."""

DEADLY: Final = (1, 2, 3)
"""The colour of photos that kill the process, as a machine that is out of memory does."""

MISSING: Final = "no-such-version"


class _Unsendable(ValueError):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.held = threading.Lock()


class _Embedder(ColorEmbedder):
    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        if self.version == HELD:
            threading.Event().wait()
        if self.version == FAILING:
            raise LookupError("no kernel for that")
        if self.version == REFUSING:
            raise _Unsendable("no such shape")
        if self.version == LEAVING:
            raise SystemExit(0)
        if (images == DEADLY).all(axis=(1, 2, 3)).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(images)


class _Models(ColorModels):
    def embedder(self, version: str) -> ColorEmbedder:
        if version == MISSING:
            raise UnusableModel("No such version", received=version, expected="one of two", remedy="import it")
        return self.embedders.setdefault(version, _Embedder(version))


@contextmanager
def color_process(settings: Settings | None = None) -> Iterator[NetworkProcess]:
    """Has such a process started, as often as need be. The tests are no installed package, for it to find by itself."""
    root = Path(__file__).resolve().parent.parent
    process = NetworkProcess(__name__, Settings() if settings is None else settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root), prepend=os.pathsep)
        try:
            yield process
        finally:
            process.close()


def color_models(settings: Settings) -> AbstractContextManager[Models]:
    return nullcontext(_Models())


if __name__ == "__main__":
    run(color_models)
