"""The other side of ``catalog.adapters.networks``: runs networks until whoever has started it is gone."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from typing import Protocol

import numpy as np

from catalog.adapters.networks.network_messages import Embed, Load, LoadedNetwork, failure
from catalog.adapters.process_logs import configure_logs
from catalog.bootstrap import Application
from catalog.ports.models import Models
from catalog.settings import Settings

_log = logging.getLogger(__name__)


class OpenModels(Protocol):
    """Opens the model versions that settings tell of, for a ``with`` block."""

    def __call__(self, settings: Settings) -> AbstractContextManager[Models]: ...


@contextmanager
def stored_models(settings: Settings) -> Iterator[Models]:
    """Those in the store of this machine."""
    with Application(settings) as application:
        yield application.models


def run(open_models: OpenModels) -> None:
    """Answer over the pipes whose descriptors are the process's arguments, of which the first is the one to live by."""
    # Whoever has started it decides when it ends: requests at hand are finished first.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    life, *lanes = (Connection(int(descriptor)) for descriptor in sys.argv[1:])
    try:
        settings: Settings = pickle.loads(life.recv_bytes())
        configure_logs()
        with open_models(settings) as models:
            for lane in lanes:
                threading.Thread(target=_serve, args=(models, lane), daemon=True).start()
            life.recv_bytes()
    except (EOFError, OSError):
        # In the middle of whatever its threads do: nobody wants that any more.
        os._exit(0)


def _serve(models: Models, lane: Connection) -> None:
    try:
        while True:
            request = lane.recv()
            lane.send(_answer(models, request, lane))
    except (EOFError, OSError):
        # Nobody is left to answer; the main thread ends the process.
        return
    except BaseException:  # noqa: BLE001 - the process ends.
        # Whoever waits on this lane would wait for ever if the process lived on without this thread.
        _log.exception("The networks end for what cannot be answered")
        os._exit(1)


def _answer(models: Models, request: Load | Embed, lane: Connection) -> object:
    # Taken first, so that what comes next is the next request whatever becomes of this one.
    images = lane.recv_bytes() if isinstance(request, Embed) else b""
    try:
        if isinstance(request, Load):
            return _loaded(models, request.version)
        embedder = models.embedder(request.version)
        embed = embedder.embed_with_scale if request.with_scale else embedder.embed
        return embed(np.frombuffer(images, dtype=np.uint8).reshape(request.shape))
    except Exception as error:  # noqa: BLE001 - raised where it was asked for.
        return failure(error)


def _loaded(models: Models, version: str) -> LoadedNetwork:
    embedder = models.embedder(version)
    # What libraries and networks consist of stays: no need for the garbage collector to walk through it.
    gc.freeze()
    return LoadedNetwork(
        embedder.version,
        embedder.input_size,
        embedder.taxonomy,
        dict(embedder.feature_sizes),
        embedder.visual_feature,
        embedder.batch_size,
    )


if __name__ == "__main__":
    run(stored_models)
