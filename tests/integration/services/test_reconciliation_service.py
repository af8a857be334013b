"""Reconciling on PostgreSQL and Qdrant's engine: every damage is found, put right, and not found again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import IndexUnavailable, MerchantNotFound
from catalog.ports.vector_index import Point
from catalog.services.galleries.gallery_layout import collection_spec
from catalog.services.indexing.index_differences import Difference
from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.indexing.reconciliation import Reconciliation, ReconciliationService
from tests.integration.services.conftest import MERCHANT

COLLECTION = "drape-colors-1"


def _rows(shop, number: int, colors: tuple[str, ...] = ("red", "green", "blue", "white", "black", "yellow")):
    return [
        {"id": f"P{at}", "title": f"Item {at}", "image": shop.photo(f"{at}.png", colors[at % 6], colors[at % 5])}
        for at in range(number)
    ]


def _service(shop, index=None, page_size: int = 3) -> ReconciliationService:
    return ReconciliationService(shop.unit_of_work, index or shop.index, shop.models, page_size=page_size)


def _found(reconciliation: Reconciliation, gallery: int = 0) -> dict[str, list[int]]:
    """The ids of each difference that was found at all."""
    tally = reconciliation.galleries[gallery].differences
    assert {kind: len(ids) for kind, ids in tally.examples.items()} == tally.counts
    return {kind.value: ids for kind, ids in tally.examples.items() if ids}


def _repair(shop) -> tuple[Reconciliation, IndexingSummary]:
    """Repair, index, and check that both sides are the same afterwards and that a second look finds nothing."""
    repaired = _service(shop).run(repairs=True)
    indexing = shop.indexing.run()
    shop.assert_consistent()
    again = _service(shop).run(repairs=True)
    assert (again.num_differences, again.num_pending, again.num_marked, again.num_deleted) == (0, 0, 0, 0)
    return repaired, indexing


def _execute(shop, statement: str) -> None:
    with shop.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _point(shop, id: int, **payload) -> Point:
    """A point that nothing has embedded, of the shop's merchant unless told otherwise."""
    merchant = str(shop.scalar("SELECT id FROM merchant"))
    sizes = {"pool": 48, "prob": 6, "hist": 7}
    vectors = {name: np.full(size, 0.25, np.float32) for name, size in sizes.items()}
    return Point(id, vectors, {"merchant": merchant, "revision": 1, "model": "colors-1", **payload})


@pytest.fixture
def ids(shop) -> list[int]:
    """Ids of eight indexed images, in ascending order: three pages of three, the last one not full."""
    shop.take(_rows(shop, 8))
    return [row[0] for row in shop.rows("SELECT id FROM image ORDER BY id")]


def test_what_is_in_order_is_left_as_it_is(shop, ids):
    """Nothing is found, marked or deleted, and nothing is embedded."""
    embedded = shop.models.num_embedded
    repaired, indexing = _repair(shop)
    assert repaired.num_differences == 0
    assert repaired.galleries[0].num_compared == 8
    assert (indexing.embedded, shop.models.num_embedded) == (0, embedded)


