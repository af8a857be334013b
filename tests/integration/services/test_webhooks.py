"""Webhooks: written with the end of the job, signed, tried again, and never at an address where nothing may be sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from catalog.adapters.http.fetch_allow_list import FetchAllowList
from catalog.adapters.http.http_files import HttpFiles
from catalog.client import verify_webhook
from catalog.errors import FeedUnreadable, InvalidRequest, WebhookNotFound
from catalog.ports.announcements import OwnAnnouncements, WorkQueue
from catalog.repositories.jobs import JobKind
from catalog.services.jobs import JobService
from catalog.services.webhooks import WebhookService, retry_wait
from catalog.types import JobState
from catalog.unit_of_work import UnitOfWork
from catalog.webhook_signature import signature

NOW = 1_900_000_000.5


@dataclass
class Receiver:
    """A server that notes what it is told, and answers with the statuses it was given, the last one again and again."""

    statuses: list[int] = field(default_factory=lambda: [204])
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?shop=1"


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def merchant_id(shop) -> int:
    with shop.unit_of_work() as work:
        work.merchants.ensure("rival")
        merchant_id = work.merchants.ensure("atelier")
        work.commit()
    return merchant_id


@pytest.fixture
def webhooks(shop, merchant_id, receiver) -> Iterator[WebhookService]:
    files = HttpFiles(FetchAllowList.parse(f"127.0.0.1:{receiver.port}"))
    yield WebhookService(shop.unit_of_work, files, lambda: NOW)
    files.close()


def end_job(shop, merchant_id: int, error: Exception | None = None, *, commit: bool = True) -> int:
    with shop.unit_of_work() as work:
        job_id = work.jobs.start(merchant_id, JobKind.INGEST, "/srv/feeds/spring.csv", {}, "B")
        state = JobState.DONE if error is None else JobState.FAILED
        work.jobs.end(job_id, state, {"products_new": 3}, error)
        if commit:
            work.commit()
    return job_id


def make_due(shop) -> None:
    """Have what waits for another try wait no more."""
    with shop.engine.begin() as connection:
        connection.execute(text("UPDATE webhook_delivery SET due_at = now(), lease_until = NULL"))


def test_what_is_sent_is_the_job_signed_with_the_secret(shop, merchant_id, webhooks, receiver):
    """The signature is worked out here as Standard Webhooks describe it."""
    secret = webhooks.add("atelier", receiver.url).secret
    job_id = end_job(shop, merchant_id)
    assert webhooks.run_due().num_delivered == 1
    ((headers, body),) = receiver.told
    message = json.loads(body)
    assert (message["type"], message["data"]["id"], message["data"]["state"]) == ("job.finished", job_id, "done")
    assert message["data"]["feed"] == "spring.csv"
    assert headers["webhook-id"] == message["id"]
    assert headers["webhook-timestamp"] == "1900000000"
    assert headers["content-type"] == "application/json"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    digest = hmac.new(key, f"{message['id']}.1900000000.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert verify_webhook(headers, body, secret, clock=lambda: NOW).data.id == job_id
    assert webhooks.run_due().num_delivered == 0


def test_a_message_tells_how_many_images_wait_until_all_is_searchable(shop, merchant_id, webhooks, receiver):
    """As the API tells it: one image is there and to be indexed, two are to be fetched. A rival is told of its own."""
    secret = webhooks.add("atelier", receiver.url).secret
    with shop.unit_of_work() as work:
        rival_id = work.merchants.id_of("rival")
        work.webhooks.add(rival_id, receiver.url, secret)
        work.commit()
    sources = [shop.photo("red.png", "red"), "https://cdn.example/a.png", "https://cdn.example/b.png"]
    shop.ingest([{"id": f"P{at}", "title": "Item", "image": source} for at, source in enumerate(sources)])
    assert webhooks.run_due().num_delivered == 1
    ((headers, body),) = receiver.told
    assert verify_webhook(headers, body, secret, clock=lambda: NOW).data.images_waiting == 3
    assert JobService(shop.unit_of_work).images_waiting(merchant_id) == 3
    rivals = end_job(shop, rival_id)
    shop.indexing.run(merchant_id)
    failed = end_job(shop, merchant_id, FeedUnreadable("The feed spring.csv is empty."))
    assert webhooks.run_due().num_delivered == 2
    # They are sent at the same time.
    told = {body["data"]["id"]: body["data"]["images_waiting"] for body in bodies(receiver)[1:]}
    assert told == {rivals: 0, failed: 2}


def test_the_signature_is_that_of_the_published_example():
    """From the description of Standard Webhooks."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


def test_each_merchant_is_told_of_its_own_jobs(shop, merchant_id, webhooks, receiver):
    webhooks.add("rival", receiver.url)
    end_job(shop, merchant_id)
    assert webhooks.run_due().num_delivered == 0
    with pytest.raises(WebhookNotFound):
        webhooks.remove(1, "atelier")
    webhooks.remove(1, "rival")
    assert webhooks.listed() == []


def test_nothing_is_told_of_what_was_rolled_back_and_all_of_what_was_not(shop, merchant_id, webhooks, receiver):
    """The message is there with the end of the job, whatever becomes of the process that ended it."""
    webhooks.add("atelier", receiver.url)
    end_job(shop, merchant_id, commit=False)
    failed = end_job(shop, merchant_id, FeedUnreadable("The feed spring.csv is empty."))
    with shop.unit_of_work() as work:
        died = work.jobs.start(merchant_id, JobKind.INGEST, "summer.csv", {}, "B")
        work.commit()
    with shop.unit_of_work() as work:
        work.jobs.end_lockless()
        work.commit()
    assert webhooks.run_due().num_delivered == 2
    told = {(body["data"]["id"], body["type"], body["data"]["state"]) for body in bodies(receiver)}
    assert told == {(failed, "job.failed", "failed"), (died, "job.failed", "interrupted")}


