"""Feeds by address: fetched where they have changed, at once or on a schedule, by one worker at a time."""

from __future__ import annotations

import dataclasses
import datetime
import gzip
from pathlib import Path

import pytest
from sqlalchemy import text

from catalog.errors import FeedUnreadable, InvalidRequest
from catalog.ports.remote_files import FetchRefused, Validators
from catalog.schedules import parse_schedule
from catalog.services.ingesting.feed_schedules import FeedScheduleService
from catalog.services.ingesting.ingest import IngestRequest
from catalog.services.ingesting.remote_feeds import RemoteFeedService, check_feed_address
from tests.integration.services.conftest import MERCHANT
from tests.remote_files import FakeRemoteFiles, busy

FEED = "https://shop.example/feeds/products.csv.gz?token=1"
REQUEST = IngestRequest(feed=Path("fetched"), merchant=MERCHANT, model="colors-1")
HOUR = datetime.timedelta(hours=1)


def packed(*rows: str) -> bytes:
    return gzip.compress("\n".join(["id,title,image", *rows, ""]).encode())


class Remote:
    """A shop whose feed is on a server."""

    def __init__(self, shop) -> None:
        self.shop = shop
        self.servers = FakeRemoteFiles()
        self.feeds = RemoteFeedService(
            shop.unit_of_work, self.servers, shop.ingest_service, shop.galleries, max_bytes=10_000
        )
        self.schedules = FeedScheduleService(shop.unit_of_work, self.feeds, shop.galleries, lease=HOUR)

    def take(self, request: IngestRequest = REQUEST):
        return self.feeds.run(FEED, request, shop_errors.append)

    def put(self, when: str = "every 6h") -> None:
        self.schedules.put(FEED, REQUEST, parse_schedule(when))

    def execute(self, statement: str) -> None:
        with self.shop.engine.begin() as connection:
            connection.execute(text(statement))


shop_errors: list[object] = []


@pytest.fixture
def remote(shop) -> Remote:
    return Remote(shop)


def test_a_feed_by_address_is_taken_and_its_image_paths_start_from_there(remote):
    """Packed as its name says; paths relative, from the server's root, and addresses of other servers."""
    remote.servers.give(FEED, packed("1,Dress,red.png", "2,Skirt,/img/blue 1.png", "3,Coat,http://cdn.example/a.png"))
    summary = remote.take()
    assert summary.counts["products_new"] == 3
    assert remote.shop.rows("SELECT source, state FROM image ORDER BY product_id") == [
        ("https://shop.example/feeds/red.png", "pending"),
        ("https://shop.example/img/blue 1.png", "pending"),
        ("http://cdn.example/a.png", "pending"),
    ]
    assert remote.shop.scalar("SELECT subject FROM job") == FEED
    assert remote.shop.scalar("SELECT request ->> 'feed' FROM job") == FEED


def test_a_feed_that_has_not_changed_is_not_taken_again(remote):
    """The server is asked with the ETag of the version that was taken last; other bytes are taken."""
    remote.servers.give(FEED, packed("1,Dress,red.png"), etag='"1"')
    first = remote.take()
    again = remote.take()
    assert (again.is_unmodified, again.job_id, again.counts) == (True, first.job_id, {})
    assert (first.feed, first.read_as) == (FEED, "a feed of Drape's own columns (CSV in UTF-8, packed as gzip)")
    assert (again.feed, again.read_as) == (FEED, None)
    assert f"not changed since ingest {first.job_id}" in again.notes[0]
    assert [known for _, known in remote.servers.asked] == [None, Validators('"1"')]
    remote.servers.give(FEED, packed("1,Other,red.png"), etag='"2"')
    assert remote.take().counts["products_changed"] == 1
    assert remote.shop.scalar("SELECT count(*) FROM job") == 2


