"""Reconciling at the command line: a check for scripts, and a repair for people."""

from __future__ import annotations

import dataclasses
import shutil
import time

from PIL import Image
from sqlalchemy import create_engine, text

from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from embeddings.datasets.rendered.catalog import write_catalog


def test_damage_is_told_repaired_and_gone(drape, tmp_path):
    """In order, then damaged by somebody, then told with ids, then repaired, then in order again."""
    nothing = drape.run_here("reconcile")
    assert nothing.code == 0, nothing.err
    assert "drape ingest FEED" in nothing.out

    feed = write_catalog(tmp_path / "catalog", 3, 2, seed=11, height=96)
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    index = QdrantEdgeIndex(drape.home / "vectors")
    (collection,) = index.list_collections()
    points = index.scroll(collection)
    ids = [point.id for point in points]
    index.delete(collection, [ids[1]])
    index.replace_payloads(collection, {ids[4]: {**points[4].payload, "revision": 0}})
    index.replace_payloads(collection, {ids[5]: {**points[5].payload, "merchant": "9000"}})
    index.close()

    told = drape.run("reconcile", "--json")
    assert told.code == 1, told.err
    assert (told.json["in_order"], told.json["repaired"], told.json["differences"]) == (False, False, 4)
    (gallery,) = told.json["galleries"]
    assert (gallery["merchant"], gallery["state"], gallery["compared"], gallery["pending"]) == ("atelier", "live", 6, 0)
    assert gallery["misnoted"] == {"count": 2, "examples": [ids[1], ids[5]]}
    assert gallery["stale"] == {"count": 1, "examples": [ids[4]]}
    assert gallery["missing"]["count"] == gallery["orphaned"]["count"] == 0
    assert told.json["strays"] == [{"collection": collection, "count": 1, "examples": [ids[5]]}]
    table = drape.run_here("reconcile")
    assert table.code == 1
    assert f"misnoted (atelier, compact-rendered): image {ids[1]}, {ids[5]}" in table.out
    assert "drape reconcile --repair" in table.out

    repaired = drape.run_here("reconcile", "--repair", "--merchant", "atelier", "--json")
    assert repaired.code == 0, repaired.err
    assert (repaired.json["repaired"], repaired.json["marked"], repaired.json["deleted"]) == (True, 3, 0)
    assert repaired.json["indexing"]["embedded"] == 3
    again = drape.run_here("reconcile", "--json")
    assert again.code == 0, again.out
    assert (again.json["in_order"], again.json["differences"], again.json["strays"]) == (True, 0, [])

    unknown = drape.run_here("reconcile", "--merchant", "nobody")
    assert unknown.code == 1
    assert "atelier" in unknown.err
    assert "Traceback" not in unknown.err


def test_a_repair_that_was_killed_is_completed_by_the_next(drape, tmp_path):
    """All vectors are lost, and the process that makes them again is killed half-way: the next makes just the rest."""
    num_images = 60
    lines = ["id,title,image"]
    for number in range(num_images):
        Image.new("RGB", (24, 24), (number, 40, 128)).save(tmp_path / f"{number}.png")
        lines.append(f"P{number},Item {number},{number}.png")
    feed = tmp_path / "feed.csv"
    feed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    shutil.rmtree(drape.home / "vectors")

    with EmbeddedPostgres(drape.home / "postgres") as server:
        engine = create_engine(server.url())

        def noted_and_marked() -> tuple[int, int]:
            with engine.connect() as connection:
                counts = "SELECT (SELECT count(*) FROM indexed_image), (SELECT count(*) FROM outbox)"
                noted, marked = connection.execute(text(counts)).one()
            return noted, marked

        assert noted_and_marked() == (num_images, 0)
        # Small batches make it slow enough to be met in the middle.
        slow = dataclasses.replace(drape, settings={"DRAPE_BATCH_SIZE": "4"})
        running = slow.start("reconcile", "--repair")
        deadline = time.monotonic() + 200
        while 0 in noted_and_marked():
            assert running.poll() is None, running.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.kill()
        running.communicate(timeout=60)
        noted, marked = noted_and_marked()
        assert noted + marked == num_images
        assert marked > 0
        engine.dispose()

    completed = drape.run_here("reconcile", "--repair", "--json")
    assert completed.code == 0, completed.err
    assert (completed.json["differences"], completed.json["galleries"][0]["pending"]) == (0, marked)
    assert completed.json["indexing"]["embedded"] == marked
    again = drape.run_here("reconcile", "--json")
    assert (again.code, again.json["differences"], again.json["galleries"][0]["pending"]) == (0, 0, 0)
    assert again.json["galleries"][0]["compared"] == num_images