def test_every_kind_of_difference_is_found_and_put_right(shop, ids):
    """One of each, spread over the pages; what needs no new vectors gets none."""
    revisions = dict(shop.rows("SELECT id, revision FROM image"))
    # The index has lost a point, and PostgreSQL the note of another lost one.
    shop.index.delete(COLLECTION, [ids[0], ids[3]])
    _execute(shop, f"DELETE FROM indexed_image WHERE image_id = {ids[3]}")
    # A point of an older backup, and one that no note speaks of.
    payload = shop.index.retrieve(COLLECTION, [ids[1]])[0].payload
    shop.index.replace_payloads(COLLECTION, {ids[1]: {**payload, "revision": revisions[ids[1]] - 1}})
    _execute(shop, f"DELETE FROM indexed_image WHERE image_id = {ids[4]}")
    # A mark that was lost: the image has moved on, and point and note agree on where it was.
    _execute(shop, f"UPDATE image SET revision = nextval('image_revision') WHERE id = {ids[5]}")
    # A photo that was changed without a mark, an image set aside, and one removed.
    _execute(shop, f"UPDATE image SET crop = '{{0,0,16,16}}' WHERE id = {ids[2]}")
    _execute(shop, f"UPDATE image SET state = 'quarantined', last_error = 'blurred' WHERE id = {ids[6]}")
    _execute(shop, f"DELETE FROM image WHERE id = {ids[7]}")
    # Points of nothing, one of an id that no row can have, and a note of nothing.
    nowhere = [ids[7] + 100, 2**63 + 5]
    shop.index.upsert(COLLECTION, [_point(shop, id) for id in nowhere])
    _execute(shop, f"INSERT INTO indexed_image SELECT id, {ids[7] + 50}, 'ab12', 1 FROM gallery")

    expected = {
        "missing": [ids[3]],
        "stale": [ids[1], ids[2], ids[4], ids[5]],
        "orphaned": [ids[6], ids[7], *nowhere],
        "misnoted": [ids[0], ids[7] + 50],
    }
    looked = _service(shop).run()
    assert _found(looked) == expected
    assert (looked.num_differences, looked.num_marked, looked.num_deleted) == (11, 0, 0)
    assert shop.scalar("SELECT count(*) FROM outbox") == 0

    repaired, indexing = _repair(shop)
    assert _found(repaired) == expected
    # Missing 1, stale 4 and the misnoted image; the misnoted one that is no image is only forgotten.
    assert (repaired.num_marked, repaired.num_deleted) == (6, 4)
    # All but the one whose mark was lost: its note speaks of the very point that is there.
    assert (indexing.embedded, indexing.refreshed) == (5, 1)


def test_a_misnoted_image_is_embedded_again_and_found_by_searches(shop, ids):
    """A refresh would replace the payload of a point that is not there, and change nothing."""
    shop.index.delete(COLLECTION, [ids[2]])
    with shop.unit_of_work() as work:
        work.outbox.mark([ids[2]])
        work.commit()
    assert shop.indexing.run().refreshed == 1
    assert shop.index.retrieve(COLLECTION, [ids[2]]) == []
    _, indexing = _repair(shop)
    assert (indexing.embedded, indexing.refreshed) == (1, 0)


def test_dirty_images_are_pending_and_never_wrong(shop, ids):
    """Ingested and not indexed yet, new, changed and removed alike."""
    rows = _rows(shop, 10)[1:]
    rows[0]["title"] = rows[0]["title"] + " again"
    rows[0]["price"] = "12 EUR"
    shop.ingest(rows, full_sync=True)
    looked = _service(shop).run()
    # Two new ones, the changed one and the removed one.
    assert (looked.num_differences, looked.num_pending) == (0, 4)
    shop.indexing.run()
    assert _service(shop).run().num_pending == 0


class IndexThatIsWorkedOn:
    """A vector index that something happens to after the first page was read, or before the second look."""

    def __init__(self, shop, happens: Callable[[], None], at: str) -> None:
        self._index = shop.index
        self._happens: Callable[[], None] | None = happens
        self._at = at

    def _happen(self, at: str) -> None:
        if at == self._at and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()

    def list_collections(self):
        return self._index.list_collections()

    def scroll(self, *arguments):
        page = self._index.scroll(*arguments)
        self._happen("scroll")
        return page

    def retrieve(self, *arguments):
        self._happen("before retrieve")
        found = self._index.retrieve(*arguments)
        self._happen("after retrieve")
        return found


@pytest.mark.parametrize("change", ["changed", "removed", "added"])
def test_what_an_indexer_does_between_two_readings_is_no_difference(shop, ids, change):
    """The page of points is old by the time PostgreSQL is asked, and there is no mark any more."""

    def work_on() -> None:
        rows = _rows(shop, 9 if change == "added" else 8)
        if change == "changed":
            rows[1]["price"] = "12 EUR"
        shop.take(rows[1:] if change == "removed" else rows, full_sync=True)

    looked = _service(shop, IndexThatIsWorkedOn(shop, work_on, "scroll"), page_size=20).run()
    assert looked.num_differences == 0
    shop.assert_consistent()