def test_a_feed_with_prices_of_limited_time_is_taken_again_until_they_are_over(remote):
    """The server's file is the same when a sale begins or ends, and the price is not."""
    header = "id,title,image_link,price,sale_price,sale_price_effective_date\n"

    def give(period, etag):
        row = f"1,Dress,https://cdn.example/a.png,50 EUR,40 EUR,{period}\n"
        remote.servers.give(FEED, gzip.compress((header + row).encode()), etag=etag)

    give("2020-01-01T00:00Z/2099-01-01T00:00Z", '"1"')
    assert remote.take().counts["dated_prices"] == 1
    again = remote.take()
    assert (again.is_unmodified, again.counts["products_unchanged"]) == (False, 1)
    assert remote.shop.scalar("SELECT price FROM product") == 40
    give("2020-01-01T00:00Z/2021-01-01T00:00Z", '"2"')
    assert "dated_prices" not in remote.take().counts
    assert remote.shop.scalar("SELECT price FROM product") == 50
    assert remote.take().is_unmodified


def test_what_was_undone_or_asked_otherwise_is_taken_again(remote):
    """And with full sync, also after another feed, whose products it may have to remove."""
    remote.servers.give(FEED, packed("1,Dress,red.png"), etag='"1"')
    remote.take()
    full = dataclasses.replace(REQUEST, full_sync=True, max_removal=1.0)
    assert not remote.take(full).is_unmodified
    assert remote.take(full).is_unmodified
    remote.shop.ingest([{"id": "2", "title": "Skirt", "image": remote.shop.photo("red.png", "red")}])
    removed = remote.take(full)
    assert (removed.is_unmodified, removed.counts["products_removed"]) == (False, 1)
    remote.shop.feed_undo.run(MERCHANT)
    assert remote.take(full).counts["products_removed"] == 1


def test_a_feed_that_cannot_be_had_or_read_says_so_by_its_address(remote):
    with pytest.raises(FetchRefused):
        remote.take()
    remote.servers.give(FEED, b"x" * 10_001)
    with pytest.raises(FetchRefused, match="too large"):
        remote.take()
    remote.servers.give(FEED, gzip.compress(b"sku,name\n1,Dress\n"))
    with pytest.raises(FeedUnreadable, match=r"The feed https://shop\.example/feeds/products\.csv\.gz"):
        remote.take()
    assert remote.shop.scalar("SELECT count(*) FROM job") == 0


@pytest.mark.parametrize(
    "address", ["feed.csv", "ftp://shop.example/f", "https://", "https://a:b@shop.example/f", "https://s/" + "x" * 1000]
)
def test_what_is_no_address_of_a_feed_is_refused(address):
    with pytest.raises(InvalidRequest, match="address of a feed"):
        check_feed_address(address)


def test_a_feed_that_is_due_is_taken_once_and_due_again_by_its_schedule(remote):
    """The next time follows from when it was due, not from when it ran; times that were missed are left out."""
    remote.servers.give(FEED, packed("1,Dress,red.png"))
    remote.put()
    remote.execute("UPDATE feed_schedule SET next_due_at = now() - interval '13 hours'")
    due = remote.schedules.listed()[0].next_due_at
    (taken,) = remote.schedules.run_due()
    assert (taken.error, taken.summary.counts["products_new"]) == (None, 1)
    (listed,) = remote.schedules.listed(MERCHANT)
    assert listed.next_due_at == due + 18 * HOUR
    assert (listed.last_job_id, listed.is_running, listed.last_error) == (taken.summary.job_id, False, None)
    assert remote.schedules.run_due() == []


def test_a_failure_is_noted_and_the_next_feed_taken(remote):
    """One server is busy, the other is not."""
    remote.servers.give(FEED, busy())
    other = remote.servers.give("https://other.example/f.csv", b"id,title,image\n1,Dress,red.png\n")
    remote.put()
    remote.schedules.put(other, REQUEST, parse_schedule("daily 03:30"))
    remote.execute("UPDATE feed_schedule SET next_due_at = now() WHERE daily_at IS NOT NULL")
    failed, taken = remote.schedules.run_due()
    assert (failed.summary, "busy" in failed.error, taken.error) == (None, True, None)
    noted = {feed.feed: feed for feed in remote.schedules.listed()}
    assert "busy" in noted[FEED].last_error
    assert noted[other].next_due_at.time() == datetime.time(3, 30)
    remote.servers.give(FEED, packed("1,Dress,red.png"))
    remote.execute("UPDATE feed_schedule SET next_due_at = now()")
    remote.schedules.run_due()
    assert [feed.last_error for feed in remote.schedules.listed()] == [None, None]


