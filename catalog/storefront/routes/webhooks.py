"""``/v1/webhooks``: who is told when a job has ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from catalog.api_schemas.webhooks import (
    WebhookMade,
    WebhookMessage,
    WebhooksAnswered,
    WebhookTaken,
)
from catalog.storefront.answers.webhooks import made_answer, webhook_answer
from catalog.storefront.authentication import require
from catalog.storefront.bodies.json_shapes import described, read_json
from catalog.storefront.parts import Parts
from catalog.storefront.responses import ERRORS
from catalog.types import Caller, Scope

router = APIRouter(prefix="/v1/webhooks")
messages = APIRouter()

Administrator = Annotated[Caller, Depends(require(Scope.ADMIN))]


@messages.post(
    "{$request.body#/url}",
    status_code=204,
    responses={"4XX": {"description": "Is tried again."}, "5XX": {"description": "Is tried again."}},
    summary="A job has ended",
)
def job_ended(message: WebhookMessage) -> None:
    """Sent to every webhook of the job's merchant, signed as Standard Webhooks say: the headers `webhook-id`,
    `webhook-timestamp` and `webhook-signature` (`v1,` and the base64 of the HMAC-SHA256 of `ID.TIMESTAMP.BODY`, under
    the bytes that the secret's base64 stands for). Answer with a status of 200 to 299 soon. Everything else is tried
    again, five times in all within about an hour and a quarter; a message may also arrive twice, under the same id."""


@router.get("", responses=ERRORS, summary="The webhooks")
async def webhooks(parts: Parts, caller: Administrator) -> WebhooksAnswered:
    """The addresses that are told when a job has ended, with what was sent there last and how that went."""
    found = await parts.calls.run(parts.webhooks.listed, caller.merchant)
    return WebhooksAnswered(webhooks=tuple(webhook_answer(webhook) for webhook in found))


@router.post(
    "",
    status_code=201,
    responses=ERRORS,
    callbacks=messages.routes,
    openapi_extra=described(WebhookTaken),
    summary="Have an address told of jobs",
)
async def add(request: Request, parts: Parts, caller: Administrator, response: Response) -> WebhookMade:
    """Tell this address of every job that ends from now on. The answer has the secret that signs what is sent."""
    taken = await read_json(request, WebhookTaken)
    made = await parts.fetches.run(parts.webhooks.add, caller.merchant, taken.url)
    response.headers["Location"] = f"/v1/webhooks/{made.webhook.id}"
    return made_answer(made)


@router.delete("/{webhook_id}", status_code=204, responses=ERRORS, summary="Have an address told no more")
async def remove(
    parts: Parts, caller: Administrator, webhook_id: Annotated[int, Path(ge=1, le=2**63 - 1, description="Its id.")]
) -> None:
    """Forget an address, and what was still to be sent there."""
    await parts.calls.run(parts.webhooks.remove, webhook_id, caller.merchant)
