"""Messages of webhooks, on the side that is told."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import ValidationError

from catalog.api_schemas.webhooks import WebhookMessage
from catalog.client.errors import MessageNotTrusted
from catalog.webhook_signature import signature

_MOST_DIGITS: Final = 18

TOLERANCE_SECONDS: Final = 300.0
"""What is older, or from further in the future, may be a message that somebody sends once more."""


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    *,
    tolerance: float = TOLERANCE_SECONDS,
    clock: Callable[[], float] = time.time,
) -> WebhookMessage:
    """What a message says, once it is certain that Drape sent it, and lately.

    A message may come twice, under the same ``id``.

    Args:
        headers: Of the request, in any case.
        body: The request's bytes as they came; JSON that was read and written again is signed otherwise.
        secret: What the webhook was made with.
        tolerance: Seconds that the clocks of both sides, and the way, may take.
        clock: Seconds since 1970.

    Raises:
        MessageNotTrusted: as its name says.
    """
    told = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        told.get(f"webhook-{name}", "").strip() for name in ("id", "timestamp", "signature")
    )
    if not (
        message_id and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MOST_DIGITS and signatures
    ):
        raise MessageNotTrusted(
            "The message is not signed",
            received=", ".join(sorted(name for name in told if name.startswith("webhook-"))) or "no header of webhooks",
            expected="the headers webhook-id, webhook-timestamp (seconds since 1970) and webhook-signature",
        )
    try:
        right = signature(secret, message_id, int(timestamp), body).encode()
    except ValueError as error:
        raise MessageNotTrusted(
            "The secret is none", received=f"{len(secret)} characters", expected="whsec_ and base64"
        ) from error
    # Several stand side by side while a secret is changed.
    if not any(hmac.compare_digest(one.encode(), right) for one in signatures.split()):
        raise MessageNotTrusted(
            "The message was not signed with this secret, or was changed on its way",
            received=f"the message {message_id[:100]}",
            expected="a signature of its bytes as they came",
            remedy="verify the body before it is parsed, with the secret that this webhook was made with",
        )
    if abs(clock() - int(timestamp)) > tolerance:
        raise MessageNotTrusted(
            "The message is too old, or the clocks differ",
            received=f"a message of {timestamp}",
            expected=f"one of at most {tolerance:g} s ago",
            remedy="set the clock, or refuse it: it is sent again with a new time",
        )
    try:
        return WebhookMessage.model_validate_json(body)
    except ValidationError as error:
        raise MessageNotTrusted(
            "The message is of a shape that this client does not know",
            received=body[:100].decode(errors="replace"),
            expected=f"a message about a job; {error.errors()[0]['msg']}",
        ) from error
