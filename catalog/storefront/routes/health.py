"""What operators and their machines ask: ``/healthz``, ``/readyz``, ``/metrics``. None of it needs a key."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from catalog.api_schemas.health import CheckAnswered, HealthAnswered, ReadyAnswered
from catalog.storefront.parts import Parts

router = APIRouter()


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> HealthAnswered:
    """The process answers; it asks nothing else."""
    return HealthAnswered()


@router.get("/readyz", responses={503: {"model": ReadyAnswered}}, summary="Whether searches can be answered")
async def readyz(parts: Parts, response: Response) -> ReadyAnswered:
    """Asks PostgreSQL, the vector index and the image store, and tells which of them is down."""
    checks = await parts.calls.run(parts.readiness.checks)
    is_ready = all(check.is_ok for check in checks)
    if not is_ready:
        response.status_code = 503
    return ReadyAnswered(
        ready=is_ready,
        checks=tuple(CheckAnswered(name=check.name, ok=check.is_ok, why=check.why) for check in checks),
    )


@router.get("/metrics", response_class=Response, summary="What Prometheus reads")
async def metrics(parts: Parts) -> Response:
    """Requests by route and status, how long they took, and how long searches were in each stage."""
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE_LATEST)
