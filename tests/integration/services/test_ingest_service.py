"""What an ingest writes, marks and refuses."""

from __future__ import annotations

import pytest

from catalog.errors import FeedUnreadable, IngestRunning, InvalidRequest, JobCancelled
from catalog.repositories.jobs import JobKind
from catalog.services import job_run
from catalog.services.ingesting.ingest import IngestRequest
from embeddings.errors import UnusableModel
from tests.integration.services.conftest import MERCHANT, picture


def _row(number: int, image: str, **more):
    return {"id": f"P{number}", "title": f"Item {number}", "image": image, "price": "10.00 EUR", **more}


@pytest.fixture
def rows(shop):
    """Three products with one picture each."""
    colors = ("red", "green", "blue")
    return [_row(number, shop.photo(f"{color}.png", color)) for number, color in enumerate(colors, 1)]


def test_a_new_feed_is_written_and_every_image_indexed(shop, rows):
    """Products and images are new; each image is embedded once and stands in the index with its payload."""
    summary, indexing = shop.take(rows)
    assert summary.counts == {"products_new": 3, "images_new": 3}
    assert (indexing.embedded, indexing.refreshed, indexing.removed) == (3, 0, 0)
    shop.assert_consistent()
    payload = shop.index.scroll("drape-colors-1")[0].payload
    assert payload["price"] == 10.0
    assert payload["currency"] == "EUR"
    assert payload["model"] == "colors-1"


def test_the_same_feed_again_embeds_nothing(shop, rows):
    """Nothing is marked, nothing is written, nothing goes through the network."""
    shop.take(rows)
    revisions = shop.rows("SELECT id, revision FROM image ORDER BY id")
    summary, indexing = shop.take(rows)
    assert summary.counts == {"products_unchanged": 3, "images_unchanged": 3}
    assert (indexing.embedded, indexing.refreshed) == (0, 0)
    assert shop.models.num_embedded == 3
    assert shop.rows("SELECT id, revision FROM image ORDER BY id") == revisions


def test_a_changed_price_updates_the_payload_without_embedding(shop, rows):
    """The point's payload has the new price and revision; its vectors are not computed again."""
    shop.take(rows)
    rows[1]["price"] = "7.50 EUR"
    summary, indexing = shop.take(rows)
    assert summary.counts == {"products_changed": 1, "products_unchanged": 2, "images_unchanged": 3}
    assert (indexing.embedded, indexing.refreshed) == (0, 1)
    assert shop.models.num_embedded == 3
    prices = sorted(point.payload["price"] for point in shop.index.scroll("drape-colors-1"))
    assert prices == [7.5, 10.0, 10.0]
    shop.assert_consistent()


def test_a_changed_image_embeds_that_image_alone(shop, rows):
    """New bytes under the same name are new content; the other images keep their vectors."""
    shop.take(rows)
    shop.photo("green.png", "yellow")
    summary, indexing = shop.take(rows)
    assert summary.counts == {
        "products_changed": 1,
        "products_unchanged": 2,
        "images_changed": 1,
        "images_unchanged": 2,
    }
    assert indexing.embedded == 1
    assert shop.models.num_embedded == 4
    shop.assert_consistent()


def test_a_changed_crop_embeds_that_image_alone(shop, rows):
    """The same bytes with another box are other content."""
    shop.take(rows)
    rows[0]["image_box"] = [0, 0, 16, 16]
    _, indexing = shop.take(rows)
    assert indexing.embedded == 1
    shop.assert_consistent()


def test_box_in_shares_of_an_image_is_stored_in_its_pixels(shop):
    """The pictures are 32 by 48, so that a quarter is 8 and 12 pixels; the same feed again changes nothing."""
    shop.photo("red.png", "red", "white")
    feed = shop.folder / "bulk.csv"
    feed.write_text('red.png,,spring,p1,apparel-v2,Red,color=red,"0.25,0,1,0.75"\n')
    request = IngestRequest(feed, MERCHANT, "colors-1")
    summary = shop.ingest_service.run(request, shop.errors.append)
    assert shop.indexing.run(summary.merchant_id).embedded == 1
    assert shop.scalar("SELECT crop FROM image") == [8, 0, 32, 36]
    again = shop.ingest_service.run(request, shop.errors.append)
    assert again.counts == {"products_unchanged": 1, "images_unchanged": 1}
    assert shop.errors == []
    shop.assert_consistent()


