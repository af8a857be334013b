"""The networks, loaded beside the first requests."""

from __future__ import annotations

import gc
import logging
import threading
import time
from typing import Final

from catalog.errors import DrapeError
from catalog.services.searching.search import SearchService
from embeddings.errors import EmbeddingsError

COLLECTED_AFTER: Final = (20_000, 20, 20)
"""The garbage collector's thresholds: a search makes thousands of objects, and at Python's usual 700 looks for cycles
among them some ten times. Nearly all are gone by then anyway."""

_log = logging.getLogger(__name__)


class NetworkLoading:
    """Makes the networks of all live galleries ready, so that no photo has to wait for that.

    What it asks of the database comes first. Stopping waits for that, for the database is closed next. Loading takes
    many seconds, and ends where the process that does it is ended.
    """

    def __init__(self, search: SearchService) -> None:
        self._search = search
        self._thread = threading.Thread(target=self._run, name="load")
        self._is_wanted = True
        # Held over what must not begin once it is no longer wanted.
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Have it begin nothing more, and tell nothing more, not even that what it waits for has ended."""
        with self._lock:
            self._is_wanted = False

    def _run(self) -> None:
        start = time.perf_counter()
        try:
            for version in self._versions():
                if self._is_wanted:
                    self._search.load(version)
        except (DrapeError, EmbeddingsError) as error:
            # Searches that need it will tell, each with the same error.
            self._tell(logging.WARNING, f"The networks cannot be loaded: {error}")
        else:
            # What is there now stays: a hundred thousand objects that Python's garbage collector would otherwise walk
            # through, while nobody is answered.
            gc.freeze()
            gc.set_threshold(*COLLECTED_AFTER)
            self._tell(logging.INFO, "The networks are loaded", seconds=round(time.perf_counter() - start, 1))

    def _versions(self) -> list[str]:
        with self._lock:
            return self._search.versions() if self._is_wanted else []

    def _tell(self, level: int, message: str, **fields: float) -> None:
        with self._lock:
            if self._is_wanted:
                _log.log(level, message, extra=fields)
