"""The Celery application that ``celery -A workers.app`` finds; ``drape worker`` starts it with the flags it needs."""

from __future__ import annotations

import warnings
from typing import Final

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import worker_process_shutdown, worker_shutdown

from catalog.adapters.broker.broker_url import require_broker_url
from catalog.adapters.broker.celery_broker import celery_app
from catalog.bootstrap import settings_from_environment
from workers.application import close_application
from workers.logs import use_in_workers
from workers.metrics import serve_metrics
from workers.own_beat import add_option
from workers.sweep import SweepScheduler, sweep_schedule
from workers.tasks import add_tasks

# It says that tasks go on while the broker is away, which is what was asked for.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module="celery")


def make_app() -> Celery:
    """The application with its tasks and what ``beat`` sends.

    Raises:
        InvalidRequest: no broker is configured, or one that is not Redis.
    """
    settings = settings_from_environment()
    app = celery_app(require_broker_url(settings.broker_url))
    add_tasks(app)
    add_option(app)
    serve_metrics(app, settings)
    app.conf.update(
        worker_redirect_stdouts=False,
        beat_scheduler=f"{SweepScheduler.__module__}:{SweepScheduler.__name__}",
        beat_schedule=sweep_schedule(
            settings.sweep_seconds, settings.reconcile_at, has_queries=settings.query_embedder == "worker"
        ),
    )
    return app


def _close(**_: object) -> None:
    close_application()


# A process of its own, or a child of a pool. Celery would forget a receiver that nothing else refers to.
worker_shutdown.connect(_close, weak=False)
worker_process_shutdown.connect(_close, weak=False)

use_in_workers()

app: Final = make_app()
