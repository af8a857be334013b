"""``/v1/jobs``: what takes long, listed, watched and cancelled."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from catalog.api_schemas.jobs import JobAnswered, JobsAnswered
from catalog.storefront.answers.jobs import job_answer
from catalog.storefront.authentication import require
from catalog.storefront.parts import Parts
from catalog.storefront.responses import ERRORS
from catalog.types import Caller, Scope

router = APIRouter(prefix="/v1/jobs")

POLL_SECONDS: Final = "1"
"""What clients are told to wait before they look again."""

Watcher = Annotated[Caller, Depends(require(Scope.INGEST, Scope.ADMIN))]
JobId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The job's id.", examples=[12])]


@router.get("", responses=ERRORS, summary="The latest jobs")
async def jobs(
    parts: Parts,
    caller: Watcher,
    limit: Annotated[int, Query(ge=1, le=100, description="How many.")] = 20,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Only jobs older than that of this id.")
    ] = None,
) -> JobsAnswered:
    """The merchant's jobs, newest first: feeds that were ingested over HTTP or otherwise, changes to other models."""
    found = await parts.calls.run(parts.jobs.of_merchant, caller.merchant_id, limit, before)
    return JobsAnswered(
        jobs=tuple(job_answer(job) for job in found), before=found[-1].id if len(found) == limit else None
    )


@router.get("/{job_id}", responses=ERRORS, summary="A job")
async def job(parts: Parts, caller: Watcher, job_id: JobId, response: Response) -> JobAnswered:
    """How far a job is and how it ended. While it has not, `Retry-After` says when to look again."""
    found = await parts.calls.run(parts.jobs.get, job_id, caller.merchant_id)
    waiting = await parts.calls.run(parts.jobs.images_waiting, caller.merchant_id)
    if found.finished_at is None or waiting:
        response.headers["Retry-After"] = POLL_SECONDS
    return job_answer(found, waiting)


@router.post("/{job_id}/cancel", status_code=202, responses=ERRORS, summary="Cancel a job")
async def cancel(parts: Parts, caller: Watcher, job_id: JobId) -> JobAnswered:
    """Ask a job to end: one that waits ends at once, one that runs after what it holds. What it has done stays."""
    await parts.calls.run(parts.jobs.cancel, job_id, caller.merchant_id)
    return job_answer(await parts.calls.run(parts.jobs.get, job_id, caller.merchant_id))
