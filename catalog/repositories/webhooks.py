"""Webhooks, and what is to be sent to them. Times are PostgreSQL's."""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.repositories.job_facts import job_facts
from catalog.repositories.jobs import Job, JobKind
from catalog.repositories.row_counts import num_rows
from catalog.rows import MerchantRow, WebhookDeliveryRow, WebhookRow
from catalog.types import JobState

DAYS_KEPT: Final = 30
"""So long deliveries that were made or given up can be looked at."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something sent to a webhook, or to be sent.

    Args:
        attempts: Tries so far.
        last_error: Why the last try failed, if it did.
        due_at: When it is tried next, while it is neither delivered nor given up.
    """

    message_id: str
    type: str
    job_id: int
    created_at: datetime.datetime
    attempts: int
    last_error: str | None
    due_at: datetime.datetime
    delivered_at: datetime.datetime | None
    given_up_at: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of jobs, with the last that was to be sent there, the latest first."""

    id: int
    merchant: str
    url: str
    created_at: datetime.datetime
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """Something that somebody is to send now; ``attempts`` includes this try."""

    id: int
    message_id: str
    body: str
    attempts: int
    url: str
    secret: str = field(repr=False)


class WebhookRepository:
    """Questions about webhooks."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, merchant_id: int, url: str, secret: str) -> int | None:
        """The id of a new webhook; None where the merchant has one of that address."""
        return self._session.execute(
            insert(WebhookRow)
            .values(merchant_id=merchant_id, url=url, secret=secret)
            .on_conflict_do_nothing()
            .returning(WebhookRow.id)
        ).scalar_one_or_none()

    def count(self, merchant_id: int) -> int:
        """How many the merchant has."""
        asked = select(func.count()).where(WebhookRow.merchant_id == merchant_id)
        return self._session.execute(asked).scalar_one()

    def remove(self, webhook_id: int, merchant_id: int | None = None) -> bool:
        """Forget a webhook, of this merchant or of anybody, and what was to be sent there; whether there was one."""
        removal = delete(WebhookRow).where(WebhookRow.id == webhook_id)
        if merchant_id is not None:
            removal = removal.where(WebhookRow.merchant_id == merchant_id)
        return num_rows(self._session.execute(removal)) == 1

    def listed(self, merchant_id: int | None = None, num_deliveries: int = 5) -> list[Webhook]:
        """The webhooks, of one merchant or of all."""
        hooks = (
            select(WebhookRow.id, MerchantRow.name, WebhookRow.url, WebhookRow.created_at)
            .join(MerchantRow, MerchantRow.id == WebhookRow.merchant_id)
            .order_by(WebhookRow.id)
        )
        if merchant_id is not None:
            hooks = hooks.where(WebhookRow.merchant_id == merchant_id)
        return [Webhook(*row, self._deliveries(row.id, num_deliveries)) for row in self._session.execute(hooks)]

    def note(self, jobs: Sequence[Job], images_waiting: Callable[[int], int]) -> int:
        """Have the merchants of jobs that have just ended told of that, once this transaction commits; how many.

        Args:
            images_waiting: How many images of the merchant of this id wait; asked only where somebody is told.
        """
        number = 0
        for job in jobs:
            if job.kind == JobKind.REMOVAL:
                # Of single products: whoever removes one knows when that is done.
                continue
            hooks = select(WebhookRow.id).where(WebhookRow.merchant_id == job.merchant_id)
            hook_ids = list(self._session.execute(hooks).scalars())
            if not hook_ids:
                continue
            number += len(hook_ids)
            self._forget_old(hook_ids)
            message_id = f"msg_{secrets.token_hex(16)}"
            kind = "job.finished" if job.state is JobState.DONE else "job.failed"
            assert job.finished_at is not None
            told = {
                "id": message_id,
                "type": kind,
                "created_at": job.finished_at.astimezone(datetime.UTC).isoformat(),
                "data": {**job_facts(job), "images_waiting": images_waiting(job.merchant_id)},
            }
            values = {"message_id": message_id, "type": kind, "job_id": job.id, "body": json.dumps(told)}
            self._session.execute(insert(WebhookDeliveryRow), [{"webhook_id": one, **values} for one in hook_ids])
        return number

    def claim(self, limit: int, lease: datetime.timedelta) -> list[ClaimedDelivery]:
        """Take what is due longest and nobody is sending."""
        due = (
            select(WebhookDeliveryRow.id)
            .where(
                _is_open(),
                WebhookDeliveryRow.due_at <= func.now(),
                or_(WebhookDeliveryRow.lease_until.is_(None), WebhookDeliveryRow.lease_until < func.now()),
            )
            .order_by(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claimed = self._session.execute(
            update(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.id == due.c.id)
            .values(lease_until=func.now() + lease, attempts=WebhookDeliveryRow.attempts + 1)
            .returning(WebhookDeliveryRow.id)
            .execution_options(synchronize_session=False)
        ).scalars()
        rows = self._session.execute(
            select(
                WebhookDeliveryRow.id,
                WebhookDeliveryRow.message_id,
                WebhookDeliveryRow.body,
                WebhookDeliveryRow.attempts,
                WebhookRow.url,
                WebhookRow.secret,
            )
            .join(WebhookRow, WebhookRow.id == WebhookDeliveryRow.webhook_id)
            .where(WebhookDeliveryRow.id.in_(list(claimed)))
            .order_by(WebhookDeliveryRow.id)
        )
        return [ClaimedDelivery(*row) for row in rows]

    def delivered(self, claim: ClaimedDelivery) -> None:
        """Note that it has arrived."""
        self._end(claim, delivered_at=func.now(), last_error=None)

    def failed(self, claim: ClaimedDelivery, error: str, wait: datetime.timedelta | None) -> None:
        """Note why it has not arrived.

        Args:
            wait: How long until the next try; None where there is none.
        """
        if wait is None:
            self._end(claim, given_up_at=func.now(), last_error=error)
        else:
            self._end(claim, due_at=func.now() + wait, last_error=error)

    def _end(self, claim: ClaimedDelivery, **values: Any) -> None:  # noqa: ANN401 - of columns.
        ended = update(WebhookDeliveryRow).where(
            WebhookDeliveryRow.id == claim.id, WebhookDeliveryRow.attempts == claim.attempts
        )
        self._session.execute(ended.values(lease_until=None, **values).execution_options(synchronize_session=False))

    def _forget_old(self, hook_ids: Sequence[int]) -> None:
        old = func.now() - datetime.timedelta(days=DAYS_KEPT)
        self._session.execute(
            delete(WebhookDeliveryRow).where(
                WebhookDeliveryRow.webhook_id.in_(hook_ids), WebhookDeliveryRow.created_at < old, ~_is_open()
            )
        )

    def _deliveries(self, webhook_id: int, number: int) -> tuple[Delivery, ...]:
        rows = self._session.execute(
            select(
                WebhookDeliveryRow.message_id,
                WebhookDeliveryRow.type,
                WebhookDeliveryRow.job_id,
                WebhookDeliveryRow.created_at,
                WebhookDeliveryRow.attempts,
                WebhookDeliveryRow.last_error,
                WebhookDeliveryRow.due_at,
                WebhookDeliveryRow.delivered_at,
                WebhookDeliveryRow.given_up_at,
            )
            .where(WebhookDeliveryRow.webhook_id == webhook_id)
            .order_by(WebhookDeliveryRow.id.desc())
            .limit(number)
        )
        return tuple(Delivery(*row) for row in rows)


def _is_open() -> ColumnElement[bool]:
    return and_(WebhookDeliveryRow.delivered_at.is_(None), WebhookDeliveryRow.given_up_at.is_(None))
