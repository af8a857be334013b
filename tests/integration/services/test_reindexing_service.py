"""Changing to another model version and back: what is searched, and when."""

from __future__ import annotations

import time

import pytest

from catalog.errors import GalleryBusy, GalleryNotFound, IndexUnavailable, InvalidRequest
from catalog.repositories.jobs import JobKind
from tests.integration.services.conftest import MERCHANT

COLORS = ("red", "green", "blue", "white", "black", "yellow")


def _rows(shop, number: int):
    return [
        {"id": f"P{at}", "title": f"Item {at}", "image": shop.photo(f"{at}.png", COLORS[at % 6], COLORS[at % 5])}
        for at in range(number)
    ]


def _searched(shop) -> str:
    return shop.search.by_product(MERCHANT, "P0").model_version


def _renewed_while(shop, merchant_id: int, meanwhile) -> None:
    """Index, with something happening while the only batch is being written."""
    whole = shop.index
    shop.index = IndexDuringWhich(whole, meanwhile)
    shop.indexing.run(merchant_id)
    shop.index = whole


class IndexDuringWhich:
    """A vector index during whose first change of a payload something else happens."""

    def __init__(self, index, meanwhile) -> None:
        self._index = index
        self._meanwhile = meanwhile

    def replace_payloads(self, collection, payloads) -> None:
        self._index.replace_payloads(collection, payloads)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def __getattr__(self, name: str):
        return getattr(self._index, name)


def test_a_rollback_of_a_catalog_that_has_not_changed_is_immediate(shop):
    """Nothing is embedded or even marked; a second rollback comes back to what was left."""
    summary, _ = shop.take(_rows(shop, 7))
    shop.reindexing.run(summary.merchant_id, "colors-2")
    embedded = shop.models.num_embedded
    for version in ("colors-1", "colors-2", "colors-1"):
        back = shop.reindexing.roll_back(summary.merchant_id)
        assert (back.gallery.model_version, back.live, back.indexing.refreshed) == (version, True, 0)
        assert _searched(shop) == version
    assert shop.models.num_embedded == embedded
    shop.assert_consistent()


def test_a_rollback_brings_the_old_gallery_up_to_date_first(shop):
    """One photo, one price, one removal and one addition came meanwhile: two images are embedded, one is refreshed."""
    rows = _rows(shop, 8)
    summary, _ = shop.take(rows)
    shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.photo("1.png", "yellow", "black")
    rows[2]["price"] = "5 EUR"
    new = {"id": "P9", "title": "new", "image": shop.photo("9.png", "white")}
    shop.take([*rows[:7], new], full_sync=True, max_removal=1)
    embedded = shop.models.embedder("colors-1").num_embedded
    back = shop.reindexing.roll_back(summary.merchant_id)
    assert (back.indexing.embedded, back.indexing.refreshed, back.indexing.removed) == (2, 1, 1)
    assert shop.models.embedder("colors-1").num_embedded == embedded + 2
    assert shop.search.by_product(MERCHANT, "P9").model_version == "colors-1"
    assert shop.index.count("drape-colors-1") == 8
    shop.assert_consistent()


def test_a_rollback_that_was_stopped_goes_on_with_the_same_gallery(shop):
    """The gallery is being brought up to date by then, and no longer retired; searches stay until it is whole."""
    rows = _rows(shop, 9)
    summary, _ = shop.take(rows)
    shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.reindexing.run(summary.merchant_id, "colors-3")
    for number in range(9):
        shop.photo(f"{number}.png", COLORS[number % 5], "black", "white")
    shop.take(rows)
    whole = shop.index
    shop.index = IndexThatStopsLater(whole, 2)
    with pytest.raises(IndexUnavailable):
        shop.reindexing.roll_back(summary.merchant_id)
    shop.index = whole
    assert _searched(shop) == "colors-3"
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("retired",), ("building",), ("live",)]
    back = shop.reindexing.roll_back(summary.merchant_id)
    # Batches of four: one was done before the index went away.
    assert (back.gallery.model_version, back.indexing.embedded) == ("colors-2", 5)
    assert _searched(shop) == "colors-2"
    shop.assert_consistent()
    # Of the two that are left, colors-3 was left last.
    assert shop.reindexing.roll_back(summary.merchant_id).gallery.model_version == "colors-3"


class ModelsThatStop:
    """Models whose network is interrupted at its n-th batch, as by Ctrl-C."""

    def __init__(self, models, number: int) -> None:
        self._models = models
        self._left = number

    def embedder(self, version: str):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return self._models.embedder(version)

    def __getattr__(self, name: str):
        return getattr(self._models, name)


def _jobs(shop) -> list[tuple[str, str, str]]:
    return shop.rows("SELECT kind, subject, state FROM job WHERE kind <> 'ingest' ORDER BY id")


def test_a_run_that_is_interrupted_gives_back_what_it_held(shop):
    """The third batch of four is begun in vain: two may be written, none is leased, and the next run does the rest."""
    summary, _ = shop.take(_rows(shop, 17))
    whole = shop.models
    shop.models = ModelsThatStop(whole, 3)
    with pytest.raises(KeyboardInterrupt):
        shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.models = whole
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("live",), ("building",)]
    assert shop.scalar("SELECT count(*) FROM outbox WHERE lease_until IS NOT NULL OR attempts > 0") == 0
    done = shop.scalar("SELECT count(*) FROM indexed_image") - 17
    assert done in (4, 8)
    assert _jobs(shop) == [("reindex", "colors-2", "interrupted")]
    ran = shop.reindexing.run(summary.merchant_id, "colors-2")
    assert (ran.live, ran.indexing.embedded) == (True, 17 - done)
    assert _jobs(shop)[1:] == [("reindex", "colors-2", "done")]
    assert shop.rows("SELECT counts->>'embedded', progress_total FROM job ORDER BY id DESC LIMIT 1") == [
        (str(17 - done), 17 - done)
    ]
    shop.assert_consistent()


