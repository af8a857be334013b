"""What long-lived processes log: lines on a terminal, one JSON object a line everywhere else."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Collection
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter


def configure_logs(stream: TextIO | None = None, level: int = logging.INFO, quiet: Collection[str] = ()) -> None:
    """Send what this process logs to one stream, each message with the fields that were given with it.

    Args:
        stream: Standard error if not given.
        level: The least important that is told.
        quiet: Loggers of which only warnings and worse are told.
    """
    target = _standard_error() if stream is None else stream
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
    for name in quiet:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _standard_error() -> TextIO:
    """Standard error, by a descriptor of its own.

    The process's own is turned elsewhere while libraries load that write to it past Python. Log lines must not be late
    for that, nor be lost if the process ends meanwhile.
    """
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except io.UnsupportedOperation:
        # A stand-in, of which nothing is held back.
        return sys.stderr
    return os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors)
