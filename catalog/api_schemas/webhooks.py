"""Addresses that are told of jobs."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from catalog.api_schemas.fields import Answered, Taken, WebAddress
from catalog.api_schemas.jobs import JobAnswered


class WebhookTaken(Taken):
    """An address to be told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "https://shop.example/hooks/drape"}]})

    url: Annotated[WebAddress, Field(description="Its https address.")]


class DeliveryAnswered(Answered):
    """A message that was sent, or is to be."""

    id: Annotated[str, Field(description="The header `webhook-id`; the same at every try.")]
    type: Annotated[str, Field(examples=["job.finished"])]
    job: int
    created_at: datetime.datetime
    attempts: int
    last_error: str | None
    next_attempt_at: datetime.datetime | None
    delivered_at: datetime.datetime | None
    given_up_at: datetime.datetime | None


class WebhookAnswered(Answered):
    """An address that is told of jobs."""

    id: int
    url: str
    created_at: datetime.datetime
    deliveries: Annotated[tuple[DeliveryAnswered, ...], Field(description="The last five, the latest first.")]


class WebhookMade(WebhookAnswered):
    """A new one."""

    secret: Annotated[str, Field(description="What signs its messages. It is shown this once.")]


class WebhooksAnswered(Answered):
    """All of a merchant's."""

    webhooks: tuple[WebhookAnswered, ...]


class WebhookMessage(Answered):
    """What is sent, as the body of a POST."""

    id: Annotated[str, Field(examples=["msg_5f0c"])]
    type: Annotated[str, Field(description="`job.finished` or `job.failed`.")]
    created_at: datetime.datetime
    data: Annotated[JobAnswered, Field(description="The job as it ended, as `/v1/jobs/{id}` told it then.")]


def webhook_schemas() -> dict[str, Any]:
    """The JSON schema of what is taken, by its name, for the API's description."""
    return {WebhookTaken.__name__: WebhookTaken.model_json_schema(ref_template="#/components/schemas/{model}")}
