"""Announcements as Celery messages."""

from __future__ import annotations

import logging
import threading
import time

from celery import Celery

from catalog.adapters.broker.celery_broker import UNREACHABLE, announce
from catalog.ports.announcements import WorkQueue

_log = logging.getLogger(__name__)

_SILENT_SECONDS = 10.0
"""Nothing is sent for so long after a failure: a broker that is down must not hold up every transaction."""


class CeleryAnnouncements:
    """Sends a small message where none waits in the queue. Where the broker is down, the sweep of ``beat`` makes up.

    Safe to use from several threads.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._silent_until = float("-inf")

    def announce(self, queue: WorkQueue) -> None:
        """Have one worker of the queue look for work."""
        with self._lock:
            if time.monotonic() < self._silent_until:
                return
        try:
            announce(self._app, queue)
        except UNREACHABLE as error:
            with self._lock:
                self._silent_until = time.monotonic() + _SILENT_SECONDS
            _log.warning("The broker cannot be reached; workers will find the work later: %s", error)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()