def test_an_image_that_a_product_no_longer_has_leaves_the_index(shop, rows):
    """Its row and its point go; the product's other image stays as it is."""
    rows[0]["additional_images"] = [shop.photo("extra.png", "white")]
    shop.take(rows)
    rows[0]["additional_images"] = []
    summary, indexing = shop.take(rows)
    assert summary.counts["images_removed"] == 1
    assert (indexing.removed, indexing.embedded) == (1, 0)
    shop.assert_consistent()


def test_what_a_feed_has_no_column_for_stays_and_what_is_empty_goes(shop, rows):
    """A feed of prices leaves texts, images, crops and other columns; an empty one clears what it has."""
    rows[0].update(brand="Acme", link="https://shop.example/1", image_box=[0, 0, 8, 8])
    rows[0]["additional_images"] = [shop.photo("extra.png", "white")]
    shop.take(rows)
    before = shop.catalog()
    summary, indexing = shop.take([{"id": "P1", "price": "7.50 EUR", "season": "SS27"}])
    assert summary.counts == {"products_changed": 1}
    assert (indexing.embedded, indexing.refreshed) == (0, 2)
    assert shop.rows("SELECT title, link, price, raw ->> 'brand', raw ->> 'season' FROM product ORDER BY id")[0] == (
        "Item 1", "https://shop.example/1", 7.5, "Acme", "SS27"
    )  # fmt: skip
    assert [row[13:] for row in shop.catalog()] == [row[13:] for row in before]
    summary, _ = shop.take([{"id": "P1", "price": "", "link": "", "image_box": ""}])
    assert summary.counts == {"products_changed": 1}
    assert shop.rows("SELECT link, price, currency FROM product ORDER BY id")[0] == (None, None, None)
    assert shop.rows("SELECT source, crop FROM image WHERE product_id = 1 ORDER BY position") == [
        ("red.png", None),
        ("extra.png", None),
    ]
    shop.assert_consistent()


def test_feeds_of_different_columns_take_turns(shop, rows, monkeypatch):
    """Neither undoes what the other says, and the one that came last changes nothing again, without a look at rows."""
    prices = [{"id": row["id"], "price": "5.00 EUR"} for row in rows]
    texts = [{"id": row["id"], "title": f"New {row['id']}", "image": row["image"]} for row in rows]
    shop.take(rows)
    for feed, counts in ((prices, "products_changed"), (texts, "products_changed"), (prices, "products_unchanged")):
        assert shop.take(feed)[0].counts[counts] == 3
    assert shop.rows("SELECT DISTINCT price, left(title, 3) FROM product") == [(5, "New")]
    asked: list[int] = []
    monkeypatch.setattr(
        "catalog.repositories.products.ProductRepository.stored", lambda _, ids: asked.extend(ids) or {}
    )
    summary, indexing = shop.take(prices)
    assert (summary.counts["products_unchanged"], asked) == (3, [])
    assert (indexing.embedded, indexing.refreshed) == (0, 0)


def test_a_new_product_needs_a_title_and_an_image(shop, rows):
    """A row without them is an error where the product is new; a product that is known has them already."""
    shop.take(rows[:1])
    summary = shop.ingest([{"id": "P1", "price": "5.00 EUR"}, {"id": "P7", "price": "5.00 EUR"}])
    assert (summary.counts["products_changed"], summary.counts["rows_failed"]) == (1, 1)
    assert [(error.line, error.external_id, error.column, error.expected) for error in shop.errors] == [
        (2, "P7", "title", "a title: the product is new"),
        (2, "P7", "image", "an image: the product is new"),
    ]
    assert "can update known products only" in summary.notes[0]
    assert shop.scalar("SELECT count(*) FROM product") == 1


def test_products_missing_from_the_feed_stay_unless_asked(shop, rows):
    """Without a full sync a feed only adds and changes."""
    shop.take(rows)
    summary, _ = shop.take(rows[:1])
    assert summary.counts == {"products_unchanged": 1, "images_unchanged": 1}
    assert shop.scalar("SELECT count(*) FROM product") == 3


