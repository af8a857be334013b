"""A job as its merchant is told of it, over HTTP and by webhooks: how far it is and how it ended, in plain values."""

from __future__ import annotations

import datetime
from typing import Any, Final

from catalog.errors import (
    DrapeError,
    FeedUnreadable,
    GalleryRejected,
    InvalidRequest,
    RemovalRefused,
)
from catalog.ports.remote_files import FetchFailed, FetchRefused
from catalog.repositories.jobs import Job

_TELLABLE: Final = frozenset(
    kind.__name__
    for kind in (DrapeError, FeedUnreadable, FetchFailed, FetchRefused, GalleryRejected, InvalidRequest, RemovalRefused)
)
"""Errors that are about what was asked for. Facts of others name hosts and folders, which operators are told of."""


def job_facts(job: Job) -> dict[str, Any]:
    """JSON-serialisable, of what ``request`` holds nothing: it may name folders."""
    return {
        "id": job.id,
        "kind": job.kind,
        "feed": _feed(job),
        "state": job.state.value,
        "counts": dict(job.counts),
        "progress": {"done": job.done, "total": job.total, "unit": job.unit},
        "is_cancelling": job.is_cancelled and job.finished_at is None,
        "error": _error(job),
        "errors": [dict(error) for error in job.errors or ()],
        "started_at": _time(job.started_at),
        "updated_at": _time(job.updated_at),
        "finished_at": None if job.finished_at is None else _time(job.finished_at),
    }


def _feed(job: Job) -> str | None:
    """The feed's address, or its name without folders; None of jobs that take none."""
    if job.kind != "ingest":
        return None
    return job.subject if "://" in job.subject else job.subject.rpartition("/")[2]


def _error(job: Job) -> str | None:
    if job.error is None:
        return None
    if job.error_kind in _TELLABLE:
        return job.error
    if job.error_kind is None and job.finished_at is not None and job.error.startswith("the process ended"):
        return job.error
    return f"Something went wrong here; the operator finds out what by: drape jobs follow {job.id}"


def _time(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).isoformat()