@pytest.mark.parametrize("at", ["before retrieve", "after retrieve"])
@pytest.mark.parametrize("indexed", [True, False])
def test_what_is_marked_while_it_is_looked_at_again_is_pending(shop, ids, at, indexed):
    """The second look believes the point only where PostgreSQL says the same before and after it."""
    shop.index.delete(COLLECTION, [ids[2]])

    def work_on() -> None:
        with shop.unit_of_work() as work:
            work.comparisons.forget_notes(COLLECTION, [ids[2]])
            work.outbox.mark([ids[2]])
            work.commit()
        if indexed:
            shop.indexing.run()

    looked = _service(shop, IndexThatIsWorkedOn(shop, work_on, at)).run()
    assert (looked.num_differences, looked.num_pending) == (0, 1)


def test_a_gallery_that_retires_meanwhile_is_left_alone(shop, ids):
    """Nobody feeds a retired gallery, so what it lacks is no difference."""
    shop.index.delete(COLLECTION, ids[:2])

    def retire() -> None:
        _execute(shop, "UPDATE gallery SET state = 'retired'")

    looked = _service(shop, IndexThatIsWorkedOn(shop, retire, "before retrieve")).run(repairs=True)
    assert (looked.num_differences, looked.num_marked) == (0, 0)
    assert _service(shop).run().galleries == ()


def test_a_gallery_that_is_pruned_meanwhile_is_left_alone(shop, ids):
    """Its rows and its whole collection go between two readings."""
    shop.index.delete(COLLECTION, ids[:2])

    def prune() -> None:
        _execute(shop, "DELETE FROM gallery")
        shop.index.drop_collection(COLLECTION)

    looked = _service(shop, IndexThatIsWorkedOn(shop, prune, "before retrieve")).run(repairs=True)
    assert (looked.num_differences, looked.num_marked, looked.num_deleted) == (0, 0, 0)
    assert shop.index.list_collections() == []


class OvertakenService(ReconciliationService):
    """Something happens to what was found before it is repaired."""

    happens: Callable[[], None]

    def _repair(self, *arguments) -> None:
        self.happens()
        super()._repair(*arguments)


def test_what_is_marked_before_it_is_repaired_is_left_to_the_indexer(shop, ids):
    """One that has begun to refresh would note again what the repair forgets, and the next one would refresh, too."""
    shop.index.delete(COLLECTION, [ids[2]])
    _execute(shop, f"UPDATE image SET state = 'quarantined', last_error = 'blurred' WHERE id = {ids[3]}")

    def mark() -> None:
        _execute(shop, f"UPDATE image SET state = 'ready' WHERE id = {ids[3]}")
        with shop.unit_of_work() as work:
            work.outbox.mark([ids[2], ids[3]])
            work.commit()

    service = OvertakenService(shop.unit_of_work, shop.index, shop.models)
    service.happens = mark
    overtaken = service.run(repairs=True)
    assert (overtaken.num_differences, overtaken.num_marked, overtaken.num_deleted) == (2, 0, 0)
    assert len(shop.rows(f"SELECT 1 FROM indexed_image WHERE image_id IN ({ids[2]}, {ids[3]})")) == 2
    shop.indexing.run()
    repaired, indexing = _repair(shop)
    assert (_found(repaired), indexing.embedded) == ({"misnoted": [ids[2]]}, 1)


@pytest.mark.parametrize("repairs", [False, True])
def test_nothing_is_wrong_while_feeds_are_taken_and_indexed(shop, ids, repairs):
    """Comparing over and over beside an indexer: new, changed, removed and damaged photos, and never a difference."""

    def take_feeds() -> None:
        for round in range(5):
            rows = _rows(shop, 10)
            del rows[round]
            rows[5]["price"] = f"{20 + round} EUR"
            rows[6]["image"] = shop.photo(f"again-{round}.png", "blue", *("white",) * (round + 1))
            if round % 2:
                (shop.folder / "7.png").write_bytes(b"no photo")
            shop.take(rows, full_sync=True, max_removal=1.0)

    num_runs = 0
    with ThreadPoolExecutor(1) as pool:
        feeds = pool.submit(take_feeds)
        while not feeds.done():
            looked = _service(shop).run(repairs=repairs)
            assert (looked.num_differences, looked.num_marked, looked.num_deleted) == (0, 0, 0)
            num_runs += 1
        feeds.result()
    assert num_runs > 5
    shop.assert_consistent()


