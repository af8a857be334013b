"""Images by address: wished for by an ingest, fetched beside it, and never lost or done twice."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from catalog.ports.remote_files import FetchRefused, Validators
from catalog.repositories.image_fetches import ImageFetchRepository
from catalog.rows import FetchOutcome
from catalog.services.fetching.fetching_and_indexing import FetchingAndIndexing
from catalog.services.fetching.fetching_summary import FetchedImages, fetched_images
from catalog.services.fetching.image_fetching import FetchingSummary, FetchLimits, FetchResult, ImageFetching
from catalog.services.indexing.indexing_follower import IndexingFollower
from catalog.services.ingesting.ingest import IngestRequest
from catalog.services.status import StatusService
from tests.integration.services.conftest import MERCHANT, Shop, picture
from tests.remote_files import FakeRemoteFiles, busy

RED = "https://cdn.example/red.png"
LIMITS = FetchLimits(threads=4, per_host=2, max_bytes=2**20, max_pixels=10_000, max_attempts=3)


class Fetched:
    """A shop whose feed names images by address, with the servers that have them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.servers = FakeRemoteFiles()
        self.merchant_id = 0
        self.since = 0
        self.job_id = 0

    def ingest(self, *sources: str, **facts: str) -> None:
        """Ingest a product per source: P0, P1, …"""
        with self.shop.unit_of_work() as work:
            self.since = work.outbox.latest_revision()
        rows = [{"id": f"P{at}", "title": "Item", "image": source, **facts} for at, source in enumerate(sources)]
        summary = self.shop.ingest(rows, full_sync=True, max_removal=1.0)
        self.merchant_id, self.job_id = summary.merchant_id, summary.job_id
        assert not self.shop.errors

    def fetching(self, limits: FetchLimits = LIMITS, own=None) -> ImageFetching:
        return ImageFetching(self.shop.unit_of_work, self.servers, self.shop.images, limits, own)

    def fetch(self, limits: FetchLimits = LIMITS) -> FetchingSummary:
        return self.fetching(limits).run()

    def told(self) -> FetchedImages:
        return fetched_images(self.shop.unit_of_work, self.merchant_id, self.job_id, self.since)

    def index(self):
        summary = self.shop.indexing.run()
        self.shop.assert_consistent()
        return summary

    def images(self):
        return self.shop.rows("SELECT source, state, sha256 IS NOT NULL, last_error FROM image ORDER BY source")

    def due_now(self) -> None:
        """Have all retries be due, as after some time."""
        with self.shop.engine.begin() as connection:
            connection.execute(text("UPDATE image_fetch SET due_at = now() WHERE due_at IS NOT NULL"))
            connection.execute(text("UPDATE image_fetch SET lease_until = now() WHERE lease_until IS NOT NULL"))
            connection.execute(text("DELETE FROM fetch_host"))


@pytest.fixture
def web(shop) -> Fetched:
    return Fetched(shop)


def test_an_ingest_fetches_nothing_and_leaves_new_images_pending(web):
    """The image is there without bytes, nothing is dirty, and its fetch is due."""
    web.ingest(RED)
    assert web.servers.asked == []
    assert web.images() == [(RED, "pending", False, None)]
    assert web.shop.scalar("SELECT count(*) FROM outbox") == 0
    assert web.shop.rows("SELECT host, attempts, outcome FROM image_fetch") == [("cdn.example", 0, None)]
    assert web.told() == FetchedImages(waiting=1)
    web.index()


def test_fetched_images_are_indexed_once(web):
    """New bytes make the image ready and dirty; the next ingest asks with the ETag, hears 304, and nothing changes."""
    web.servers.give(RED, picture("red"), etag='"1"')
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})
    assert web.images() == [(RED, "ready", True, None)]
    assert web.index().embedded == 1
    assert web.told() == FetchedImages(new=1)
    before = web.shop.rows("SELECT sha256, revision FROM image")
    web.ingest(RED)
    assert web.told() == FetchedImages(waiting=1)
    assert web.fetch().results == Counter({FetchOutcome.UNCHANGED: 1})
    assert web.servers.asked == [(RED, None), (RED, Validators('"1"'))]
    assert web.told() == FetchedImages(unchanged=1)
    assert web.shop.rows("SELECT sha256, revision FROM image") == before
    assert web.index().num_images == 0
    assert web.fetch().results == Counter()