def test_a_worker_that_was_killed_leaves_the_feed_to_another_when_its_lease_ends(remote):
    """Until then nobody else is at it."""
    remote.servers.give(FEED, packed("1,Dress,red.png"))
    remote.put()
    with remote.shop.unit_of_work() as work:
        assert work.feed_schedules.claim(HOUR) is not None
        work.commit()
    assert remote.schedules.run_due() == []
    assert remote.schedules.listed()[0].is_running
    remote.execute("UPDATE feed_schedule SET lease_until = now() - interval '1 second'")
    assert len(remote.schedules.run_due()) == 1


def test_a_worker_that_is_asked_to_end_gives_the_feed_back(remote):
    """Its ingest is interrupted, what was committed stays, and another worker goes on at once."""
    remote.servers.give(FEED, packed(*(f"{number},Dress,red.png" for number in range(450))))
    remote.put()
    answers = iter([False, False, False, True])
    assert remote.schedules.run_due(lambda: next(answers, True)) == []
    assert remote.shop.rows("SELECT state, counts ->> 'products_new' FROM job") == [("interrupted", "200")]
    (taken,) = remote.schedules.run_due()
    assert (taken.summary.counts["products_new"], taken.summary.counts["products_unchanged"]) == (250, 200)


def test_a_catalog_that_is_being_ingested_has_its_feed_wait(remote):
    """The feed stays due, is not fetched in vain, and is looked at again a little later."""
    remote.servers.give(FEED, packed("1,Dress,red.png"))
    remote.put()
    with remote.shop.unit_of_work() as other:
        other.merchants.claim_ingest(other.merchants.id_of(MERCHANT), MERCHANT)
        (taken,) = remote.schedules.run_due()
    assert "being ingested" in taken.error
    assert remote.servers.asked == []
    assert remote.shop.scalar("SELECT next_due_at <= now() AND last_run_at IS NULL FROM feed_schedule")
    remote.execute("UPDATE feed_schedule SET lease_until = now() - interval '1 second'")
    assert remote.schedules.run_due()[0].error is None


def test_a_schedule_is_replaced_and_removed(remote):
    remote.put()
    remote.put("daily 03:30")
    (listed,) = remote.schedules.listed()
    assert (str(listed.schedule), listed.request["model"]) == ("daily 03:30", "colors-1")
    with pytest.raises(InvalidRequest, match="Nothing is scheduled"):
        remote.schedules.remove(MERCHANT, "https://other.example/f.csv")
    assert remote.schedules.remove(MERCHANT) == [FEED]
    assert remote.schedules.listed() == []


def test_a_schedule_that_is_replaced_while_its_feed_is_taken_says_when_it_is_due_next(remote):
    """Not the one that it was taken on: it would be due in a month. An interval begins at once."""
    remote.servers.give(FEED, packed("1,Dress,red.png"))
    remote.put("every 31d")
    replacements = iter(["every 5m"])
    remote.servers.meanwhile = lambda _: [remote.put(when) for when in replacements]
    taken = remote.schedules.run_due()
    assert [(str(one.feed.schedule), one.error) for one in taken] == [("every 31d", None), ("every 5m", None)]
    assert remote.shop.scalar("SELECT next_due_at < now() + interval '6 minutes' FROM feed_schedule")


def test_a_failure_that_nobody_has_foreseen_is_raised_and_noted(remote):
    """The feed is due again by its schedule, and not over and over when its lease ends."""
    remote.servers.give(FEED, ZeroDivisionError("division by zero"))
    remote.put()
    with pytest.raises(ZeroDivisionError):
        remote.schedules.run_due()
    (listed,) = remote.schedules.listed()
    assert listed.last_error == "ZeroDivisionError: division by zero"
    assert remote.schedules.run_due() == []