def test_both_fed_galleries_are_compared_and_the_retired_one_is_not_touched(shop, ids):
    """Each by its own notes and points, though the images are the same."""
    building = shop.galleries.build_beside(shop.scalar("SELECT id FROM merchant"), "colors-2")
    shop.indexing.run()
    shop.index.delete("drape-colors-2", [ids[4]])
    shop.index.delete(COLLECTION, [ids[5], ids[6]])
    looked = _service(shop).run()
    assert [one.gallery.model_version for one in looked.galleries] == ["colors-1", "colors-2"]
    assert (_found(looked, 0), _found(looked, 1)) == ({"misnoted": ids[5:7]}, {"misnoted": [ids[4]]})
    _repair(shop)
    shop.galleries.switch(building.merchant_id, building)
    _execute(shop, f"DELETE FROM image WHERE id = {ids[0]}")
    repaired, _ = _repair(shop)
    assert [one.gallery.model_version for one in repaired.galleries] == ["colors-2"]
    assert [point.id for point in shop.index.scroll(COLLECTION)] == ids


def test_vectors_that_were_lost_as_a_whole_are_made_again(shop, ids, tmp_path):
    """The index is a projection: without its folder, PostgreSQL has everything that it is made from."""
    shop.index.close()
    shutil.rmtree(tmp_path / "vectors")
    shop.index = QdrantEdgeIndex(tmp_path / "vectors")
    try:
        looked = _service(shop).run()
        assert _found(looked) == {"misnoted": ids}
        _, indexing = _repair(shop)
        assert indexing.embedded == 8
    finally:
        shop.index.close()


def test_points_without_a_gallery_are_found_and_deleted(shop, ids):
    """Of a merchant that is gone, of nobody, and of a merchant whose gallery is of another version."""
    other = shop.galleries.build_beside(shop.scalar("SELECT id FROM merchant"), "colors-2")
    shop.indexing.run()
    _execute(shop, f"DELETE FROM gallery WHERE id = {other.id}")
    shop.index.upsert(COLLECTION, [_point(shop, 900 + at, merchant=merchant) for at, merchant in enumerate("78")])
    shop.index.upsert(COLLECTION, [_point(shop, 950, merchant=None)])
    # What PostgreSQL has never heard of is somebody else's, on the same server.
    shop.index.create_collection("drape-colors-3", collection_spec(shop.models.describe("colors-3")))
    shop.index.upsert("drape-colors-3", [_point(shop, 31)])
    looked = _service(shop).run()
    assert [(one.collection, one.num, one.examples) for one in looked.strays] == [
        (COLLECTION, 3, [900, 901, 950]),
        ("drape-colors-2", 8, ids),
    ]
    assert looked.num_differences == 11
    mine = _service(shop).run(MERCHANT)
    assert [(one.collection, one.num) for one in mine.strays] == [("drape-colors-2", 8)]
    repaired, indexing = _repair(shop)
    assert repaired.num_deleted == 11
    assert (indexing.embedded, indexing.refreshed) == (0, 0)
    assert (shop.index.count("drape-colors-2"), shop.index.count("drape-colors-3")) == (0, 1)


def test_an_orphan_that_becomes_an_image_while_it_is_deleted_is_embedded_again(shop, ids):
    """A feed mends a photo that was set aside just when its old point goes: the deletion may hit the new one."""
    _execute(shop, f"UPDATE image SET state = 'quarantined', last_error = 'blurred' WHERE id = {ids[3]}")

    class IndexThatIsMended(IndexThatIsWorkedOn):
        def delete(self, *arguments) -> None:
            _execute(shop, f"UPDATE image SET state = 'ready' WHERE id = {ids[3]}")
            with shop.unit_of_work() as work:
                work.outbox.mark([ids[3]])
                work.commit()
            shop.indexing.run()
            self._index.delete(*arguments)

    _service(shop, IndexThatIsMended(shop, lambda: None, "never")).run(repairs=True)
    shop.indexing.run()
    shop.assert_consistent()


