"""Dropping galleries: what goes, what stays, and what a killed run leaves."""

from __future__ import annotations

import datetime

import pytest

from catalog.errors import GalleryBusy, IndexUnavailable
from catalog.services.galleries.gallery_layout import collection_spec
from catalog.services.ingesting.ingest import IngestRequest
from catalog.services.reindexing.gallery_pruning import GalleryPruning
from tests.integration.services.conftest import MERCHANT

COLORS = ("red", "green", "blue", "white", "black", "yellow")


@pytest.fixture
def merchant_id(shop) -> int:
    """A shop of seven images with colors-2 live and colors-1 retired."""
    summary, _ = shop.take(_rows(shop, 7))
    shop.reindexing.run(summary.merchant_id, "colors-2")
    return summary.merchant_id


def _rows(shop, number: int):
    return [
        {"id": f"P{at}", "title": f"Item {at}", "image": shop.photo(f"{at}.png", COLORS[at % 6], COLORS[at % 5])}
        for at in range(number)
    ]


def _take_other(shop, number: int) -> int:
    """Another merchant with colors-1 live; its id."""
    request = IngestRequest(shop.write_feed(_rows(shop, number)), "bottega", "colors-1")
    summary = shop.ingest_service.run(request, shop.errors.append)
    shop.indexing.run(summary.merchant_id)
    return summary.merchant_id


def _shared(shop, waits: list[float]) -> GalleryPruning:
    """As on a server that others index and search in, too; what it waits for is noted instead."""
    return GalleryPruning(shop.unit_of_work, shop.index, alone=False, sleep=waits.append)


class IndexThatBreaks:
    """A vector index that goes away at its n-th removal of points or collections, before or after doing it."""

    def __init__(self, index, number: int, *, after: bool) -> None:
        self._index = index
        self._left = number
        self._after = after

    def delete(self, collection, ids) -> None:
        self._counted(lambda: self._index.delete(collection, ids))

    def drop_collection(self, name) -> None:
        self._counted(lambda: self._index.drop_collection(name))

    def _counted(self, removal) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise IndexUnavailable("The index is gone")
        removal()
        if self._left == 0:
            raise IndexUnavailable("The index is gone")

    def __getattr__(self, name: str):
        return getattr(self._index, name)


def test_a_retired_gallery_goes_with_its_collection(shop, merchant_id):
    """No other merchant uses it, so it is dropped whole; what is live answers as before."""
    pruned = shop.pruning.run(merchant_id)
    assert [gallery.model_version for gallery in pruned.galleries] == ["colors-1"]
    assert (pruned.points, pruned.collections) == (7, ("drape-colors-1",))
    assert shop.index.list_collections() == ["drape-colors-2"]
    assert shop.rows("SELECT state FROM gallery") == [("live",)]
    assert shop.scalar("SELECT count(*) FROM indexed_image") == 7
    assert shop.search.by_product(MERCHANT, "P0").model_version == "colors-2"
    shop.assert_consistent()
    again = shop.pruning.run(merchant_id)
    assert (again.galleries, again.points, again.collections) == ((), 0, ())
    # It can be built anew, from nothing.
    assert shop.reindexing.run(merchant_id, "colors-1").indexing.embedded == 7
    shop.assert_consistent()


def test_of_a_shared_collection_only_the_merchants_own_points_go(shop, merchant_id, monkeypatch):
    """In batches of three: the other merchant's five stay and are found."""
    _take_other(shop, 5)
    monkeypatch.setattr("catalog.services.reindexing.gallery_pruning.POINTS_PER_DELETION", 3)
    pruned = shop.pruning.run(merchant_id)
    assert (pruned.points, pruned.collections) == (7, ())
    assert shop.index.count("drape-colors-1") == 5
    assert len(shop.search.by_product("bottega", "P0").hits) == 4
    assert shop.index.count("drape-colors-2") == 7


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_a_stopped_run_leaves_is_found_by_the_next(shop, merchant_id, monkeypatch, number, after):
    """Rows are gone by then and speak of nothing; of 7 points, 3 go at a time."""
    _take_other(shop, 5)
    monkeypatch.setattr("catalog.services.reindexing.gallery_pruning.POINTS_PER_DELETION", 3)
    whole = shop.index
    shop.index = IndexThatBreaks(whole, number, after=after)
    with pytest.raises(IndexUnavailable):
        shop.pruning.run(merchant_id)
    shop.index = whole
    assert shop.rows(f"SELECT state FROM gallery WHERE merchant_id = {merchant_id}") == [("live",)]
    gone = min(7, 3 * (number if after else number - 1))
    assert whole.count("drape-colors-1") == 7 - gone + 5
    assert shop.pruning.run(merchant_id).points == 7 - gone
    assert whole.count("drape-colors-1") == 5


