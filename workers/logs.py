"""What worker processes log: lines on a terminal, one JSON object a line everywhere else."""

from __future__ import annotations

import logging
from typing import Final, TextIO

from celery.signals import setup_logging

from catalog.adapters.process_logs import configure_logs

_QUIET: Final = ("celery.app.trace", "celery.beat", "celery.worker.request", "celery.worker.strategy", "kombu")
"""They tell of every message, and every few seconds of the sweep."""


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send what this process logs to one stream, each message with the fields that were given with it.

    Args:
        stream: Standard error if not given.
        level: The least important that is told.
    """
    configure_logs(stream, level, _QUIET)


def _configure(**_: object) -> None:
    configure()


def use_in_workers() -> None:
    """Have Celery leave the logging of its processes to ``configure``."""
    setup_logging.connect(_configure, weak=False)