def test_a_point_that_claims_the_wrong_merchant_is_given_back(shop, ids):
    """Its image is another merchant's: searches of the one found it, those of the other missed it."""
    _execute(shop, "INSERT INTO merchant (name) VALUES ('zest')")
    zest = shop.scalar("SELECT id FROM merchant WHERE name = 'zest'")
    shop.galleries.ensure_live(zest, "colors-1")
    payload = shop.index.retrieve(COLLECTION, [ids[2]])[0].payload
    shop.index.replace_payloads(COLLECTION, {ids[2]: {**payload, "merchant": str(zest)}})
    looked = _service(shop).run()
    assert (_found(looked, 0), _found(looked, 1)) == ({"misnoted": [ids[2]]}, {"orphaned": [ids[2]]})
    _service(shop).run(repairs=True)
    shop.indexing.run()
    again = _service(shop).run()
    assert (again.num_differences, again.num_pending) == (0, 0)
    assert shop.index.retrieve(COLLECTION, [ids[2]])[0].payload["merchant"] == payload["merchant"]


class IndexThatStopsDeleting:
    """A vector index that goes away when it should delete."""

    def __init__(self, index) -> None:
        self._index = index

    def __getattr__(self, name):
        return getattr(self._index, name)

    def delete(self, *arguments) -> None:
        raise IndexUnavailable("The index does not answer")


def test_a_repair_that_was_stopped_half_way_is_completed_by_the_next(shop, ids):
    """What was marked stays marked, and the rest is found again."""
    shop.index.delete(COLLECTION, [ids[0], ids[7]])
    shop.index.upsert(COLLECTION, [_point(shop, 2 * ids[7])])
    _execute(shop, f"DELETE FROM image WHERE id = {ids[4]}")
    with pytest.raises(IndexUnavailable):
        _service(shop, IndexThatStopsDeleting(shop.index)).run(repairs=True)
    assert shop.rows("SELECT image_id FROM outbox") == [(ids[0],)]
    looked = _service(shop).run()
    assert looked.num_pending == 1
    assert _found(looked) == {"orphaned": [ids[4], 2 * ids[7]], "misnoted": [ids[7]]}
    _repair(shop)


class IndexThatCounts:
    """A vector index that notes how many points were asked for at once."""

    def __init__(self, index) -> None:
        self._index = index
        self.largest = 0
        self.num_pages = 0

    def __getattr__(self, name):
        return getattr(self._index, name)

    def scroll(self, collection, filter=None, limit=1000, after=None):
        self.largest = max(self.largest, limit)
        self.num_pages += 1
        return self._index.scroll(collection, filter, limit, after)

    def retrieve(self, collection, ids, with_vectors=()):
        self.largest = max(self.largest, len(ids))
        return self._index.retrieve(collection, ids, with_vectors)


def test_a_comparison_that_is_asked_to_stop_ends_after_its_page_and_says_so(shop, ids):
    """Pages of three: the second is not looked at."""
    shop.index.delete(COLLECTION, [ids[0], ids[7]])
    stopped = _service(shop).run(repairs=True, stop=lambda: True)
    assert (stopped.is_complete, stopped.galleries[0].num_compared, stopped.num_marked) == (False, 3, 1)
    assert _service(shop).run().is_complete


def test_memory_holds_a_page_whatever_the_size_of_the_catalog(shop):
    """Forty images and forty orphans, all of them wrong, five at a time."""
    shop.take(_rows(shop, 40))
    first, last = shop.rows("SELECT min(id), max(id) FROM image")[0]
    _execute(shop, "DELETE FROM indexed_image")
    shop.index.upsert(COLLECTION, [_point(shop, last + 1 + at) for at in range(40)])
    counting = IndexThatCounts(shop.index)
    looked = _service(shop, counting, page_size=5).run()
    counts = looked.galleries[0].differences.counts
    assert (counts[Difference.STALE], counts[Difference.ORPHANED]) == (40, 40)
    assert looked.galleries[0].differences.examples[Difference.STALE] == list(range(first, first + 10))
    # A window of both sides holds a page of each at most.
    assert counting.largest <= 2 * 5
    assert counting.num_pages >= 80 / 5


def test_a_merchant_that_does_not_exist_is_told(shop, ids):
    """With the names there are."""
    with pytest.raises(MerchantNotFound, match="nobody"):
        _service(shop).run("nobody")
    assert replace(_service(shop).run(MERCHANT), merchant_id=None) == _service(shop).run()