def test_a_collection_that_was_not_dropped_is_dropped_by_the_next_run(shop, merchant_id):
    """Whoever's next run it is: it belongs to nobody."""
    other = _take_other(shop, 2)
    shop.reindexing.run(other, "colors-2")
    shop.pruning.run(merchant_id)
    whole = shop.index
    shop.index = IndexThatBreaks(whole, 1, after=False)
    with pytest.raises(IndexUnavailable):
        shop.pruning.run(other)
    shop.index = whole
    pruned = shop.pruning.run(merchant_id)
    assert (pruned.galleries, pruned.points, pruned.collections) == ((), 2, ("drape-colors-1",))


def test_collections_of_others_stay(shop, merchant_id):
    """No gallery here was ever made of such a version: another installation may share the server."""
    shop.index.create_collection("drape-theirs", collection_spec(shop.models.describe("theirs")))
    assert shop.pruning.run(merchant_id).collections == ("drape-colors-1",)
    assert shop.index.list_collections() == ["drape-colors-2", "drape-theirs"]


def test_what_is_being_built_stays_unless_it_is_asked_for(shop, merchant_id):
    """An abandoned gallery is fed for ever; with ``building`` it goes, and its images are marked for nothing more."""
    shop.galleries.build_beside(merchant_id, "colors-3")
    assert [one.model_version for one in shop.pruning.run(merchant_id).galleries] == ["colors-1"]
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("live",), ("building",)]
    assert [one.model_version for one in shop.pruning.run(merchant_id, building=True).galleries] == ["colors-3"]
    shop.indexing.run(merchant_id)
    assert shop.index.list_collections() == ["drape-colors-2"]
    shop.assert_consistent()


def test_searches_that_began_before_the_change_can_end(shop, merchant_id):
    """Where others may be searching, ten seconds pass between the change and the dropping, and not more."""
    waits: list[float] = []
    assert len(_shared(shop, waits).run(merchant_id).galleries) == 1
    assert len(waits) == 1
    assert 0 < waits[0] < 10
    shop.reindexing.run(merchant_id, "colors-1")
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE gallery SET retired_at = retired_at - interval '11 s'")
    assert len(_shared(shop, waits).run(merchant_id).galleries) == 1
    assert len(waits) == 1


def test_nothing_is_dropped_while_a_gallery_is_built(shop, merchant_id):
    """Also while the one who builds it has nothing in hand, such as when it is checked."""
    with shop.unit_of_work() as builder:
        builder.merchants.claim_galleries(merchant_id)
        with pytest.raises(GalleryBusy, match="being built, changed or dropped right now"):
            shop.pruning.run(merchant_id)
    assert len(shop.pruning.run(merchant_id).galleries) == 1


@pytest.mark.parametrize("building", [False, True])
def test_nothing_is_dropped_while_images_are_being_indexed(shop, merchant_id, building):
    """Another indexer of a shared server may be filling any of them; the states stay as they are."""
    shop.galleries.build_beside(merchant_id, "colors-3")
    with shop.unit_of_work() as work:
        claims = work.outbox.claim(3, datetime.timedelta(hours=1))
        work.commit()
    pruning = _shared(shop, [])
    with pytest.raises(GalleryBusy, match="3 images that are being indexed"):
        pruning.run(merchant_id, building=building)
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("retired",), ("live",), ("building",)]
    with shop.unit_of_work() as work:
        work.outbox.give_back(claims)
        work.commit()
    assert len(pruning.run(merchant_id, building=building).galleries) == 1 + building


def test_an_indexer_that_begins_while_galleries_are_dropped_is_noticed(shop, merchant_id, monkeypatch):
    """It may have read that the abandoned gallery is fed: everything is as before, and nothing was dropped."""
    shop.galleries.build_beside(merchant_id, "colors-3")
    pruning = _shared(shop, [])
    looks = []

    def look(work, merchant):
        looks.append(merchant)
        if len(looks) == 1:
            with shop.unit_of_work() as other:
                other.outbox.claim(2, datetime.timedelta(hours=1))
                other.commit()
        else:
            whole(work, merchant)

    from catalog.services.reindexing import gallery_pruning

    whole = gallery_pruning._require_idle
    monkeypatch.setattr(gallery_pruning, "_require_idle", look)
    with pytest.raises(GalleryBusy, match="2 images"):
        pruning.run(merchant_id, building=True)
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("retired",), ("live",), ("building",)]
    assert shop.index.count("drape-colors-1") == 7
