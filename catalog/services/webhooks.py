"""Webhooks: a merchant's servers are told when a job has ended, signed as Standard Webhooks say."""

from __future__ import annotations

import base64
import datetime
import logging
import random
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from catalog.errors import InvalidRequest, WebhookNotFound
from catalog.ports.remote_files import FetchFailed, FetchRefused
from catalog.ports.remote_posts import RemotePosts
from catalog.repositories.webhooks import ClaimedDelivery, Webhook
from catalog.unit_of_work import UnitOfWorkFactory
from catalog.webhook_signature import SECRET_PREFIX, signature

MOST_WEBHOOKS: Final = 10
LONGEST_URL: Final = 2_000
_SECRET_BYTES: Final = 32

WAITS: Final = tuple(datetime.timedelta(seconds=seconds) for seconds in (10, 60, 600, 3600))
"""What comes between the tries, of which there is one more."""

LEASE: Final = datetime.timedelta(minutes=2)
"""A message whose sender has said nothing for so long is sent by another. More than sending may take."""

SENT_AT_ONCE: Final = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CreatedWebhook:
    """A new webhook with its secret, which is shown this once."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentMessages:
    """What came of a run of sending: messages that arrived, will be tried again, and were given up."""

    num_delivered: int = 0
    num_postponed: int = 0
    num_given_up: int = 0


class WebhookService:
    """Keeps webhooks and sends what is to be sent to them.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, posts: RemotePosts, clock: Callable[[], float] = time.time
    ) -> None:
        self._unit_of_work = unit_of_work
        self._posts = posts
        self._clock = clock

    def add(self, merchant: str, url: str) -> CreatedWebhook:
        """Have an address told of the merchant's jobs from now on.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: nothing may be sent there, it is told already, or there are too many.
        """
        if len(url) > LONGEST_URL or not url.isprintable():
            raise InvalidRequest(
                "This cannot be the address of a webhook",
                received=ascii(url[:100]),
                expected=f"an https address of at most {LONGEST_URL:,} characters",
            )
        try:
            self._posts.check(url)
        except (FetchRefused, FetchFailed) as error:
            raise InvalidRequest(
                f"This cannot be the address of a webhook. {error.message}",
                received=error.received,
                expected=error.expected,
                remedy=error.remedy,
            ) from error
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            work.merchants.lock(merchant_id)
            number = work.webhooks.count(merchant_id)
            if number >= MOST_WEBHOOKS:
                raise InvalidRequest(
                    "The merchant has as many webhooks as can be",
                    received=f"{number + 1} webhooks",
                    expected=f"at most {MOST_WEBHOOKS}",
                    remedy="remove one",
                )
            webhook_id = work.webhooks.add(merchant_id, url, secret)
            if webhook_id is None:
                raise InvalidRequest(
                    "This address is told already",
                    received=url,
                    expected="another address",
                    remedy="remove the webhook first, if its secret was lost",
                )
            (made,) = [hook for hook in work.webhooks.listed(merchant_id) if hook.id == webhook_id]
            work.commit()
        return CreatedWebhook(made, secret)

    def listed(self, merchant: str | None = None) -> list[Webhook]:
        """The webhooks, of one merchant or of all, with the last that was to be sent there.

        Raises:
            MerchantNotFound: no such merchant.
        """
        with self._unit_of_work() as work:
            return work.webhooks.listed(None if merchant is None else work.merchants.id_of(merchant))

    def remove(self, webhook_id: int, merchant: str | None = None) -> None:
        """Tell an address no more, nor what was still to be sent there.

        Args:
            merchant: Whose it must be; None takes anybody's.

        Raises:
            MerchantNotFound: no such merchant.
            WebhookNotFound: no webhook has this id.
        """
        with self._unit_of_work() as work:
            merchant_id = None if merchant is None else work.merchants.id_of(merchant)
            if not work.webhooks.remove(webhook_id, merchant_id):
                raise WebhookNotFound(
                    "No such webhook",
                    received=str(webhook_id),
                    expected="the id of a webhook",
                    remedy="drape webhooks list shows them",
                )
            work.commit()

    def run_due(self, stop: Callable[[], bool] = lambda: False) -> SentMessages:
        """Send what is due until nothing is. A message may arrive twice, under the same id; none is lost."""
        summary = SentMessages()
        with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="hook") as threads:
            while not stop():
                with self._unit_of_work() as work:
                    claims = work.webhooks.claim(SENT_AT_ONCE, LEASE)
                    work.commit()
                if not claims:
                    break
                for claim, error in zip(claims, threads.map(self._send, claims), strict=True):
                    summary = self._note(claim, error, summary)
        return summary

    def _send(self, claim: ClaimedDelivery) -> str | None:
        """Why it did not arrive, or None."""
        timestamp = int(self._clock())
        body = claim.body.encode()
        try:
            headers = {
                "Content-Type": "application/json",
                "webhook-id": claim.message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(claim.secret, claim.message_id, timestamp, body),
            }
            status = self._posts.post(claim.url, body, headers)
        except (FetchRefused, FetchFailed) as error:
            return str(error)
        except Exception:  # noqa: BLE001 - it must not be tried for ever, nor keep others from being noted as sent.
            _log.exception("The message %s to a webhook could not be sent", claim.message_id)
            return "received: an error that the operator's log tells; expected: an answer"
        return None if 200 <= status < 300 else f"received: status {status}; expected: 200 to 299"

    def _note(self, claim: ClaimedDelivery, error: str | None, summary: SentMessages) -> SentMessages:
        wait = None
        with self._unit_of_work() as work:
            if error is None:
                work.webhooks.delivered(claim)
            else:
                wait = retry_wait(claim.attempts, random.random())
                work.webhooks.failed(claim, error, wait)
            work.commit()
        return SentMessages(
            summary.num_delivered + (error is None),
            summary.num_postponed + (wait is not None),
            summary.num_given_up + (error is not None and wait is None),
        )


def retry_wait(attempts: int, jitter: float) -> datetime.timedelta | None:
    """How long a message waits after its n-th try has failed, spread by a jitter in [0, 1); None after the last.

    >>> retry_wait(1, 0.0).total_seconds(), retry_wait(2, 0.5).total_seconds(), retry_wait(5, 0.0)
    (10.0, 66.0, None)
    """
    if attempts > len(WAITS):
        return None
    return WAITS[attempts - 1] * (1 + jitter / 5)
