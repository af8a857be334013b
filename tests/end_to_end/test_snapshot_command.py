"""``drape snapshot``: vectors that were lost come back without a network."""

from __future__ import annotations

import shutil

NUM_IMAGES = 24


def test_lost_vectors_come_back_without_being_embedded_again(drape, small_feed, tmp_path):
    feed = small_feed(tmp_path, NUM_IMAGES)
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    before = drape.run_here("similar", "P5", "--json").json["hits"]
    folder = tmp_path / "saved"
    saved = drape.run_here("snapshot", "save", folder)
    assert saved.code == 0, saved.err
    assert f"drape-compact-rendered: {NUM_IMAGES} points" in saved.out
    (archive,) = folder.glob("*.snapshot")
    assert archive.stat().st_size < 5_000_000
    again = drape.run_here("snapshot", "save", folder)
    assert (again.code, "has something in it" in again.err) == (2, True)

    shutil.rmtree(drape.home / "vectors")
    restored = drape.run_here("snapshot", "restore", folder)
    assert restored.code == 0, restored.err
    assert "Restored 1 collection, saved at 2" in restored.out
    assert "The index holds what the catalog says." in restored.out
    assert drape.run_here("similar", "P5", "--json").json["hits"] == before


def test_what_is_no_snapshot_is_refused(drape, tmp_path):
    refused = drape.run_here("snapshot", "restore", tmp_path)
    assert (refused.code, "This folder is no snapshot" in refused.err, "Traceback" in refused.err) == (2, True, False)
