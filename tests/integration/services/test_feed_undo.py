"""The last ingest is undone: products and images become what they were, and the index follows."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.errors import IngestRunning, NothingToUndo
from catalog.repositories.products import ProductRepository
from catalog.services.fetching.image_fetching import FetchLimits, ImageFetching
from catalog.services.ingesting.ingest import IngestRequest
from tests.integration.services.conftest import MERCHANT, picture
from tests.remote_files import FakeRemoteFiles, busy

PHOTOS = ("red", "green", "blue", "white")


def _row(number: int, image: str, **more):
    return {"id": f"P{number}", "title": f"Item {number}", "image": image, "price": "10.00 EUR", **more}


@pytest.fixture
def rows(shop):
    """Four products with one picture each."""
    return [_row(number, shop.photo(f"{color}.png", color), brand="Acme") for number, color in enumerate(PHOTOS, 1)]


def _changed(shop, rows):
    """A feed that brings P5 and an image, drops P4, changes the price, texts, images and crops of the others."""
    shop.photo("green.png", "yellow")
    return [
        {**rows[0], "price": "7.50 EUR", "brand": "Other", "size": "M", "link": "https://shop.example/1"},
        {**rows[1], "image_box": [0, 0, 16, 16]},
        {**rows[2], "image": "red.png", "additional_images": ["white.png"]},
        _row(5, "red.png"),
    ]


def test_everything_becomes_what_it_was_and_the_same_feed_changes_the_same_again(shop, rows):
    """New ones go, changed ones are put back, removed ones return with their images; the index follows each time."""
    shop.take(rows)
    before = shop.catalog()
    feed = _changed(shop, rows)
    first, _ = shop.take(feed, full_sync=True, max_removal=1.0)
    after = shop.catalog()
    summary, _ = shop.undo()
    assert (summary.undone_job_id, summary.removed, summary.put_back, summary.restored) == (first.job_id, 1, 3, 1)
    assert (summary.kept, summary.num_kept) == ((), 0)
    assert shop.catalog() == before
    shop.assert_consistent()
    again, _ = shop.take(feed, full_sync=True, max_removal=1.0)
    assert again.counts == first.counts
    assert _without_times(shop.catalog()) == _without_times(after)
    shop.assert_consistent()


def test_only_the_last_run_that_changed_anything_is_undone_and_only_once(shop, rows):
    """Runs that changed nothing are passed over; what came before the last change stays."""
    shop.ingest([{"id": "P1"}])
    with pytest.raises(NothingToUndo, match="none has noted a change"):
        shop.undo()
    shop.take(rows[:2])
    before = shop.catalog()
    changing, _ = shop.take(rows)
    shop.take(rows)
    assert shop.feed_undo.run_to_undo(MERCHANT).id == changing.job_id
    shop.undo()
    assert shop.catalog() == before
    with pytest.raises(NothingToUndo, match="which is undone"):
        shop.undo()
    assert [run.undone for run in shop.feed_history.runs(MERCHANT)] == ["no", "yes", "no", "no"]


def test_an_ingest_that_was_stopped_half_way_is_undone(shop):
    """What its transactions had committed goes."""
    photo = shop.photo("red.png", "red")
    shop.ingest([_row(1, photo)])
    before = shop.catalog()
    feed = shop.write_feed([_row(number, photo, link="https://shop.example") for number in range(1, 450)])

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.ingest_service.run(IngestRequest(feed, MERCHANT, "colors-1"), shop.errors.append, stop)
    assert shop.scalar("SELECT count(*) FROM product") == 200
    summary, _ = shop.undo()
    assert (summary.removed, summary.put_back) == (199, 1)
    assert shop.catalog() == before


def test_an_undoing_that_was_stopped_goes_on(shop):
    """Killed after its first transaction: that stays undone, and the next call undoes the rest."""
    photo = shop.photo("red.png", "red")
    shop.ingest([_row(0, photo)])
    before = shop.catalog()
    shop.ingest([_row(number, photo) for number in range(450)])

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.feed_undo.run(MERCHANT, stop)
    assert shop.scalar("SELECT count(*) FROM product") == 250
    assert shop.feed_history.runs(MERCHANT)[0].undone == "partly"
    told: list[tuple[int, int | None]] = []
    summary = shop.feed_undo.run(MERCHANT, lambda done, total: told.append((done, total)))
    assert (summary.removed, told[-1]) == (249, (249, 249))
    assert shop.catalog() == before
    assert shop.feed_history.runs(MERCHANT)[0].undone == "yes"
    shop.indexing.run(summary.merchant_id)
    shop.assert_consistent()


def test_a_product_that_is_no_longer_as_the_run_left_it_is_kept(shop, rows):
    """Whatever changed it since is not overwritten: it is told, and the run counts as undone in part."""
    shop.take(rows)
    shop.take([{**row, "price": "7.50 EUR"} for row in rows] + [_row(5, "red.png"), _row(6, "red.png")])
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE product SET price = 8 WHERE external_id = 'P1'")
        connection.exec_driver_sql("UPDATE image SET crop = '{0,0,8,8}' WHERE source = 'green.png'")
        connection.exec_driver_sql("UPDATE product SET title = 'x', updated_at = now() WHERE external_id = 'P5'")
    summary, _ = shop.undo()
    # P2 is undone: its run did not touch its image, so whatever did is no concern of it.
    assert (summary.put_back, summary.removed, summary.kept, summary.num_kept) == (3, 1, ("P1", "P5"), 2)
    assert shop.scalar("SELECT price FROM product WHERE external_id = 'P1'") == 8
    assert shop.feed_history.runs(MERCHANT)[0].undone == "partly"
    with pytest.raises(NothingToUndo):
        shop.undo()


def test_nothing_is_undone_while_the_catalog_is_ingested(shop, rows):
    """And the other way round: both hold the same claim."""
    shop.take(rows)
    with shop.unit_of_work() as other:
        other.merchants.claim_ingest(other.merchants.id_of(MERCHANT), MERCHANT)
        with pytest.raises(IngestRunning):
            shop.undo()
    assert shop.scalar("SELECT count(*) FROM product") == 4


def test_bytes_that_an_address_gave_meanwhile_are_kept(shop):
    """They are the server's: crops are put back, removed images return, those that never came are fetched after all."""
    servers = FakeRemoteFiles()
    limits = FetchLimits(threads=1, per_host=1, max_bytes=2**20, max_pixels=10_000, max_attempts=3)
    fetching = ImageFetching(shop.unit_of_work, servers, shop.images, limits)
    red, blue = (f"https://cdn.example/{color}.png" for color in ("red", "blue"))
    servers.give(red, picture("red"))
    servers.give(blue, busy())
    shop.ingest([_row(1, red), _row(2, blue), _row(3, red)])
    fetching.run()
    servers.give(red, picture("yellow"))
    shop.ingest([_row(1, red, image_box=[0, 0, 8, 8])], full_sync=True, max_removal=1.0)
    fetching.run()
    (changed,) = shop.rows("SELECT sha256 FROM image")[0]
    summary, _ = shop.undo()
    assert (summary.put_back, summary.restored, summary.num_kept) == (1, 2, 0)
    assert shop.rows(
        "SELECT external_id, crop, state FROM image JOIN product ON product.id = product_id ORDER BY external_id"
    ) == [("P1", None, "ready"), ("P2", None, "pending"), ("P3", None, "ready")]
    assert (
        shop.scalar("SELECT sha256 FROM image JOIN product ON product.id = product_id WHERE title = 'Item 1'")
        == changed
    )
    shop.assert_consistent()


