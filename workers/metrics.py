"""What a worker serves to Prometheus, where ``DRAPE_METRICS_PORT`` asks for it."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from celery import Celery
from celery.signals import beat_init, worker_ready
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from catalog.adapters.broker.celery_broker import waiting_messages
from catalog.adapters.prometheus_metrics import BacklogCollector
from catalog.settings import Settings
from workers.application import application, counts

_log = logging.getLogger(__name__)

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which ``prometheus_client`` knows where the processes of one worker put their counts together."""


class MetricsServer:
    """Serves what this worker has counted, and its children, once it is ready.

    Where the worker is ``beat``, how much waits for all workers is told, too: one of them asks for all.
    """

    def __init__(self, app: Celery, host: str, port: int) -> None:
        self._app = app
        self._address = (host, port)
        self._lock = threading.Lock()
        self._is_started = False
        if SHARED_FOLDER in os.environ:
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        else:
            self._registry = counts
        ProcessCollector(registry=self._registry)

    def start(self, **_: object) -> None:
        """Serve, if not yet."""
        with self._lock:
            if self._is_started:
                return
            self._is_started = True
        host, port = self._address
        try:
            start_http_server(port, host, self._registry)
        except OSError as error:
            _log.error("No metrics are served at %s:%s: %s", host, port, error)

    def start_with_backlog(self, **_: object) -> None:
        """Serve, and tell how much waits."""
        self._registry.register(
            BacklogCollector(lambda: application().status.backlogs(), lambda: waiting_messages(self._app))
        )
        self.start()


def serve_metrics(app: Celery, settings: Settings) -> None:
    """Have this worker serve them, where the settings name a port."""
    if settings.metrics_port is not None:
        server = MetricsServer(app, settings.metrics_host, settings.metrics_port)
        worker_ready.connect(server.start, weak=False)
        beat_init.connect(server.start_with_backlog, weak=False)
