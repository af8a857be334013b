"""``POST /v1/feeds``: a feed is handed over, and becomes a job."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from catalog.api_schemas.feeds import FeedTaking
from catalog.api_schemas.jobs import JobAnswered
from catalog.services.ingesting.feed_submissions import FeedOptions
from catalog.storefront.answers.jobs import job_answer
from catalog.storefront.authentication import require
from catalog.storefront.bodies.feeds import UploadedFeed, read_feed
from catalog.storefront.parts import Parts, StorefrontParts
from catalog.storefront.responses import ERRORS
from catalog.storefront.routes.jobs import POLL_SECONDS
from catalog.types import Caller, Scope

router = APIRouter(prefix="/v1")

Feeder = Annotated[Caller, Depends(require(Scope.INGEST))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of the client's own: the same again hands the feed over once.",
        examples=["feed-2027-03-01"],
    ),
]

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/FeedByAddress"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["feed"],
                    "properties": {
                        "feed": {"type": "string", "format": "binary"},
                        "options": {"$ref": "#/components/schemas/FeedTaking"},
                    },
                },
                "encoding": {"options": {"contentType": "application/json"}},
            },
        },
    }
}


@router.post("/feeds", status_code=202, openapi_extra=_BODY, responses=ERRORS, summary="Hand over a feed")
async def hand_over(
    request: Request, response: Response, parts: Parts, caller: Feeder, idempotency_key: IdempotencyKey = None
) -> JobAnswered:
    """A feed by its address (`url`), or uploaded: multipart with a file part `feed` and, where wanted, a part `options`
    of JSON. Images are named by their addresses, or lie in the same ZIP archive as the feed.

    It is taken as a job, whose address is in `Location`. One at a time: while the catalog is being ingested, the answer
    is 409 `ingest_running`."""
    if idempotency_key is None:
        await parts.calls.run(parts.submissions.check_free, caller.merchant_id, caller.merchant)
    with parts.upload_turns.taken(caller.merchant_id):
        return await _handed_over(request, response, parts, caller, idempotency_key)


async def _handed_over(
    request: Request, response: Response, parts: StorefrontParts, caller: Caller, idempotency_key: str | None
) -> JobAnswered:
    async with read_feed(request, max_feed_bytes=parts.max_feed_bytes) as feed:
        if isinstance(feed, UploadedFeed):
            submission = await parts.uploads.run(
                parts.submissions.submit_upload,
                caller.merchant_id,
                caller.merchant,
                feed.file,
                feed.name,
                _options(feed.taking),
                idempotency_key,
            )
        else:
            submission = await parts.calls.run(
                parts.submissions.submit_address,
                caller.merchant_id,
                caller.merchant,
                feed.url,
                _options(feed),
                idempotency_key,
            )
    response.headers["Location"] = f"/v1/jobs/{submission.job.id}"
    response.headers["Retry-After"] = POLL_SECONDS
    return job_answer(submission.job)


def _options(taking: FeedTaking) -> FeedOptions:
    return FeedOptions(
        full_sync=taking.full_sync,
        max_removal=taking.max_removal,
        attributes_as_given=taking.attributes_as_given,
        dialect=taking.dialect,
        currency=None if taking.currency is None else taking.currency.upper(),
    )
