"""Several indexers at one outbox: what each takes, what is left to others, and what kills whoever works on it."""

from __future__ import annotations

import itertools

from sqlalchemy import text

from catalog.repositories.outbox import OutboxRepository
from catalog.services.indexing.indexing import IndexingLimits, IndexingService

COLORS = ("red", "green", "blue", "white", "black", "yellow")


def _rows(shop, number: int, **facts):
    return [
        {"id": f"P{at}", "title": f"Item {at}", "image": shop.photo(f"{at}.png", COLORS[at % 6]), **facts}
        for at in range(number)
    ]


def _execute(shop, statement: str) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text(statement))


def _shared_indexing(shop, index=None) -> IndexingService:
    return IndexingService(shop.unit_of_work, index or shop.index, shop.images, shop.models, shop.limits, alone=False)


class IndexThatNotesBatches:
    """Passes everything on; notes which images were upserted together."""

    def __init__(self, index) -> None:
        self._index = index
        self.batches: list[list[int]] = []

    def upsert(self, collection, points) -> None:
        self.batches.append([point.id for point in points])
        self._index.upsert(collection, points)

    def __getattr__(self, name):
        return getattr(self._index, name)


def test_light_work_is_payloads_and_removals_and_leaves_what_must_be_embedded(shop):
    shop.take(_rows(shop, 3))
    # P0's price changes, P1 goes, P2 stays as it was, P3 and P4 are new: two marks need no network, two do.
    changed = _rows(shop, 5)
    changed[0]["price"] = "25.00 EUR"
    del changed[1]
    shop.ingest(changed, full_sync=True, max_removal=1.0)
    embedded = shop.models.num_embedded

    summary = _shared_indexing(shop).run(light=True)

    assert (summary.embedded, summary.refreshed, summary.removed) == (0, 1, 1)
    assert shop.models.num_embedded == embedded
    # Those that were left have neither a lease nor an attempt.
    assert shop.rows("SELECT attempts, lease_until FROM outbox") == [(0, None), (0, None)]
    assert _shared_indexing(shop).run().embedded == 2
    shop.assert_consistent()


def test_a_payload_of_an_image_that_a_second_gallery_lacks_is_not_light(shop):
    summary, _ = shop.take(_rows(shop, 2))
    shop.galleries.build_beside(summary.merchant_id, "colors-2")

    assert _shared_indexing(shop).run(light=True).refreshed == 0
    assert _shared_indexing(shop).run().embedded == 2
    shop.assert_consistent()


def test_an_image_that_got_other_bytes_or_another_box_is_not_light(shop):
    rows = _rows(shop, 3)
    shop.take(rows)
    shop.photo("0.png", "yellow", "black")
    rows[1]["image_box"] = "0,0,16,16"
    shop.ingest(rows)

    assert shop.scalar("SELECT count(*) FROM outbox") == 2
    summary = _shared_indexing(shop).run(light=True)
    assert (summary.embedded, summary.refreshed, summary.removed) == (0, 0, 0)
    assert _shared_indexing(shop).run().embedded == 2
    shop.assert_consistent()


def test_an_image_that_changes_between_claim_and_reading_is_left_to_the_network(shop, monkeypatch):
    shop.take(_rows(shop, 1))
    shop.ingest(_rows(shop, 1, price="25.00 EUR"))
    claim = OutboxRepository.claim

    def claim_then_change(self, *arguments):
        claims = claim(self, *arguments)
        _execute(shop, "UPDATE indexed_image SET content_key = 'other bytes'")
        return claims

    monkeypatch.setattr(OutboxRepository, "claim", claim_then_change)
    assert _shared_indexing(shop).run(light=True).refreshed == 0
    monkeypatch.undo()
    assert shop.rows("SELECT attempts, lease_until FROM outbox") == [(0, None)]
    assert _shared_indexing(shop).run().embedded == 1
    shop.assert_consistent()


def test_what_processes_died_of_is_worked_on_alone_after_everything_else(shop):
    shop.limits = IndexingLimits(batch_size=3)
    shop.ingest(_rows(shop, 6))
    first, second = (row[0] for row in shop.rows("SELECT image_id FROM outbox ORDER BY image_id LIMIT 2"))
    # Two claims of each ended without a word, the second just now: whoever held them was killed.
    _execute(
        shop,
        "UPDATE outbox SET attempts = 2, lease_until = now() - interval '1 second' "
        f"WHERE image_id IN ({first}, {second})",
    )
    index = IndexThatNotesBatches(shop.index)

    summary = _shared_indexing(shop, index).run()

    assert summary.embedded == 6
    assert [len(batch) for batch in index.batches] == [3, 1, 1, 1]
    assert index.batches[2:] == [[first], [second]]
    shop.assert_consistent()


def test_what_killed_too_many_processes_is_set_aside_unopened(shop):
    shop.ingest(_rows(shop, 3))
    deadly = shop.scalar("SELECT min(image_id) FROM outbox")
    _execute(shop, f"UPDATE outbox SET attempts = {shop.limits.max_attempts} WHERE image_id = {deadly}")

    summary = _shared_indexing(shop).run()

    assert summary.embedded == 2
    assert summary.quarantined_images == (deadly,)
    assert shop.models.num_embedded == 2
    assert shop.rows("SELECT id, last_error FROM image WHERE state = 'quarantined'") == [
        (deadly, "whatever worked on it was killed, 5 times")
    ]
    shop.assert_consistent()


def test_a_mark_that_killed_may_be_tried_again_once_it_is_renewed(shop):
    shop.ingest(_rows(shop, 1))
    _execute(shop, "UPDATE outbox SET attempts = 5")
    _shared_indexing(shop).run()
    # Other bytes: what was said of the old ones does not hold.
    shop.photo("0.png", "blue", "white")

    assert (
        shop.take(
            [{"id": "P0", "title": "Item 0", "image": "0.png"}],
        )[1].embedded
        == 1
    )
    shop.assert_consistent()


def test_an_indexer_that_is_to_stop_finishes_what_it_holds_and_claims_no_more(shop):
    shop.limits = IndexingLimits(batch_size=2)
    shop.ingest(_rows(shop, 10))
    # Asked before each claim: two of them come through, so two batches of two images are finished.
    asked = itertools.count()

    summary = _shared_indexing(shop).run(stop=lambda: next(asked) >= 2)

    assert summary.embedded == 4
    assert shop.rows("SELECT count(*), count(lease_until), sum(attempts) FROM outbox") == [(6, 0, 0)]
    assert _shared_indexing(shop).run().embedded == 6
    shop.assert_consistent()