def test_box_in_shares_is_that_of_whatever_bytes_have_come(web):
    """In pixels once the size is known, anew for an image of another size, and after a change in the feed at once."""
    shop = web.shop
    feed = shop.folder / "bulk.csv"

    def take(polygon):
        feed.write_text(f'{RED},,s,P0,apparel-v2,Item,,"{polygon}"\n')
        shop.ingest_service.run(IngestRequest(feed, MERCHANT, "colors-1"), shop.errors.append)
        web.fetch()
        return shop.scalar("SELECT crop FROM image"), shop.indexing.run().embedded

    web.servers.give(RED, picture("red"))
    # The picture is 32 by 48: a quarter and three quarters of it are 8 and 24 by 12 and 36.
    assert take("0.25,0.25,0.75,0.75") == ([8, 12, 24, 36], 1)
    assert take("0.25,0.25,0.75,0.75") == ([8, 12, 24, 36], 0)
    assert take("0,0,0.5,1") == ([0, 0, 16, 48], 1)
    web.servers.give(RED, picture("red", size=(64, 40)))
    assert take("0,0,0.5,1") == ([0, 0, 32, 40], 1)
    assert take("") == (None, 1)
    web.servers.give(RED, picture("white"))
    assert take("") == (None, 1)
    assert shop.errors == []
    shop.assert_consistent()


def test_box_in_shares_is_not_lost_where_the_bytes_come_while_it_is_ingested(web, monkeypatch):
    """After the ingest has looked for the image's size, and before it notes the box; the next answer is 304."""
    feed = web.shop.folder / "bulk.csv"

    def take(polygon):
        feed.write_text(f'{RED},,s,P0,apparel-v2,Item,,"{polygon}"\n')
        web.shop.ingest_service.run(IngestRequest(feed, MERCHANT, "colors-1"), web.shop.errors.append)

    web.servers.give(RED, picture("red"), etag='"1"')
    take("")
    find_sizes = ImageFetchRepository.sizes

    def find_and_fetch(self, merchant_id, images):
        sizes = find_sizes(self, merchant_id, images)
        web.fetch()
        return sizes

    monkeypatch.setattr(ImageFetchRepository, "sizes", find_and_fetch)
    take("0.25,0.25,0.75,0.75")
    monkeypatch.undo()
    assert web.fetch().results == Counter({FetchOutcome.UNCHANGED: 1})
    assert web.shop.scalar("SELECT crop FROM image") == [8, 12, 24, 36]
    web.index()