class Boxed:
    """A shop with bulk files of one image by address and its box in shares, and the server that has the image."""

    red = "https://cdn.example/red.png"

    def __init__(self, shop) -> None:
        self.shop = shop
        self.servers = FakeRemoteFiles()
        self.limits = FetchLimits(threads=1, per_host=1, max_bytes=2**20, max_pixels=10_000, max_attempts=3)
        self.servers.give(self.red, picture("red"), etag='"1"')

    def ingest(self, box: str, product: str = "P1") -> None:
        feed = self.shop.folder / "bulk.csv"
        feed.write_text(f'{self.red},,s,{product},apparel-v2,Item,,"{box}"\n')
        request = IngestRequest(feed, MERCHANT, "colors-1", full_sync=True, max_removal=1.0)
        self.shop.ingest_service.run(request, self.shop.errors.append)

    def fetch(self) -> None:
        ImageFetching(self.shop.unit_of_work, self.servers, self.shop.images, self.limits).run()

    def crops(self) -> list[tuple[object, ...]]:
        """In pixels and in shares."""
        return self.shop.rows("SELECT crop, relative_crop FROM image JOIN image_fetch ON image_id = image.id")


@pytest.fixture
def boxed(shop) -> Boxed:
    return Boxed(shop)


def test_boxes_in_shares_are_put_back_and_hold_for_bytes_that_came_since(boxed):
    """The picture is 32 by 48: a quarter and three quarters of it are 8 and 24 by 12 and 36; of 64 by 40 twice that."""
    boxed.ingest("0.25,0.25,0.75,0.75")
    boxed.fetch()
    boxed.ingest("0,0,0.5,1")
    boxed.servers.give(boxed.red, picture("red", size=(64, 40)))
    boxed.fetch()
    assert boxed.crops() == [([0, 0, 32, 40], [0.0, 0.0, 0.5, 1.0])]
    summary, _ = boxed.shop.undo()
    assert summary.put_back == 1
    boxed.fetch()
    assert boxed.crops() == [([16, 10, 48, 30], [0.25, 0.25, 0.75, 0.75])]
    boxed.shop.indexing.run()
    boxed.shop.assert_consistent()


