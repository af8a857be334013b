"""The indexer: what it does with failures, crashes and galleries side by side."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from catalog.adapters.files.fsspec_image_store import FsspecImageStore
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import (
    GalleryNotFound,
    ImageStoreUnavailable,
    IndexBusy,
    IndexUnavailable,
    NetworkProcessEnded,
    NetworkProcessUnavailable,
)
from tests.fakes import ColorEmbedder
from tests.integration.services.conftest import MERCHANT
from tests.leaving_store import LeavingFileSystem


def _rows(shop, number: int):
    colors = ("red", "green", "blue", "white", "black", "yellow")
    return [
        {"id": f"P{at}", "title": f"Item {at}", "image": shop.photo(f"{at}.png", colors[at % 6], colors[at % 5])}
        for at in range(number)
    ]


class StoreThatFails:
    """An image store that does not answer for some images."""

    def __init__(self, store, failing: set[str]) -> None:
        self._store = store
        self._failing = failing

    def put(self, data: bytes) -> str:
        return self._store.put(data)

    def get(self, sha256: str) -> bytes:
        if sha256 in self._failing:
            raise ImageStoreUnavailable("The store does not answer", received=sha256)
        return self._store.get(sha256)

    def exists(self, sha256: str) -> bool:
        return self._store.exists(sha256)


class ReadOnlyStore:
    """An image store that gives and never deletes."""

    def __init__(self, store) -> None:
        self._store = store

    def get(self, sha256: str) -> bytes:
        return self._store.get(sha256)

    def exists(self, sha256: str) -> bool:
        return self._store.exists(sha256)

    def delete(self, sha256: str) -> None:
        raise ImageStoreUnavailable("The store is read-only", received=sha256)


class IndexThatStops:
    """A vector index that goes away at its n-th upsert, before or after doing it."""

    def __init__(self, index, number: int, *, after: bool) -> None:
        self._index = index
        self._left = number
        self._after = after

    def upsert(self, collection, points) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise IndexUnavailable("The index is gone")
        self._index.upsert(collection, points)
        if self._left == 0:
            raise IndexUnavailable("The index is gone")

    def __getattr__(self, name: str):
        return getattr(self._index, name)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_index_that_goes_away_costs_nothing_but_time(shop, number, after):
    """Whatever upsert it happens at, the error is told, the marks remain, and the next run completes the work."""
    summary = shop.ingest(_rows(shop, 11))
    whole = shop.index
    shop.index = IndexThatStops(whole, number, after=after)
    with pytest.raises(IndexUnavailable):
        shop.indexing.run(summary.merchant_id)
    assert shop.scalar("SELECT count(*) FROM outbox") > 0
    assert shop.scalar("SELECT count(*) FROM outbox WHERE lease_until IS NOT NULL") == 0
    shop.index = whole
    shop.indexing.run(summary.merchant_id)
    assert shop.scalar("SELECT count(*) FROM indexed_image") == 11
    shop.assert_consistent()


def test_an_image_the_store_cannot_give_waits_and_is_given_up_in_the_end(shop, no_wait):
    """It is tried again, with the reason on its mark; after the last attempt it is quarantined; others are indexed."""
    summary = shop.ingest(_rows(shop, 5))
    lost = shop.scalar("SELECT sha256 FROM image ORDER BY id LIMIT 1")
    shop.images = StoreThatFails(shop.images, {lost})
    shop.limits = dataclasses.replace(shop.limits, max_attempts=3)
    runs = [shop.indexing.run(summary.merchant_id) for _ in range(3)]
    assert sum(run.embedded for run in runs) == 4
    assert sum(run.postponed for run in runs) == 2
    assert sum(run.quarantined for run in runs) == 1
    assert shop.scalar("SELECT count(*) FROM image WHERE sha256 IS NULL AND state = 'quarantined'") == 1
    assert "given up after 3 attempts" in shop.scalar("SELECT last_error FROM image WHERE state = 'quarantined'")
    shop.assert_consistent()


def test_images_wait_as_long_as_the_store_answers_nobody(shop):
    """That counts against none of them; once it is back they are all indexed."""
    LeavingFileSystem.empty()
    shop.images = FsspecImageStore("leaving://images")
    shop.limits = dataclasses.replace(shop.limits, max_attempts=2)
    summary = shop.ingest(_rows(shop, 5))
    LeavingFileSystem.leave()
    for _ in range(4):
        run = shop.indexing.run(summary.merchant_id)
        assert (run.postponed, run.quarantined) == (5, 0)
        assert "EndpointUnreachable" in shop.scalar("SELECT DISTINCT last_error FROM outbox")
        with shop.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE outbox SET available_at = now()")
    LeavingFileSystem.stay()
    assert shop.indexing.run(summary.merchant_id).embedded == 5
    shop.assert_consistent()
    LeavingFileSystem.empty()


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_bytes_that_the_store_has_lost_come_back_with_the_next_ingest(shop, damage):
    """The image is quarantined with its reason at once, and the same feed then stores and indexes it again."""
    rows = _rows(shop, 5)
    summary = shop.ingest(rows)
    lost = shop.scalar("SELECT sha256 FROM image ORDER BY id LIMIT 1")
    path = next(path for path in (shop.folder.parent / "images").rglob(lost))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"?" * path.stat().st_size)
    indexing = shop.indexing.run(summary.merchant_id)
    assert (indexing.embedded, indexing.quarantined) == (4, 1)
    shop.assert_consistent()
    summary, indexing = shop.take(rows)
    assert summary.counts["images_changed"] == 1
    assert indexing.embedded == 1
    shop.assert_consistent()


def test_an_image_that_failed_for_now_is_due_again_later(shop):
    """The first failure is waited out; the rest of the catalog is complete meanwhile."""
    summary = shop.ingest(_rows(shop, 5))
    lost = shop.scalar("SELECT sha256 FROM image ORDER BY id LIMIT 1")
    whole = shop.images
    shop.images = StoreThatFails(whole, {lost})
    assert shop.indexing.run(summary.merchant_id).postponed == 1
    assert shop.scalar("SELECT count(*) FROM indexed_image") == 4
    assert shop.scalar("SELECT available_at > now() AND last_error IS NOT NULL FROM outbox") is True
    shop.images = whole
    assert shop.indexing.run(summary.merchant_id).embedded == 0
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET available_at = now()")
    assert shop.indexing.run(summary.merchant_id).embedded == 1
    shop.assert_consistent()


def test_claims_of_a_killed_process_are_taken_up_at_once_by_the_indexs_owner(shop):
    """Nobody else can be indexing, so there is no lease to wait for."""
    summary = shop.ingest(_rows(shop, 6))
    with shop.unit_of_work() as work:
        assert len(work.outbox.claim(4, datetime.timedelta(hours=1))) == 4
        work.commit()
    assert shop.indexing.run(summary.merchant_id).embedded == 6
    shop.assert_consistent()


class KilledByWhite(ColorEmbedder):
    """Its process is killed by batches with an image that is all white."""

    def embed(self, images):
        if (images == 255).all(axis=(1, 2, 3)).any():
            raise NetworkProcessEnded("The process has ended", received="ended by SIGKILL")
        return super().embed(images)


def test_an_image_that_kills_the_process_of_the_network_is_set_aside_and_all_others_are_indexed(shop):
    """P3 is found among those that came with it, each of which is then tried alone."""
    shop.limits = dataclasses.replace(shop.limits, max_attempts=3)
    shop.models.embedders["colors-1"] = KilledByWhite("colors-1")
    summary = shop.ingest(_rows(shop, 9))
    num_killed = 0
    while shop.scalar("SELECT count(*) FROM outbox"):
        try:
            shop.indexing.run(summary.merchant_id)
        except NetworkProcessEnded:
            num_killed += 1
    assert num_killed == 3
    assert shop.scalar("SELECT count(*) FROM indexed_image") == 8
    assert shop.scalar("SELECT source FROM image WHERE state = 'quarantined'").endswith("3.png")
    reason = shop.scalar("SELECT last_error FROM image WHERE state = 'quarantined'")
    assert reason == "whatever worked on it was killed, 3 times"
    shop.assert_consistent()


def test_images_are_not_blamed_for_a_network_that_cannot_be_started(shop, monkeypatch):
    """However long that lasts: once it can be, all are indexed."""

    def unavailable(_):
        raise NetworkProcessUnavailable("The process cannot be started", received="Cannot allocate memory")

    shop.limits = dataclasses.replace(shop.limits, max_attempts=2)
    summary = shop.ingest(_rows(shop, 5))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(shop.models, "embedder", unavailable)
        for _ in range(4):
            with pytest.raises(NetworkProcessUnavailable):
                shop.indexing.run(summary.merchant_id)
    assert shop.indexing.run(summary.merchant_id).embedded == 5
    shop.assert_consistent()


def test_progress_tells_images_done_of_all(shop):
    """The last call tells that everything is done."""
    summary = shop.ingest(_rows(shop, 10))
    calls: list[tuple[int, int | None]] = []
    shop.indexing.run(summary.merchant_id, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (10, 10)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_a_new_gallery_is_built_beside_the_live_one_and_switched_to(shop):
    """While it is built, searches go to the old one and changes reach both; the switch retires the old one."""
    rows = _rows(shop, 9)
    summary, _ = shop.take(rows)
    gallery = shop.galleries.build_beside(summary.merchant_id, "colors-2")
    with pytest.raises(GalleryNotFound, match="not complete"):
        shop.galleries.switch(summary.merchant_id, gallery)
    assert shop.search.by_product(MERCHANT, "P0").model_version == "colors-1"
    rows[3]["price"] = "5 EUR"
    shop.take(rows)
    # Both galleries hold everything: the old one by payload alone, the new one by embedding.
    assert shop.models.embedder("colors-1").num_embedded == 9
    assert shop.models.embedder("colors-2").num_embedded == 9
    shop.assert_consistent()
    shop.galleries.switch(summary.merchant_id, gallery)
    assert shop.search.by_product(MERCHANT, "P0").model_version == "colors-2"
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("retired",), ("live",)]
    shop.assert_consistent()


def test_a_removed_product_leaves_the_gallery_being_built_too(shop):
    """Deletions reach every gallery that is fed."""
    photo = shop.photo("red.png", "red")
    rows = [{"id": f"P{at}", "title": "t", "image": photo} for at in range(10)]
    summary, _ = shop.take(rows)
    shop.galleries.build_beside(summary.merchant_id, "colors-2")
    shop.indexing.run(summary.merchant_id)
    shop.take(rows[:-1], full_sync=True)
    shop.assert_consistent()
    assert shop.index.count("drape-colors-2") == 9


def test_a_gallery_that_is_gone_back_to_has_what_it_missed(shop):
    """Removed, added, changed while it was retired: it is complete before it is searched, and holds nothing else."""
    rows = _rows(shop, 8)
    summary, _ = shop.take(rows)
    shop.galleries.switch(summary.merchant_id, _built(shop, summary.merchant_id, "colors-2"))
    shop.photo("1.png", "yellow", "black")
    shop.take(
        [*rows[:6], {"id": "P9", "title": "new", "image": shop.photo("9.png", "white")}], full_sync=True, max_removal=1
    )
    embedded = shop.models.embedder("colors-1").num_embedded
    gallery = shop.galleries.build_beside(summary.merchant_id, "colors-1")
    with pytest.raises(GalleryNotFound, match="2 images"):
        shop.galleries.switch(summary.merchant_id, gallery)
    shop.indexing.run(summary.merchant_id)
    assert shop.models.embedder("colors-1").num_embedded == embedded + 2
    shop.galleries.switch(summary.merchant_id, gallery)
    assert shop.search.by_product(MERCHANT, "P9").model_version == "colors-1"
    shop.assert_consistent()
    assert shop.index.count("drape-colors-1") == 7


def test_a_gallery_that_is_whole_is_gone_back_to_at_once(shop):
    """The one before the last is activated with nothing embedded; the one left stays for the way back."""
    summary, _ = shop.take(_rows(shop, 7))
    shop.galleries.switch(summary.merchant_id, _built(shop, summary.merchant_id, "colors-2"))
    embedded = shop.models.num_embedded
    for version in ("colors-1", "colors-1", "colors-2", "colors-1"):
        gallery = shop.galleries.activate(summary.merchant_id, version)
        assert (gallery.model_version, gallery.state) == (version, "live")
        assert shop.search.by_product(MERCHANT, "P0").model_version == version
    assert shop.models.num_embedded == embedded
    with shop.unit_of_work() as work:
        assert work.galleries.live_versions() == {"colors-1": [MERCHANT]}


def test_a_gallery_that_was_never_built_is_not_activated(shop):
    """The error names the command that builds it."""
    summary, _ = shop.take(_rows(shop, 3))
    with pytest.raises(GalleryNotFound, match=r"galleries of colors-1.*drape reindex --model colors-2"):
        shop.galleries.activate(summary.merchant_id, "colors-2")
    shop.galleries.build_beside(summary.merchant_id, "colors-2")
    with pytest.raises(GalleryNotFound, match="3 images that it does not hold"):
        shop.galleries.activate(summary.merchant_id, "colors-2")


@pytest.mark.parametrize("change", ["price", "photo", "removal", "addition"])
def test_a_gallery_that_is_behind_is_not_activated(shop, change):
    """A retired gallery misses what changed since; searching it would show old prices and removed products."""
    rows = _rows(shop, 8)
    summary, _ = shop.take(rows)
    shop.galleries.switch(summary.merchant_id, _built(shop, summary.merchant_id, "colors-2"))
    match change:
        case "price":
            rows[3]["price"] = "5 EUR"
        case "photo":
            shop.photo("1.png", "yellow", "black")
        case "removal":
            rows.pop()
        case "addition":
            rows.append({"id": "P9", "title": "new", "image": shop.photo("9.png", "white")})
    shop.take(rows, full_sync=True, max_removal=1)
    with pytest.raises(GalleryNotFound, match=r"not up to date.* 1 that differ .*drape reindex --model colors-1"):
        shop.galleries.activate(summary.merchant_id, "colors-1")
    assert shop.search.by_product(MERCHANT, "P0").model_version == "colors-2"
    _built(shop, summary.merchant_id, "colors-1")
    assert shop.galleries.activate(summary.merchant_id, "colors-1").model_version == "colors-1"
    shop.assert_consistent()


def _built(shop, merchant_id: int, version: str):
    gallery = shop.galleries.build_beside(merchant_id, version)
    shop.indexing.run(merchant_id)
    return gallery


def test_an_indexer_that_does_not_own_the_index_leaves_the_owners_claims_alone(shop):
    """It is told who has the index before it touches a claim or loads a network."""
    summary = shop.ingest(_rows(shop, 3))
    with shop.unit_of_work() as work:
        claims = work.outbox.claim(10, datetime.timedelta(hours=1))
        work.commit()
    owner = shop.index
    shop.index = QdrantEdgeIndex(shop.folder.parent / "vectors")
    with pytest.raises(IndexBusy):
        shop.indexing.run(summary.merchant_id)
    assert shop.rows("SELECT image_id, attempts FROM outbox WHERE lease_until > now() ORDER BY 1") == [
        (claim.image_id, 1) for claim in claims
    ]
    assert shop.models.num_embedded == 0
    shop.index = owner


def test_images_that_were_never_indexed_are_not_counted_as_taken_out(shop):
    """An image that could not be read has no point that could go."""
    _, indexing = shop.take([{"id": "P1", "title": "t", "image": "gone.png"}])
    assert indexing.removed == 0
    shop.assert_consistent()


def test_altered_bytes_that_cannot_be_deleted_do_not_stop_the_others(shop):
    """A store that is read-only: the image waits with its reason, the rest is indexed."""
    summary = shop.ingest(_rows(shop, 5))
    altered = shop.scalar("SELECT sha256 FROM image ORDER BY id LIMIT 1")
    path = next((shop.folder.parent / "images").rglob(altered))
    path.write_bytes(b"?" * path.stat().st_size)
    shop.images = ReadOnlyStore(shop.images)
    indexing = shop.indexing.run(summary.merchant_id)
    assert (indexing.embedded, indexing.postponed) == (4, 1)


class IndexThatIsOvertaken:
    """A vector index during whose first upsert something else happens."""

    def __init__(self, index, meanwhile) -> None:
        self._index = index
        self._meanwhile = meanwhile

    def upsert(self, collection, points) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self._index.upsert(collection, points)

    def __getattr__(self, name: str):
        return getattr(self._index, name)


def test_what_changes_while_its_batch_is_written_is_done_in_the_same_run(shop):
    """A new price and a removal that come between the reading and the writing of the only batch."""
    rows = _rows(shop, 3)
    summary = shop.ingest(rows)
    whole = shop.index
    changed = [{**rows[0], "price": "5 EUR"}, rows[1]]
    shop.index = IndexThatIsOvertaken(whole, lambda: shop.ingest(changed, full_sync=True, max_removal=1))
    indexing = shop.indexing.run(summary.merchant_id)
    assert (indexing.embedded, indexing.refreshed, indexing.removed) == (3, 1, 1)
    shop.index = whole
    shop.assert_consistent()
    assert sorted(str(point.payload["price"]) for point in whole.scroll("drape-colors-1")) == ["5.0", "None"]


class StoreThatIsOvertaken:
    """An image store during whose first reading something else happens."""

    def __init__(self, store, meanwhile) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def put(self, data: bytes) -> str:
        return self._store.put(data)

    def get(self, sha256: str) -> bytes:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self._store.get(sha256)


def test_a_box_that_is_mended_while_the_old_one_is_tried_is_not_quarantined(shop):
    """The bytes are the same; the failure was that of the old box."""
    row = {"id": "P1", "title": "t", "image": shop.photo("red.png", "red"), "image_box": [100, 100, 120, 120]}
    summary = shop.ingest([row])
    whole = shop.images
    mended = {**row, "image_box": [0, 0, 16, 16]}
    shop.images = StoreThatIsOvertaken(whole, lambda: shop.ingest([mended]))
    shop.indexing.run(summary.merchant_id)
    assert shop.rows("SELECT state, crop FROM image") == [("ready", [0, 0, 16, 16])]
    shop.assert_consistent()
    assert len(shop.index.scroll("drape-colors-1")) == 1