def test_other_bytes_at_an_address_replace_the_old_ones(web):
    """Until they have come the old ones are searched; the same bytes without an ETag change nothing."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    web.fetch()
    web.index()
    web.ingest(RED)
    assert web.images() == [(RED, "ready", True, None)]
    assert web.fetch().results == Counter({FetchOutcome.UNCHANGED: 1})
    web.servers.give(RED, picture("blue"), etag='"2"')
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.CHANGED: 1})
    assert web.told() == FetchedImages(changed=1)
    assert web.shop.scalar("SELECT etag FROM image_fetch") == '"2"'
    assert web.index().embedded == 1


@pytest.mark.parametrize(
    ("data", "outcome", "found", "expected"),
    [
        (b"<!DOCTYPE html><p>Not here", "unusable", "an HTML page of 26 bytes", "a JPEG, PNG"),
        (b"\xef\xbb\xbf\n<HTML>", "unusable", "an HTML page", "a JPEG, PNG"),
        (b"plain text", "unusable", "10 bytes that begin with", "a JPEG, PNG"),
        (picture("red", size=(101, 100)), "unusable", "10100 pixels", "at most 10000 pixels"),
        (b"x" * (2**20 + 1), "refused", "The file is too large: 1048577 bytes", "an image file"),
        (FetchRefused("This address is not allowed", received="10.0.0.7", expected="a public one"), "refused",
         "This address is not allowed: 10.0.0.7", "a public one"),
    ],
)  # fmt: skip
def test_what_is_no_use_is_set_aside_with_its_reason(web, data, outcome, found, expected):
    """It is not tried again before the next ingest. Its error has line, item, address, what was found and expected."""
    web.servers.give(RED, data)
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome(outcome): 1})
    assert web.fetch().results == Counter()
    told = web.told()
    assert (told.failed, told.waiting) == (1, 0)
    (error,) = told.errors
    assert (error.line, error.column, error.external_id) == (1, "image", "P0")
    assert error.found.startswith(f"{RED}: ")
    assert found in error.found
    assert expected in error.expected
    assert list(told.reasons) == [f"image: expected {error.expected}"]
    ((_, state, has_content, reason),) = web.images()
    assert (state, has_content) == ("quarantined", False)
    assert found in reason
    status = StatusService(web.shop.unit_of_work, web.shop.models)
    assert status.merchant("atelier").failed_fetches == {outcome: 1}
    assert status.backlogs()[0].failed_fetches == {outcome: 1}
    web.index()
    web.servers.give(RED, picture("red", size=(9, 9)))
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})
    assert web.images() == [(RED, "ready", True, None)]
    assert web.index().embedded == 1


def test_known_bytes_stay_where_no_better_ones_come(web):
    """They stay searchable, with the error noted and the ETag that is theirs, until the address is good again."""
    web.servers.give(RED, picture("red"), etag='"1"')
    web.ingest(RED)
    web.fetch()
    web.index()
    web.servers.give(RED, b"<html>", etag='"oops"')
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.UNUSABLE: 1})
    ((_, state, has_content, reason),) = web.images()
    assert (state, has_content) == ("ready", True)
    assert reason.startswith(f"{RED}: an HTML page of 6 bytes; expected a JPEG")
    assert web.shop.scalar("SELECT etag FROM image_fetch") == '"1"'
    assert web.told().failed == 1
    assert web.index().num_images == 0
    web.servers.give(RED, picture("red"), etag='"1"')
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.UNCHANGED: 1})
    assert web.images() == [(RED, "ready", True, None)]


def test_a_server_that_is_busy_is_asked_again_after_a_while(web, monkeypatch):
    """PostgreSQL's clock says when; where it begins with 100 s: 100 to 200 s later, the second time 200 to 400 s."""
    monkeypatch.setattr("catalog.services.fetching.image_fetching.FIRST_RETRY", datetime.timedelta(seconds=100))
    web.servers.give(RED, busy())
    web.ingest(RED)
    wait = "SELECT extract(epoch FROM due_at - now()), attempts, last_error, expected FROM image_fetch"
    for attempts, least, most in ((1, 100, 200), (2, 200, 400)):
        assert web.fetch().results == Counter({FetchResult.POSTPONED: 1})
        ((seconds, tried, found, expected),) = web.shop.rows(wait)
        assert least - 60 < seconds <= most
        assert (tried, found, expected) == (attempts, "The server is busy: 503 Service Unavailable", "200 OK")
        assert web.images() == [(RED, "pending", False, None)]
        assert web.told() == FetchedImages(waiting=1, postponed=1)
        assert web.fetch().results == Counter()
        web.due_now()
    web.servers.give(RED, picture("red"))
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})
    assert web.shop.rows("SELECT attempts, last_error FROM image_fetch") == [(0, None)]
    assert web.shop.rows("SELECT * FROM fetch_host") == []