def test_a_run_that_failed_says_why_in_its_job(shop):
    """And one whose process was killed is ended by the next."""
    summary, _ = shop.take(_rows(shop, 2))
    whole = shop.index
    shop.index = IndexThatStopsLater(whole, 1)
    with pytest.raises(IndexUnavailable):
        shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.index = whole
    assert shop.rows("SELECT state, error FROM job ORDER BY id DESC LIMIT 1") == [("failed", "The index is gone")]
    with shop.unit_of_work() as work:
        work.jobs.start(summary.merchant_id, JobKind.REINDEX, "colors-2", {}, "images")
        work.commit()
    assert shop.reindexing.run(summary.merchant_id, "colors-2").live
    assert [state for _, _, state in _jobs(shop)] == ["failed", "interrupted", "done"]


def test_galleries_of_a_merchant_are_built_one_at_a_time(shop):
    """A rollback that has nothing to catch up with is one step, and need not wait."""
    summary, _ = shop.take(_rows(shop, 3))
    shop.reindexing.run(summary.merchant_id, "colors-2")
    with shop.unit_of_work() as other:
        other.merchants.claim_galleries(summary.merchant_id)
        with pytest.raises(GalleryBusy, match="being built, changed or dropped right now"):
            shop.reindexing.run(summary.merchant_id, "colors-3")
        assert shop.reindexing.roll_back(summary.merchant_id).live
    assert shop.scalar("SELECT count(*) FROM gallery") == 2


def test_no_more_is_embedded_in_a_second_than_was_asked_for(shop):
    """Twelve at 24 a second, in batches of four: the third begins after the 8 before it, 8 / 24 s, or later."""
    summary, _ = shop.take(_rows(shop, 12))
    begun = time.monotonic()
    assert shop.reindexing.run(summary.merchant_id, "colors-2", max_rate=24).live
    assert time.monotonic() - begun >= 8 / 24
    with pytest.raises(InvalidRequest, match=r"at least 0\.1"):
        shop.reindexing.run(summary.merchant_id, "colors-3", max_rate=0)
    assert shop.scalar("SELECT count(*) FROM gallery") == 2


class IndexThatStopsLater:
    """A vector index that goes away at its n-th upsert."""

    def __init__(self, index, number: int) -> None:
        self._index = index
        self._left = number

    def upsert(self, collection, points) -> None:
        self._left -= 1
        if self._left == 0:
            raise IndexUnavailable("The index is gone")
        self._index.upsert(collection, points)

    def __getattr__(self, name: str):
        return getattr(self._index, name)


@pytest.mark.parametrize("change", ["price", "removal"])
def test_what_is_indexed_while_a_rollback_switches_reaches_both_galleries(shop, change):
    """An indexer that read which galleries are fed before the switch is made to do its images once more after it."""
    rows = _rows(shop, 3)
    summary, _ = shop.take(rows)
    shop.reindexing.run(summary.merchant_id, "colors-2")
    if change == "price":
        rows[1]["price"] = "5 EUR"
        shop.ingest(rows)
    else:
        # What goes away is known to the old gallery, and the change of another image is being written meanwhile.
        rows[0]["price"] = "5 EUR"
        shop.ingest(rows[:2], full_sync=True, max_removal=1)
    _renewed_while(
        shop, summary.merchant_id, lambda: shop.galleries.go_back(shop.galleries.before(summary.merchant_id))
    )
    assert _searched(shop) == "colors-1"
    shop.assert_consistent()


def test_there_is_nothing_to_go_back_to_at_first(shop):
    """A catalog that was never changed to another version; one whose next gallery is only being built."""
    summary, _ = shop.take(_rows(shop, 2))
    with pytest.raises(GalleryNotFound, match=r"no gallery to go back to.*colors-1 \(live\).*drape reindex --model"):
        shop.reindexing.roll_back(summary.merchant_id)
    shop.galleries.build_beside(summary.merchant_id, "colors-2")
    with pytest.raises(GalleryNotFound, match=r"no gallery to go back to.*colors-2 \(building\)"):
        shop.reindexing.roll_back(summary.merchant_id)


def test_galleries_retired_before_it_was_noted_are_not_guessed_at(shop):
    """Of several, any may have been the last; the command that names one is told."""
    summary, _ = shop.take(_rows(shop, 2))
    for version in ("colors-2", "colors-3"):
        shop.reindexing.run(summary.merchant_id, version)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE gallery SET retired_at = NULL")
    with pytest.raises(GalleryNotFound, match=r"not known.*colors-1, colors-2.*drape model activate"):
        shop.reindexing.roll_back(summary.merchant_id)


def test_a_build_that_goes_on_marks_only_what_is_left(shop):
    """The images that the new gallery holds already are neither embedded nor refreshed a second time."""
    summary, _ = shop.take(_rows(shop, 9))
    whole = shop.index
    shop.index = IndexThatStopsLater(whole, 2)
    with pytest.raises(IndexUnavailable):
        shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.index = whole
    ran = shop.reindexing.run(summary.merchant_id, "colors-2")
    assert (ran.indexing.embedded, ran.indexing.refreshed, ran.live) == (5, 0, True)
    shop.assert_consistent()