@pytest.mark.parametrize("is_fetched", [False, True])
def test_boxes_in_shares_return_with_removed_products(boxed, is_fetched):
    """Also of an image whose bytes had not come yet."""
    boxed.ingest("0.25,0.25,0.75,0.75")
    if is_fetched:
        boxed.fetch()
    boxed.ingest("", product="P2")
    summary, _ = boxed.shop.undo()
    assert (summary.removed, summary.restored) == (1, 1)
    boxed.fetch()
    assert boxed.crops() == [([8, 12, 24, 36], [0.25, 0.25, 0.75, 0.75])]


def test_bytes_that_come_while_a_run_notes_its_change_are_kept(boxed, monkeypatch):
    """They come after the run has read the image, and before it writes down what that was; others come later."""
    boxed.ingest("")
    read = ProductRepository.known_images

    def read_and_fetch(self, product_ids):
        known = read(self, product_ids)
        boxed.fetch()
        return known

    monkeypatch.setattr(ProductRepository, "known_images", read_and_fetch)
    boxed.ingest("0,0,0.5,1")
    monkeypatch.undo()
    boxed.servers.give(boxed.red, picture("yellow"), etag='"2"')
    boxed.fetch()
    held = "SELECT sha256, etag FROM image JOIN image_fetch ON image_id = image.id"
    before = boxed.shop.rows(held)
    boxed.shop.undo()
    assert boxed.shop.rows(held) == before


def test_an_undoing_and_whoever_settles_a_fetch_do_not_wait_for_each_other(shop):
    """The fetcher holds one image of the product and is about to lock its fetch; the other image is to be restored."""
    red, blue = (f"https://cdn.example/{color}.png" for color in ("red", "blue"))
    shop.ingest([_row(1, red, additional_images=[blue])])
    shop.ingest([_row(1, red, additional_images=[])])
    image_id = shop.scalar("SELECT id FROM image")
    with ThreadPoolExecutor(1) as threads, shop.engine.begin() as fetcher:
        fetcher.execute(text(f"SELECT 1 FROM image WHERE id = {image_id} FOR UPDATE"))
        undoing = threads.submit(shop.feed_undo.run, MERCHANT)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        until = time.monotonic() + 20
        while not shop.scalar(waiting) and time.monotonic() < until:
            time.sleep(0.02)
        assert shop.scalar(waiting) == 1
        fetcher.execute(text(f"SELECT 1 FROM image_fetch WHERE image_id = {image_id} FOR UPDATE NOWAIT"))
        fetcher.commit()
        assert undoing.result().put_back == 1
    assert shop.scalar("SELECT count(*) FROM image_fetch WHERE due_at IS NOT NULL") == 2


@st.composite
def feeds(draw):
    """Up to four products of five, with one to three of four photos each."""
    rows = []
    for number in draw(st.sets(st.integers(1, 5), max_size=4)):
        images = draw(st.lists(st.sampled_from(PHOTOS), min_size=1, max_size=3, unique=True))
        row = _row(number, f"{images[0]}.png", additional_images=[f"{image}.png" for image in images[1:]])
        row["title"] = draw(st.sampled_from(["Dress", "Skirt"]))
        row["price"] = draw(st.sampled_from(["9.90 EUR", "1e2", "100 USD", ""]))
        row["image_box"] = draw(st.sampled_from(["", [0, 0, 8, 8]]))
        optional = {"brand": st.sampled_from(["Acme", ""]), "category": st.just(["Women"]), "link": st.just("")}
        row.update(draw(st.fixed_dictionaries({}, optional=optional)))
        rows.append(row)
    return rows


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=feeds(), second=feeds(), full_sync=st.booleans(), number=st.uuids())
def test_undoing_is_the_inverse_of_ingesting(shop, first, second, full_sync, number):
    """For any two feeds: the rows are what they were before the second, and it then does the same again."""
    for color in PHOTOS:
        shop.photo(f"{color}.png", color)
    merchant = str(number)

    def ingest(rows):
        path = shop.folder / "law.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, _row(9, "red.png")]), encoding="utf-8")
        request = IngestRequest(path, merchant, "colors-1", full_sync=full_sync, max_removal=1.0)
        return shop.ingest_service.run(request, shop.errors.append).counts

    ingest(first)
    before = shop.catalog(merchant)
    counts = ingest(second)
    after = shop.catalog(merchant)
    if any(counts.get(f"products_{change}") for change in ("new", "changed", "removed")):
        shop.feed_undo.run(merchant)
        assert _without_fingerprints(shop.catalog(merchant)) == _without_fingerprints(before)
        assert ingest(second) == counts
        assert _without_times(shop.catalog(merchant)) == _without_times(after)
    else:
        assert _without_fingerprints(after) == _without_fingerprints(before)


def _without_fingerprints(catalog):
    """What the last feed said stays noted where it said less of a product, and nothing else, than the one before."""
    return [row[:11] + row[12:] for row in catalog]


def _without_times(catalog):
    return [row[:12] + row[13:] for row in catalog]