def test_a_server_that_stays_busy_is_given_up_after_some_attempts(web):
    """The limit here is 3; then it is as if it had refused."""
    web.servers.give(RED, busy())
    web.ingest(RED)
    for _ in range(2):
        assert web.fetch().results == Counter({FetchResult.POSTPONED: 1})
        web.due_now()
    assert web.fetch().results == Counter({FetchOutcome.UNREACHABLE: 1})
    (error,) = web.told().errors
    assert error.found == f"{RED}: given up after 3 attempts: The server is busy: 503 Service Unavailable"
    assert web.images()[0][1] == "quarantined"


def test_a_server_is_left_alone_for_as_long_as_it_asks(web):
    """All of its images wait, those that were not tried, too; those of another server do not."""
    others = [f"https://cdn.example/{at}.png" for at in range(4)]
    for url in others:
        web.servers.give(url, busy(retry_after=600))
    web.servers.give("http://other.example:8080/blue.png", picture("blue"))
    web.ingest(*others, "http://other.example:8080/blue.png")
    results = web.fetch(replace(LIMITS, threads=1, per_host=1)).results
    assert results == Counter({FetchResult.POSTPONED: 1, FetchOutcome.NEW: 1})
    assert 500 < web.shop.scalar("SELECT extract(epoch FROM rest_until - now()) FROM fetch_host") <= 600
    assert 500 < web.shop.scalar("SELECT extract(epoch FROM max(due_at) - now()) FROM image_fetch") <= 602
    assert web.told() == FetchedImages(new=1, waiting=4, postponed=4)
    assert web.shop.scalar("SELECT count(*) FROM image_fetch WHERE attempts > 0") == 1


def test_a_server_that_fails_again_and_again_is_left_alone(web):
    """After 4 failures in a row no more of its images are tried for now."""
    for at in range(9):
        web.servers.give(f"https://cdn.example/{at}.png", busy())
    web.ingest(*web.servers.files)
    assert web.fetch(replace(LIMITS, threads=1)).results == Counter({FetchResult.POSTPONED: 4})
    assert web.told() == FetchedImages(waiting=9, postponed=9)


def test_fetches_are_spread_over_servers(web):
    """No more of one server's at once than allowed, and a large catalog of one does not keep others waiting."""
    for at in range(12):
        web.servers.give(f"https://large.example/{at}.png", picture("red"))
    web.servers.give("https://small.example/a.png", picture("blue"))
    web.ingest(*web.servers.files)
    assert web.fetch().results == Counter({FetchOutcome.NEW: 13})
    assert web.servers.most_at_once["large.example"] <= 2
    assert "https://small.example/a.png" in [url for url, _ in web.servers.asked[:3]]
    with web.shop.unit_of_work() as work:
        assert work.fetches.claim(9, datetime.timedelta(1), per_host=3, busy={}) == []


def test_two_fetchers_never_take_the_same_image(web):
    """Neither what the other has claimed, nor what it is about to claim."""
    urls = [f"https://cdn.example/{at}.png" for at in range(6)]
    web.ingest(*urls)
    lease = datetime.timedelta(minutes=1)
    with web.shop.unit_of_work() as first, web.shop.unit_of_work() as second:
        ones = first.fetches.claim(2, lease, per_host=2, busy={})
        others = second.fetches.claim(9, lease, per_host=3, busy={"cdn.example": 1})
        first.commit()
        second.commit()
    assert [claim.address for claim in ones] == urls[:2]
    assert [claim.address for claim in others] == urls[2:4]
    with web.shop.unit_of_work() as third:
        assert [claim.address for claim in third.fetches.claim(9, lease, per_host=9, busy={})] == urls[4:]


class Killed(BaseException):
    """What ends a process, as far as this one can tell."""