def test_full_sync_removes_what_the_feed_no_longer_has(shop):
    """One product of ten is gone: 10 % is within the guard, and its point goes with it."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(10)]
    shop.take(rows)
    summary, indexing = shop.take(rows[:9], full_sync=True)
    assert summary.refusal is None
    assert (summary.counts["products_removed"], summary.counts["images_removed"]) == (1, 1)
    assert indexing.removed == 1
    assert shop.scalar("SELECT count(*) FROM product") == 9
    shop.assert_consistent()


def test_full_sync_refuses_to_remove_more_than_a_fifth(shop):
    """Three of ten is 30 %: nothing is removed, the rest of the feed is taken, and the refusal tells the numbers."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(10)]
    shop.take(rows)
    changed = [{**row, "price": "1 EUR"} for row in rows[:7]]
    summary, _ = shop.take(changed, full_sync=True)
    assert "3 of 10" in str(summary.refusal)
    assert summary.counts["products_changed"] == 7
    assert shop.scalar("SELECT count(*) FROM product") == 10
    assert shop.scalar("SELECT state FROM job ORDER BY id DESC LIMIT 1") == "failed"
    summary, _ = shop.take(changed, full_sync=True, max_removal=0.3)
    assert summary.counts["products_removed"] == 3
    shop.assert_consistent()


def test_full_sync_keeps_a_product_whose_row_failed(shop):
    """A row that cannot be taken still says that the feed has the product."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(10)]
    shop.take(rows)
    rows[4]["price"] = "ten euros"
    summary, _ = shop.take(rows, full_sync=True)
    assert summary.counts["rows_failed"] == 1
    assert summary.counts.get("products_removed", 0) == 0
    assert shop.scalar("SELECT count(*) FROM product") == 10


def test_full_sync_of_a_shopify_export(shop):
    """A draft is gone from the catalog; a product one of whose rows cannot be read is still in it, and changed."""
    photo = shop.photo("red.png", "red")
    header = "Handle,Title,Image Src,Option1 Name,Option1 Value,Status\n"
    products = [f"p-{n},Item {n},{photo},Size,S,active\np-{n},,,,M,\n" for n in range(10)]

    def take(products):
        path = shop.folder / "products.csv"
        path.write_text(header + "".join(products))
        request = IngestRequest(path, MERCHANT, "colors-1", full_sync=True)
        return shop.ingest_service.run(request, shop.errors.append)

    assert take(products).counts == {"products_new": 10, "images_new": 10}
    products[3] = products[3].replace("active", "draft")
    products[5] = products[5].replace(",,,,M,", ",,,M")
    summary = take(products)
    assert summary.refusal is None
    assert summary.notes == (
        "1 product that the shop does not list was left out (draft 1); a full sync removes what was listed before.",
    )
    # Header, 5 products of 2 rows, and the first row of p-5 come before the row of 4 fields.
    assert [(error.line, error.external_id) for error in shop.errors] == [(1 + 5 * 2 + 1 + 1, "p-5")]
    assert summary.counts == {
        "products_removed": 1, "images_removed": 1, "products_changed": 1, "products_unchanged": 8,
        "images_unchanged": 9, "rows_failed": 1,
    }  # fmt: skip
    assert shop.scalar("SELECT count(*) FROM product WHERE external_id IN ('p-3', 'p-5')") == 1


def test_full_sync_of_a_google_feed_of_one_line(shop):
    """A product stays while a variant of it is in the feed, even a faulty one; a feed that is cut off removes none."""
    photo = shop.photo("red.png", "red")

    def item(number, size, image=photo):
        return (
            f"<item><g:id>{number}-{size}</g:id><title>Item {number}</title><g:image_link>{image}</g:image_link>"
            f"<g:color>Red</g:color><g:size>{size}</g:size><g:item_group_id>G{number}</g:item_group_id></item>"
        )

    def take(*items, end="</channel></rss>"):
        path = shop.folder / "feed.xml"
        path.write_text(f"<rss xmlns:g='http://base.google.com/ns/1.0'><channel>{''.join(items)}{end}")
        return shop.ingest_service.run(IngestRequest(path, MERCHANT, "colors-1", full_sync=True), shop.errors.append)

    small, large = [item(number, "S") for number in range(10)], [item(number, "L") for number in range(10)]
    assert take(*small, *large).counts == {"products_new": 10, "images_new": 10}
    with pytest.raises(FeedUnreadable, match="not complete"):
        take(*small[:3], end="")
    # The large ones are gone; of 4 is left what has no image, of 5 nothing; 6 comes twice, and once without a group.
    plain = small[6].replace("<g:item_group_id>G6</g:item_group_id>", "")
    summary = take(*small[:4], item(4, "S", ""), *small[6:], small[6], plain, plain)
    assert summary.refusal is None
    assert [(error.external_id, error.column) for error in shop.errors] == [
        ("6-S", "id"),
        ("G4/red", "image_link"),
        ("G6/red", "id"),
    ]
    assert summary.counts == {
        "products_new": 1, "products_changed": 8, "products_removed": 1, "images_new": 1, "images_unchanged": 8,
        "images_removed": 1, "rows_failed": 3,
    }  # fmt: skip
    ids = shop.rows("SELECT external_id FROM product ORDER BY external_id")
    assert [name for (name,) in ids] == ["6-S", *(f"G{number}/red" for number in range(10) if number != 5)]


def test_ingest_of_groups_can_be_cancelled_before_any_product(shop, monkeypatch):
    """Products of groups come after the last row; until then the job tells how far it is, and ends when it is asked."""
    monkeypatch.setattr(job_run, "LOOK_SECONDS", 0.0)
    path = shop.folder / "feed.csv"
    lines = [f"{n},T,x.png,G{n}\n" for n in range(2000)]
    path.write_text("id,title,image_link,item_group_id\n" + "".join(lines))
    told = []

    def cancel(done, total):
        told.append((done, total))
        with shop.unit_of_work() as work:
            work.jobs.cancel(shop.scalar("SELECT max(id) FROM job"))
            work.commit()

    with pytest.raises(JobCancelled):
        shop.ingest_service.run(IngestRequest(path, MERCHANT, "colors-1"), shop.errors.append, cancel)
    assert told
    assert shop.scalar("SELECT count(*) FROM product") == 0


def test_full_sync_removes_nothing_when_a_row_has_no_readable_id(shop):
    """What that row was for is unknown, so what is missing is unknown too."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(10)]
    shop.take(rows)
    broken = [*rows[:9], {"title": "no id", "image": photo}]
    summary, _ = shop.take(broken, full_sync=True)
    assert "id could not be read" in str(summary.refusal)
    assert shop.scalar("SELECT count(*) FROM product") == 10


