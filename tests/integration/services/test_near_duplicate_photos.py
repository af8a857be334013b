"""Photos of one product that look the same are one point; whatever happens to the one that is shown, one is."""

from __future__ import annotations

import dataclasses
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.errors import IndexUnavailable
from catalog.repositories.outbox import Work
from catalog.services.indexing.near_duplicates import NearDuplicates
from catalog.services.status import StatusService
from catalog.types import SearchOptions
from cli.ingest import indexing_lines
from embeddings.photo_hash import photo_hash
from tests.integration.services.conftest import MERCHANT, Shop


def pixels(seed: int, *, darker: float = 1.0) -> np.ndarray:
    """A picture of its own, smooth and full of colour; a little darker it is the same photo."""
    coarse = np.random.default_rng(seed).integers(40, 250, (6, 6, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((96, 128), Image.Resampling.BICUBIC)
    return (np.asarray(smooth) * darker).astype(np.uint8)


def write(shop: Shop, name: str, seed: int, **how: float) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels(seed, **how)).save(buffer, "PNG")
    (shop.folder / name).write_bytes(buffer.getvalue())
    return name


@pytest.fixture
def rows(shop):
    """A product of three photos, the second of which is the first once more, and another with the first's photo."""
    write(shop, "a.png", 1)
    write(shop, "again.png", 1, darker=0.97)
    write(shop, "back.png", 2)
    return [
        {"id": "P7", "title": "Dress", "image": "a.png", "additional_images": ["again.png", "back.png"]},
        {"id": "P3", "title": "Other shop's dress", "image": "a.png"},
    ]


def states(shop: Shop) -> list[tuple[str, str, str, str | None]]:
    """Product, source, state and the source that is shown instead."""
    return shop.rows(
        "SELECT product.external_id, image.source, image.state, original.source FROM image"
        " JOIN product ON product.id = image.product_id"
        " LEFT JOIN image AS original ON original.id = image.duplicate_of AND image.state = 'duplicate'"
        " ORDER BY image.id"
    )


def shown(shop: Shop) -> list[str]:
    """The sources of the images that the first product shows."""
    return [source for product, source, state, _ in states(shop) if product == "P7" and state == "ready"]


def test_photos_of_a_product_that_look_the_same_are_one_point(shop, rows):
    """The first is shown. Another product with the same photo is shown, too."""
    _, indexing = shop.take(rows)
    assert states(shop) == [
        ("P7", "a.png", "ready", None),
        ("P7", "again.png", "duplicate", "a.png"),
        ("P7", "back.png", "ready", None),
        ("P3", "a.png", "ready", None),
    ]
    assert (indexing.embedded, indexing.duplicates, indexing.quarantined) == (3, 1, 0)
    shop.assert_consistent()
    hits = shop.search.by_image(MERCHANT, (shop.folder / "a.png").read_bytes(), None, SearchOptions(per_product=False))
    assert len(hits.hits) == 3
    assert [hit.external_id for hit in shop.search.by_product(MERCHANT, "P7").hits] == ["P3"]
    status = StatusService(shop.unit_of_work, shop.models).merchant(MERCHANT)
    assert (status.num_images, status.num_duplicates, status.galleries[0].num_indexed) == (3, 1, 3)
    assert "Marked 1 near-duplicate photo, which is not shown twice." in indexing_lines(indexing)
    # Again: nothing to do.
    _, again = shop.take(rows)
    assert (again.num_images, again.duplicates) == (0, 0)


def test_progress_counts_a_duplicate_once(shop, rows):
    """It comes twice: its mark is renewed when it is found out, for its point to be taken away where there is one."""
    summary = shop.ingest(rows)
    told: list[tuple[int, int | None]] = []
    indexing = shop.indexing.run(summary.merchant_id, lambda done, total: told.append((done, total)))
    assert (indexing.embedded, indexing.duplicates) == (3, 1)
    assert told[-1] == (4, 4)


def test_equal_files_are_duplicates_even_where_they_show_nothing(shop):
    shop.photo("plain.png", "red")
    shop.photo("copy.png", "red")
    shop.photo("other.png", "blue")
    shop.take([{"id": "P7", "title": "Item", "image": "plain.png", "additional_images": ["copy.png", "other.png"]}])
    assert [state for _, _, state, _ in states(shop)] == ["ready", "duplicate", "ready"]
    shop.assert_consistent()


def test_when_the_shown_one_goes_the_other_appears(shop, rows):
    shop.take(rows)
    _, indexing = shop.take([{**rows[0], "image": "again.png", "additional_images": ["back.png"]}, rows[1]])
    assert shown(shop) == ["again.png", "back.png"]
    assert (indexing.removed, indexing.embedded) == (1, 1)
    shop.assert_consistent()


def test_when_the_shown_ones_content_changes_the_other_appears(shop, rows):
    shop.take(rows)
    write(shop, "a.png", 9)
    _, indexing = shop.take(rows)
    assert shown(shop) == ["a.png", "again.png", "back.png"]
    # The first product's two, and the other product's one.
    assert indexing.embedded == 3
    shop.assert_consistent()


def test_when_the_shown_one_is_set_aside_the_other_appears(shop, rows):
    shop.take(rows)
    path = next(shop.folder.parent.joinpath("images").rglob(shop.scalar("SELECT sha256 FROM image WHERE id = 1")))
    path.write_bytes(b"?" * path.stat().st_size)
    with shop.unit_of_work() as work:
        work.galleries.forget_indexed([(1, 1)])
        work.outbox.mark([1])
        work.commit()
    shop.indexing.run()
    assert shown(shop) == ["again.png", "back.png"]
    shop.assert_consistent()


def test_when_a_duplicates_content_changes_it_is_shown(shop, rows):
    shop.take(rows)
    write(shop, "again.png", 8)
    _, indexing = shop.take(rows)
    assert (shown(shop), indexing.embedded) == (["a.png", "again.png", "back.png"], 1)
    shop.assert_consistent()


def test_an_earlier_photo_takes_the_place_of_the_shown_one(shop, rows):
    """A feed that names them the other way round has the first of them shown."""
    shop.take(rows)
    shop.take([{**rows[0], "image": "again.png", "additional_images": ["a.png", "back.png"]}, rows[1]])
    assert shown(shop) == ["again.png", "back.png"]
    shop.assert_consistent()


def test_workers_without_a_network_decide_by_what_is_stored(shop, rows):
    """The removal is light work; what then appears waits for a worker with a network."""
    shop.take(rows)
    summary = shop.ingest([{**rows[0], "image": "back.png", "additional_images": ["again.png"]}, rows[1]])
    shop.indexing.run(light=True)
    with shop.unit_of_work() as work:
        assert not work.outbox.is_due(Work.LIGHT)
        assert work.outbox.is_due(Work.ANY)
    assert shop.indexing.run(summary.merchant_id).embedded == 1
    assert shown(shop) == ["again.png", "back.png"]
    shop.assert_consistent()


@pytest.mark.parametrize("earlier_first", [True, False])
def test_two_indexers_that_hold_one_photo_each_hide_one(shop, rows, earlier_first):
    """Whoever decides second sees what the first has stored, and has hidden what the first may be embedding."""
    shop.ingest(rows)
    with shop.unit_of_work() as work:
        images = work.images.indexable([1, 2])
        before = dict(shop.rows("SELECT id, revision FROM image"))
    hashes = {1: photo_hash(pixels(1)), 2: photo_hash(pixels(1, darker=0.97))}
    deciding = NearDuplicates(shop.unit_of_work, hide=True)
    first, second = (1, 2) if earlier_first else (2, 1)
    assert not deciding.decide([first], {first: (images[first].content_key, hashes[first])}, ()).hidden
    assert deciding.decide([second], {second: (images[second].content_key, hashes[second])}, ()).hidden == {2}
    after = dict(shop.rows("SELECT id, revision FROM image"))
    assert after[2] > before[2]
    assert after[1] == before[1]
    shop.indexing.run()
    assert shown(shop) == ["a.png", "back.png"]
    shop.assert_consistent()


def test_a_hash_of_other_content_is_not_kept(shop, rows):
    """An image that changed while it was decoded is compared by nothing until it is decoded again."""
    shop.ingest(rows)
    deciding = NearDuplicates(shop.unit_of_work, hide=True)
    hash = photo_hash(pixels(1))
    assert not deciding.decide([1, 2], {1: ("old content", hash), 2: ("old content", hash)}, ()).hidden
    assert shop.scalar("SELECT count(*) FROM image WHERE photo_hash IS NOT NULL") == 0


class IndexThatDies:
    """A vector index that goes away at the first change."""

    def __init__(self, index) -> None:
        self._index = index

    def upsert(self, collection, points) -> None:
        raise IndexUnavailable("The index is gone")

    def delete(self, collection, ids) -> None:
        raise IndexUnavailable("The index is gone")

    def __getattr__(self, name: str):
        return getattr(self._index, name)


def test_what_was_decided_before_a_crash_is_carried_out_after_it(shop, rows):
    whole = shop.index
    for change in (rows, [{**rows[0], "image": "again.png", "additional_images": ["back.png"]}, rows[1]]):
        summary = shop.ingest(change)
        shop.index = IndexThatDies(whole)
        with pytest.raises(IndexUnavailable):
            shop.indexing.run(summary.merchant_id)
        shop.index = whole
        shop.indexing.run(summary.merchant_id)
        assert shown(shop) == [change[0]["image"], "back.png"]
        shop.assert_consistent()


def test_a_new_gallery_holds_no_duplicates(shop, rows):
    summary, _ = shop.take(rows)
    report = shop.reindexing.run(summary.merchant_id, "colors-2").report
    assert (report.num_images, report.num_points) == (3, 3)
    shop.assert_consistent()


def test_where_duplicates_are_not_hidden_all_are_shown_again(shop, rows):
    """And hidden again where they are hidden again, once they are decoded."""
    shop.take(rows)
    shop.limits = dataclasses.replace(shop.limits, hide_duplicates=False)
    assert shop.indexing.run().embedded == 1
    assert shown(shop) == ["a.png", "again.png", "back.png"]
    shop.assert_consistent()
    write(shop, "back.png", 1, darker=0.98)
    shop.take(rows)
    assert shown(shop) == ["a.png", "again.png", "back.png"]
