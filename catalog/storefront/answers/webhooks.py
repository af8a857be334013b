"""Webhooks as the API tells of them."""

from __future__ import annotations

from catalog.api_schemas.webhooks import DeliveryAnswered, WebhookAnswered, WebhookMade
from catalog.repositories.webhooks import Delivery, Webhook
from catalog.services.webhooks import CreatedWebhook


def webhook_answer(webhook: Webhook) -> WebhookAnswered:
    """A webhook with what was sent there last."""
    deliveries = tuple(_delivery_answer(delivery) for delivery in webhook.deliveries)
    return WebhookAnswered(id=webhook.id, url=webhook.url, created_at=webhook.created_at, deliveries=deliveries)


def made_answer(created: CreatedWebhook) -> WebhookMade:
    """A new webhook with its secret."""
    return WebhookMade(**webhook_answer(created.webhook).model_dump(), secret=created.secret)


def _delivery_answer(delivery: Delivery) -> DeliveryAnswered:
    is_over = delivery.delivered_at is not None or delivery.given_up_at is not None
    return DeliveryAnswered(
        id=delivery.message_id,
        type=delivery.type,
        job=delivery.job_id,
        created_at=delivery.created_at,
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        next_attempt_at=None if is_over else delivery.due_at,
        delivered_at=delivery.delivered_at,
        given_up_at=delivery.given_up_at,
    )
