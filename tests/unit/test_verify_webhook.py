"""Whose messages a merchant's server believes. Signatures are worked out here as Standard Webhooks describe them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from catalog.client import MessageNotTrusted, verify_webhook

NOW = 1_900_000_000
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = json.dumps(
    {
        "id": "msg_1",
        "type": "job.finished",
        "created_at": "2030-03-17T17:46:40Z",
        "data": {
            "id": 12,
            "kind": "ingest",
            "feed": "spring.csv",
            "state": "done",
            "counts": {"products_new": 3},
            "progress": {"done": 1, "total": 1, "unit": "B"},
            "is_cancelling": False,
            "error": None,
            "errors": [],
            "started_at": "2030-03-17T17:46:00Z",
            "updated_at": "2030-03-17T17:46:40Z",
            "finished_at": "2030-03-17T17:46:40Z",
            "images_waiting": 5,
        },
    }
).encode()


def signed(body: bytes = BODY, timestamp: object = NOW, key: bytes = KEY, **more: str) -> dict[str, str]:
    digest = hmac.new(key, f"msg_1.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": f"{timestamp}",
        "Webhook-Signature": "v1," + base64.b64encode(digest).decode(),
        "Content-Type": "application/json",
    } | {name.replace("_", "-"): value for name, value in more.items()}


def verified(headers, body=BODY, secret=SECRET, **options):
    return verify_webhook(headers, body, secret, clock=lambda: NOW, **options)


def test_a_message_of_drape_is_told_in_its_shape():
    message = verified(signed())
    assert (message.id, message.type, message.data.id, message.data.state) == ("msg_1", "job.finished", 12, "done")
    assert message.data.images_waiting == 5


def test_a_message_that_an_older_server_had_left_to_be_sent_is_told_too():
    """It does not say how many images wait."""
    message = json.loads(BODY)
    del message["data"]["images_waiting"]
    body = json.dumps(message).encode()
    assert verified(signed(body), body).data.images_waiting is None


def test_one_right_signature_among_several_is_enough():
    right = signed()["Webhook-Signature"]
    assert verified(signed(Webhook_Signature=f"v1,AAAA {right} v1a,é")).id == "msg_1"


@pytest.mark.parametrize(
    ("headers", "body", "secret", "why"),
    [
        (signed(), BODY + b" ", SECRET, "was changed"),
        (signed(key=b"another"), BODY, SECRET, "was changed"),
        (signed(Webhook_Id="msg_2"), BODY, SECRET, "was changed"),
        (signed(Webhook_Timestamp=f"{NOW + 1}"), BODY, SECRET, "was changed"),
        (signed(Webhook_Signature=""), BODY, SECRET, "is not signed"),
        (signed(Webhook_Signature="v1,"), BODY, SECRET, "was changed"),
        (signed(Webhook_Signature=signed()["Webhook-Signature"][3:]), BODY, SECRET, "was changed"),
        (signed(Webhook_Timestamp="soon"), BODY, SECRET, "is not signed"),
        (signed(Webhook_Timestamp="9" * 5000), BODY, SECRET, "is not signed"),
        (signed(Webhook_Timestamp="-1"), BODY, SECRET, "is not signed"),
        ({}, BODY, SECRET, "is not signed"),
        (signed(), BODY, "whsec_!", "secret is none"),
        (signed(), BODY, SECRET[:-1], "secret is none"),
        # What a setting that is missing may be read as.
        (signed(key=b""), BODY, "", "secret is none"),
        (signed(b"[]"), b"[]", SECRET, "shape"),
    ],
)
def test_what_was_forged_or_broken_is_not_believed(headers, body, secret, why):
    with pytest.raises(MessageNotTrusted, match=why):
        verified(headers, body, secret)


@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_message_that_is_sent_once_more_much_later_is_not_believed(age, is_taken):
    headers = signed(timestamp=NOW - age)
    if is_taken:
        assert verified(headers).id == "msg_1"
    else:
        with pytest.raises(MessageNotTrusted, match="too old"):
            verified(headers)
    assert verified(headers, tolerance=400).id == "msg_1"