def test_a_fetcher_killed_between_store_and_commit_loses_nothing(web):
    """Its claim waits for the lease, or for nothing where one process owns the index; then the image is fetched."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    store = web.shop.images

    class KillingStore:
        def put(self, data: bytes) -> str:
            store.put(data)
            raise Killed

    with pytest.raises(Killed):
        ImageFetching(web.shop.unit_of_work, web.servers, KillingStore(), LIMITS).run()
    assert web.fetch().results == Counter()
    assert web.told() == FetchedImages(waiting=1)
    assert web.fetching(own=web.shop.index.list_collections).run().results == Counter({FetchOutcome.NEW: 1})
    assert web.index().embedded == 1


def test_what_kills_whoever_fetches_it_is_given_up(web):
    """After the third attempt it is not asked for again."""
    web.servers.give(RED, Killed())
    web.ingest(RED)
    for _ in range(3):
        with pytest.raises(Killed):
            web.fetch()
        web.due_now()
    assert web.fetch().results == Counter({FetchOutcome.UNREACHABLE: 1})
    assert "was killed, 3 times" in web.told().errors[0].found


def test_an_image_that_leaves_the_feed_while_it_is_fetched_is_not_written(web):
    """Its fetch is gone with it."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    web.servers.meanwhile = lambda _: web.ingest(web.shop.photo("blue.png", "blue"))
    assert web.fetch().results == Counter({FetchResult.VOID: 1})
    assert [source for source, *_ in web.images()] == ["blue.png"]
    assert web.shop.rows("SELECT * FROM image_fetch") == []
    assert web.index().embedded == 1


def test_a_fetch_is_settled_while_an_ingest_holds_its_product(web):
    """It would wait for the product with its image locked, and the ingest, in the end, for the image."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    with ThreadPoolExecutor(1) as threads, web.shop.unit_of_work() as work:
        known = work.products.known_products(web.merchant_id, ["P0"])
        work.products.stored([product.id for product in known.values()])
        assert threads.submit(web.fetch).result(timeout=10).results == Counter({FetchOutcome.NEW: 1})


def test_a_wish_during_a_fetch_is_not_lost(web):
    """The address is asked again: its bytes may be others since."""
    web.servers.give(RED, picture("red"), etag='"1"')
    web.ingest(RED)

    def wish_again(_: str) -> None:
        web.servers.meanwhile = lambda _: None
        web.ingest(RED)

    web.servers.meanwhile = wish_again
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1, FetchOutcome.UNCHANGED: 1})
    assert web.servers.asked == [(RED, None), (RED, Validators('"1"'))]
    assert web.index().embedded == 1


@pytest.mark.parametrize("answer", [busy(), b"<html>"])
def test_a_wish_during_a_fetch_that_fails_has_attempts_of_its_own(web, answer):
    """What failed says nothing of the later wish, which is tried at once."""
    web.servers.give(RED, answer)
    web.ingest(RED)

    def wish_again(_: str) -> None:
        web.servers.meanwhile = lambda url: web.servers.give(url, picture("red"))
        web.ingest(RED)

    web.servers.meanwhile = wish_again
    assert web.fetch().results == Counter({FetchResult.POSTPONED: 1, FetchOutcome.NEW: 1})
    assert web.images() == [(RED, "ready", True, None)]


def test_a_lease_that_runs_out_makes_a_fetch_void(web):
    """Somebody else has it by then, and writes what it found."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)

    def take_over(_: str) -> None:
        web.servers.meanwhile = lambda _: None
        web.due_now()
        assert web.fetch().results == Counter({FetchOutcome.NEW: 1})

    web.servers.meanwhile = take_over
    assert web.fetch().results == Counter({FetchResult.VOID: 1})
    assert web.index().embedded == 1


