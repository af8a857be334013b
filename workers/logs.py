"""What worker processes log: lines on a terminal, one JSON object a line everywhere else."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from celery.signals import setup_logging
from pythonjsonlogger.json import JsonFormatter

_QUIET: Final = ("celery.app.trace", "celery.beat", "celery.worker.request", "celery.worker.strategy", "kombu")
"""They tell of every message, and every few seconds of the sweep."""


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send what this process logs to one stream, each message with the fields that were given with it.

    Args:
        stream: Standard error if not given.
        level: The least important that is told.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    if target.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    else:
        fields = {"levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("%(levelname)s %(name)s %(process)d %(message)s", rename_fields=fields, timestamp="time")
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _configure(**_: object) -> None:
    configure()


def use_in_workers() -> None:
    """Have Celery leave the logging of its processes to ``configure``."""
    setup_logging.connect(_configure, weak=False)
