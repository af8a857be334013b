"""The application of a worker process: made by its first task, so that a forked child never shares what its parent
opened."""

from __future__ import annotations

import os
import threading
from typing import Final

from prometheus_client import CollectorRegistry

from catalog.adapters.prometheus_metrics import PrometheusIndexing
from catalog.bootstrap import Application, settings_from_environment

counts: Final = CollectorRegistry()
"""What the indexing of this process has counted."""

_observer: Final = PrometheusIndexing(counts)
_made: dict[int, Application] = {}
_making = threading.Lock()


def application() -> Application:
    """This process's own."""
    with _making:
        if os.getpid() not in _made:
            _made[os.getpid()] = Application(settings_from_environment(), _observer, is_worker=True)
        return _made[os.getpid()]


def close_application() -> None:
    """Release what this process opened, if anything."""
    with _making:
        made = _made.pop(os.getpid(), None)
    if made is not None:
        made.close()
