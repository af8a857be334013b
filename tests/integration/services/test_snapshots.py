"""All galleries as a folder, and back: PostgreSQL decides what of it still holds."""

from __future__ import annotations

import json

import pytest

from catalog.errors import InvalidRequest
from catalog.services.galleries.gallery_layout import collection_spec
from catalog.services.galleries.snapshots import MANIFEST, SnapshotService
from catalog.services.indexing.reconciliation import ReconciliationService


def _rows(shop, number: int):
    return [{"id": f"P{at}", "title": "Item", "image": shop.photo(f"{at}.png", "red", "blue")} for at in range(number)]


@pytest.fixture
def service(shop) -> SnapshotService:
    return SnapshotService(shop.unit_of_work, shop.index, shop.index)


def test_what_was_lost_comes_back_and_what_has_changed_since_is_made_up_for(shop, service, tmp_path):
    """8 images are saved; then one goes, one changes its price, and two come. Of 9, three are embedded."""
    rows = _rows(shop, 8)
    shop.take(rows)
    told = []
    saved = service.save(tmp_path / "saved", lambda *what: told.append(what))
    assert [(one.name, one.num_points) for one in saved.collections] == [("drape-colors-1", 8)]
    assert told == [("drape-colors-1", 1, 1)]

    rows = [{**rows[1], "price": "9.00 EUR"}, *rows[2:], *_rows(shop, 10)[8:]]
    shop.take(rows, full_sync=True, max_removal=0.5)
    shop.index.drop_collection("drape-colors-1")
    embedded = shop.models.num_embedded
    restored = service.restore(tmp_path / "saved")
    assert restored == saved
    ReconciliationService(shop.unit_of_work, shop.index, shop.models).run(repairs=True)
    shop.indexing.run()
    shop.assert_consistent()
    assert shop.models.num_embedded - embedded == 3


def test_what_belongs_to_others_is_not_saved(shop, service, tmp_path):
    shop.take(_rows(shop, 2))
    shop.index.create_collection("somebody-elses", collection_spec(shop.models.describe("colors-1")))
    assert [one.name for one in service.save(tmp_path / "saved").collections] == ["drape-colors-1"]


def test_nothing_is_restored_from_a_damaged_folder(shop, service, tmp_path):
    shop.take(_rows(shop, 3))
    (one,) = service.save(tmp_path / "saved").collections
    path = tmp_path / "saved" / one.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    shop.index.drop_collection("drape-colors-1")
    with pytest.raises(InvalidRequest, match="nothing was restored"):
        service.restore(tmp_path / "saved")
    path.unlink()
    with pytest.raises(InvalidRequest, match="nothing was restored"):
        service.restore(tmp_path / "saved")
    assert shop.index.list_collections() == []


def _without_format(told: dict) -> None:
    del told["format"]


def _without_numbers(told: dict) -> None:
    told["collections"][0]["num_points"] = "many"


def _outside(told: dict) -> None:
    told["collections"][0]["file"] = "../drape-colors-1.snapshot"


def _of_a_server(told: dict) -> None:
    told["format"] = "qdrant"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "This folder is no snapshot"),
        (_without_format, "This folder is no snapshot"),
        (_without_numbers, "This folder is no snapshot"),
        (_outside, "is not the name of a file in the folder"),
        (_of_a_server, "another vector engine"),
    ],
)
def test_a_folder_that_is_no_snapshot_for_this_engine_is_refused(shop, service, tmp_path, change, words):
    shop.take(_rows(shop, 2))
    service.save(tmp_path / "saved")
    path = tmp_path / "saved" / MANIFEST
    told = json.loads(path.read_bytes())
    path.unlink()
    if change is not None:
        change(told)
        path.write_text(json.dumps(told))
    with pytest.raises(InvalidRequest, match=words):
        service.restore(tmp_path / "saved")


def test_a_folder_that_has_something_in_it_is_not_written_to(shop, service, tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "mine").touch()
    with pytest.raises(InvalidRequest, match="has something in it"):
        service.save(tmp_path / "saved")
