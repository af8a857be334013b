"""The sweep of a worker that does everything: in a thread of its own.

Celery's own ``--beat`` starts a process, which lives on, and announces to nobody, where the worker is killed.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, bootsteps
from celery.beat import EmbeddedService
from click import Option


class OwnBeat(bootsteps.StartStopStep):
    """Announces again what was missed, for as long as its worker lives."""

    def __init__(self, worker: Any, with_beat: bool = False, **options: Any) -> None:  # noqa: ANN401 - Celery's.
        super().__init__(worker, **options)
        self.enabled = with_beat
        self._app: Celery = worker.app

    def start(self, worker: Any) -> None:  # noqa: ANN401, ARG002 - Celery's.
        """Begin."""
        # A thread that is a daemon: it ends with the process, whatever ends that.
        # Named, for by itself it takes one that writes a file.
        EmbeddedService(self._app, thread=True, scheduler_cls=self._app.conf.beat_scheduler).start()


def add_option(app: Celery) -> None:
    """Have ``celery worker`` take ``--with-beat``."""
    app.user_options["worker"].add(Option(["--with-beat"], is_flag=True, help="Announce again what was missed, too."))
    app.steps["worker"].add(OwnBeat)