def test_a_slow_file_is_left_when_the_process_is_to_end(web):
    """It does not count as an attempt."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    assert web.fetching().run(abandon=lambda: True, stop=lambda: bool(web.servers.asked)).results == Counter(
        {FetchResult.GIVEN_BACK: 1}
    )
    assert web.shop.rows("SELECT attempts, lease_until FROM image_fetch") == [(0, None)]


def test_fetching_and_indexing_go_on_side_by_side(web, monkeypatch):
    """What fails for a moment is waited for; files of the same feed are indexed, too."""
    monkeypatch.setattr("catalog.services.fetching.image_fetching.FIRST_RETRY", datetime.timedelta(seconds=0.05))
    monkeypatch.setattr("catalog.services.fetching.fetching_and_indexing.FIRST_INDEXED", 2)
    urls = [f"https://cdn{at % 3}.example/{at}.png" for at in range(9)]
    for at, url in enumerate(urls):
        web.servers.give(url, picture("red", "blue", size=(10, 10 + at)))
    web.servers.give(urls[0], busy())
    web.servers.meanwhile = lambda url: len(web.servers.asked) > 9 and web.servers.give(url, picture("green"))
    web.ingest(*urls, web.shop.photo("file.png", "blue"))
    told: list[tuple[int, int | None]] = []
    both = FetchingAndIndexing(web.shop.unit_of_work, web.fetching(), web.shop.indexing)
    summary = both.run(web.merchant_id, lambda done, total: told.append((done, total)))
    summary = summary.plus(web.index())
    assert summary.embedded == 10
    assert told[-1] == (9, 9)
    assert web.told() == FetchedImages(new=9)


def test_whoever_waits_for_workers_waits_for_fetches_too(web):
    """Until nothing is left, or only what is tried again later."""
    web.servers.give(RED, picture("red"))
    gone = web.servers.give("https://cdn.example/gone.png", busy(retry_after=60))
    web.ingest(RED, gone)
    steps = iter([web.fetch, web.shop.indexing.run])
    follower = IndexingFollower(web.shop.unit_of_work, sleep=lambda _: next(steps)())
    followed = follower.follow(web.merchant_id, web.since, fetches=True)
    assert (followed.num_images, followed.postponed) == (1, 1)
    assert next(steps, None) is None
    assert follower.follow(web.merchant_id, web.since).postponed == 0


def test_images_that_failed_are_fetched_again_on_demand(web):
    """As others that were set aside are tried again."""
    from catalog.services.jobs import JobService

    web.ingest(RED)
    web.fetch()
    assert web.images()[0][1] == "quarantined"
    web.servers.give(RED, picture("red"))
    assert JobService(web.shop.unit_of_work).retry_quarantined(web.merchant_id) == 1
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})


def test_bytes_that_cannot_be_decoded_fail_with_every_ingest(web):
    """A picture with a good header and little behind it: the indexer sets it aside, and a 304 makes it no better."""
    web.servers.give(RED, picture("red")[:60], etag='"1"')
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})
    assert web.index().quarantined == 1
    web.ingest(RED)
    assert web.fetch().results == Counter({FetchOutcome.UNUSABLE: 1})
    assert web.told().failed == 1


def test_a_crop_that_changes_while_an_image_is_pending_is_kept(web):
    """The feed's columns and the fetched ones do not overwrite each other."""
    web.servers.give(RED, picture("red"))
    web.ingest(RED)
    web.ingest(RED, image_box="0,0,9,9")
    web.fetch()
    assert web.shop.scalar("SELECT crop FROM image") == [0, 0, 9, 9]
    assert web.index().embedded == 1


@pytest.mark.parametrize("letters", ["abcdefghijklmnopqrstuvwxyz0123456789", "衣服帽子鞋襪褲裙領袖紐扣絲綢棉麻毛"])
def test_the_longest_address_fits_into_the_index(web, letters):
    """2,048 characters that nothing makes shorter, or as many of three bytes as make 2,600."""
    rest = random.Random(7).choices(letters, k=2048 - len("https://x/"))
    address = ("https://x/" + "".join(rest)).encode()[:2600].decode(errors="ignore")
    web.servers.give(address, picture("red"))
    web.ingest(address)
    assert web.fetch().results == Counter({FetchOutcome.NEW: 1})