def test_a_repeated_id_fails_the_later_row_wherever_it_stands(shop):
    """The first row is taken, also when the repeat comes hundreds of rows, and so transactions, later."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(250)]
    rows.insert(3, _row(1, photo, title="near repeat"))
    rows.append(_row(2, photo, title="far repeat"))
    summary = shop.ingest(rows)
    assert summary.counts["products_new"] == 250
    assert summary.counts["rows_failed"] == 2
    assert [(error.line, error.column, error.found) for error in shop.errors] == [
        (4, "id", "P1, as on line 2"),
        (252, "id", "P2, as on line 3"),
    ]
    assert shop.scalar("SELECT count(*) FROM product WHERE title LIKE '%repeat'") == 0


def test_an_image_that_cannot_be_read_leaves_its_product_and_tells_why(shop, rows):
    """Missing, empty, no image, outside the folder: the row is kept, the image quarantined with its reason."""
    (shop.folder / "empty.png").write_bytes(b"")
    (shop.folder / "text.png").write_bytes(b"not a picture at all")
    (shop.folder.parent / "secret.png").write_bytes(picture("red"))
    bad = ["gone.png", "empty.png", "text.png", "../secret.png", "/etc/passwd"]
    rows += [_row(number, image) for number, image in enumerate(bad, 10)]
    summary, indexing = shop.take(rows)
    assert summary.counts["products_new"] == 8
    assert summary.counts["images_failed"] == 5
    assert indexing.embedded == 3
    assert [(error.external_id, error.column) for error in shop.errors] == [
        (f"P{number}", "image") for number in range(10, 15)
    ]
    assert shop.scalar("SELECT count(*) FROM image WHERE state = 'quarantined' AND last_error IS NOT NULL") == 5
    shop.assert_consistent()
    (shop.folder / "gone.png").write_bytes(picture("white"))
    summary, indexing = shop.take(rows)
    assert summary.counts["images_changed"] == 1
    assert summary.counts["images_failed"] == 4
    assert indexing.embedded == 1
    shop.assert_consistent()


def test_an_image_that_vanishes_later_keeps_what_is_known_of_it(shop, rows):
    """The failure is told, but the product does not drop out of searches."""
    shop.take(rows)
    (shop.folder / "red.png").unlink()
    summary, _ = shop.take(rows)
    assert summary.counts["images_failed"] == 1
    shop.assert_consistent()
    assert len(shop.index.scroll("drape-colors-1")) == 3


def test_a_truncated_image_is_quarantined_by_the_indexer_and_failed_again_next_time(shop, rows):
    """Its header is fine, its pixels are not: every run says so, no run tries to embed it, no row is lost."""
    (shop.folder / "cut.png").write_bytes(picture("red", "blue", size=(200, 200))[:-400])
    rows.append(_row(9, "cut.png"))
    summary, indexing = shop.take(rows)
    assert (indexing.embedded, indexing.quarantined) == (3, 1)
    told = shop.ingest_service.set_aside(summary.job_id, indexing.quarantined_images)
    assert [(error.line, error.external_id, error.column) for error in told] == [(4, "P9", "image")]
    assert "cut.png" in told[0].found
    summary, indexing = shop.take(rows)
    assert summary.counts["images_failed"] == 1
    assert (indexing.embedded, indexing.quarantined) == (0, 0)
    shop.photo("cut.png", "yellow")
    _, indexing = shop.take(rows)
    assert indexing.embedded == 1
    shop.assert_consistent()


def test_only_one_ingest_of_a_merchant_runs_at_a_time(shop, rows):
    """A second one is turned away with a clear error, and nothing of it is written."""
    shop.take(rows)
    with shop.unit_of_work() as other:
        other.merchants.claim_ingest(other.merchants.id_of(MERCHANT), MERCHANT)
        with pytest.raises(IngestRunning):
            shop.ingest(rows[:1])
    assert shop.scalar("SELECT count(*) FROM job") == 1


def test_an_ingest_that_is_interrupted_keeps_what_it_had_and_the_next_one_goes_on(shop):
    """Ctrl-C after the first transaction: its rows stay, the job says so, the same feed then completes."""
    photo = shop.photo("red.png", "red")
    rows = [_row(number, photo) for number in range(450)]

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    request = IngestRequest(shop.write_feed(rows), MERCHANT, "colors-1")
    with pytest.raises(KeyboardInterrupt):
        shop.ingest_service.run(request, shop.errors.append, stop)
    assert shop.scalar("SELECT count(*) FROM product") == 200
    assert shop.scalar("SELECT state FROM job") == "interrupted"
    summary, indexing = shop.take(rows)
    assert summary.counts == {
        "products_new": 250,
        "images_new": 250,
        "products_unchanged": 200,
        "images_unchanged": 200,
    }
    assert indexing.embedded == 450
    shop.assert_consistent()


def test_a_killed_ingest_does_not_stand_in_the_way(shop, rows):
    """A job left running by a process that died is ended by the next ingest, and its notes are dropped."""
    summary, _ = shop.take(rows)
    with shop.unit_of_work() as work:
        dead = work.jobs.start(summary.merchant_id, JobKind.INGEST, "dead", {}, "B")
        work.products.sight(dead, {"P1": 2})
        work.commit()
    summary, _ = shop.take(rows)
    assert summary.counts["products_unchanged"] == 3
    assert shop.scalar(f"SELECT state FROM job WHERE id = {dead}") == "interrupted"
    assert shop.scalar(f"SELECT count(*) FROM feed_sighting WHERE job_id = {dead}") == 0


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "x" * 101, " atelier", "\udcff"])
def test_a_merchant_needs_a_name_that_can_be_shown(shop, rows, name):
    """Nothing is written for a name that is empty, too long, or would steer a terminal."""
    with pytest.raises(InvalidRequest, match="1 to 100 printable"):
        shop.ingest_service.run(IngestRequest(shop.write_feed(rows), name, "colors-1"), shop.errors.append)
    assert shop.scalar("SELECT count(*) FROM merchant") == 0


def test_a_model_version_that_does_not_exist_leaves_no_merchant(shop, rows):
    """A mistyped version is told before anything is written."""

    def refuse(version: str):
        raise UnusableModel("there is no model version of that name", received=version)

    shop.models.describe = refuse
    with pytest.raises(UnusableModel):
        shop.ingest(rows)
    assert shop.scalar("SELECT count(*) FROM merchant") == 0


def test_an_ingest_that_fails_says_why_in_its_job(shop, rows):
    """Whatever the failure: here the disk is full when an error is to be written."""

    def full(error) -> None:
        raise OSError(28, "No space left on device")

    request = IngestRequest(shop.write_feed([*rows, {"id": "P9"}]), MERCHANT, "colors-1")
    with pytest.raises(OSError, match="No space"):
        shop.ingest_service.run(request, full)
    assert shop.rows("SELECT state, error FROM job") == [("failed", "[Errno 28] No space left on device")]


def test_a_feed_whose_name_is_no_text_can_be_ingested(shop, rows):
    """File names are bytes; the job shows them with escapes."""
    named = shop.write_feed(rows).rename(shop.folder / "f\udcffed.jsonl")
    shop.ingest_service.run(IngestRequest(named, MERCHANT, "colors-1"), shop.errors.append)
    assert shop.scalar("SELECT subject FROM job").endswith("f\\udcffed.jsonl")
