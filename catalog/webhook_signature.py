"""Signatures of webhooks' messages, as Standard Webhooks say.

https://github.com/standard-webhooks/standard-webhooks: the headers ``webhook-id``, ``webhook-timestamp`` (seconds since
1970) and ``webhook-signature``, which is ``v1,`` and the base64 of the HMAC-SHA256, under the secret's bytes, of
``ID.TIMESTAMP.BODY``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

SECRET_PREFIX: Final = "whsec_"
_FEWEST_BYTES: Final = 24
"""Of a secret, as Standard Webhooks want it; an empty one, of a setting that is missing, everybody could sign with."""


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """What the header ``webhook-signature`` says.

    Args:
        secret: With its prefix.
        timestamp: Seconds since 1970.

    Raises:
        ValueError: the secret is none.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    if len(key) < _FEWEST_BYTES:
        raise ValueError(f"a secret needs {_FEWEST_BYTES} bytes, received {len(key)}")
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