def bodies(receiver):
    return [json.loads(body) for _, body in receiver.told]


def test_who_was_killed_while_sending_is_followed_by_another_when_the_lease_ends(shop, merchant_id, webhooks, receiver):
    webhooks.add("atelier", receiver.url)
    end_job(shop, merchant_id)
    with shop.unit_of_work() as work:
        (claim,) = work.webhooks.claim(4, retry_wait(4, 0.0))
        work.commit()
    assert webhooks.run_due().num_delivered == 0
    make_due(shop)
    assert webhooks.run_due().num_delivered == 1
    assert receiver.told[0][0]["webhook-id"] == claim.message_id


def test_what_does_not_arrive_is_tried_again_under_the_same_id_and_given_up_in_the_end(
    shop, merchant_id, webhooks, receiver
):
    """No redirect is followed, however it is answered."""
    receiver.statuses = [500, 302, 400, 503, 410]
    webhooks.add("atelier", receiver.url)
    end_job(shop, merchant_id)
    for number in range(1, 5):
        assert webhooks.run_due().num_postponed == 1
        assert webhooks.run_due().num_postponed == 0
        (delivery,) = webhooks.listed()[0].deliveries
        assert (delivery.attempts, delivery.given_up_at) == (number, None)
        assert delivery.due_at > delivery.created_at
        make_due(shop)
    assert webhooks.run_due().num_given_up == 1
    make_due(shop)
    assert webhooks.run_due().num_given_up == 0
    (delivery,) = webhooks.listed()[0].deliveries
    assert delivery.given_up_at is not None
    assert "status 410" in delivery.last_error
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    assert len(receiver.told) == 5


def test_a_dead_receiver_does_not_keep_the_others_from_being_told(shop, merchant_id, webhooks, receiver):
    with receiving() as dead:
        address = dead.url
    with shop.unit_of_work() as work:
        # As if it had been allowed once.
        work.webhooks.add(merchant_id, address, "whsec_" + base64.b64encode(bytes(32)).decode())
        work.webhooks.add(merchant_id, "https://10.0.0.1/", "whsec_" + base64.b64encode(bytes(32)).decode())
        work.commit()
    webhooks.add("atelier", receiver.url)
    end_job(shop, merchant_id)
    sent = webhooks.run_due()
    assert (sent.num_delivered, sent.num_postponed) == (1, 2)
    errors = {hook.url: hook.deliveries[0].last_error for hook in webhooks.listed()}
    assert errors[receiver.url] is None
    assert "not on the public internet" in errors["https://10.0.0.1/"]


def test_a_message_that_nobody_foresaw_to_fail_is_given_up_and_the_others_are_told(
    shop, merchant_id, webhooks, receiver, caplog
):
    """A secret that is no base64: whoever wrote it into the database. No secret is logged."""
    with shop.unit_of_work() as work:
        work.webhooks.add(merchant_id, "https://93.184.216.34/", "whsec_x")
        work.commit()
    made = webhooks.add("atelier", receiver.url)
    end_job(shop, merchant_id)
    assert (first := webhooks.run_due()).num_delivered == 1
    assert first.num_postponed == 1
    for _ in range(3):
        make_due(shop)
        assert webhooks.run_due().num_postponed == 1
    make_due(shop)
    assert webhooks.run_due().num_given_up == 1
    (told,) = [hook for hook in webhooks.listed() if hook.id != made.webhook.id]
    assert told.deliveries[0].given_up_at is not None
    assert "operator's log" in told.deliveries[0].last_error
    assert "could not be sent" in caplog.text
    assert "whsec_" not in caplog.text + repr(made)


def test_nothing_is_sent_into_the_network_or_in_the_clear(webhooks, receiver):
    for url in (
        "http://192.0.2.7/hook",
        "http://169.254.169.254/latest",
        "https://127.0.0.1/",
        "https://127.0.0.1:8443/",
        "file:///etc/passwd",
        "https://user:password@shop.example/",
        "https://shop.example/\n",
        "http://93.184.216.34/hook",
        "hook",
    ):
        with pytest.raises(InvalidRequest, match="cannot be the address of a webhook"):
            webhooks.add("atelier", url)
    webhooks.add("atelier", receiver.url)
    with pytest.raises(InvalidRequest, match="told already"):
        webhooks.add("atelier", receiver.url)


def test_whoever_sends_is_woken_when_there_is_something_to_send(shop, merchant_id, webhooks, receiver):
    heard = OwnAnnouncements()
    sessions = sessionmaker(shop.engine, expire_on_commit=False)

    def cancel_one() -> bool:
        with UnitOfWork(sessions, heard) as work:
            job_id = work.jobs.hand_over(merchant_id, JobKind.INGEST, "spring.csv", {}, None)
            work.jobs.cancel(job_id)
            work.commit()
        return heard._announced[WorkQueue.HOOK].is_set()

    assert not cancel_one()
    webhooks.add("atelier", receiver.url)
    assert cancel_one()
    webhooks.run_due()
    assert bodies(receiver)[0]["data"]["state"] == "cancelled"


def test_tries_are_ten_seconds_to_an_hour_apart():
    waits = [retry_wait(attempts, 0.0) for attempts in range(1, 6)]
    assert [None if wait is None else wait.total_seconds() for wait in waits] == [10, 60, 600, 3600, None]
