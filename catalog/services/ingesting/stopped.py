"""That the process was asked to end, as what ends an ingest in the middle."""

from __future__ import annotations


class Stopped(BaseException):
    """The process was asked to end. No failure of the ingest, whose job is interrupted by it."""
