"""A merchant's session at the command line: ingest, look, search, change, ingest again."""

from __future__ import annotations

import csv

import pytest
from PIL import Image

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from embeddings.datasets.rendered.catalog import write_catalog

NUM_ITEMS = 12
VIEWS = 2


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """A small rendered catalog: its feed."""
    return write_catalog(tmp_path_factory.mktemp("rendered") / "catalog", NUM_ITEMS, VIEWS, seed=11, height=160)


@pytest.fixture(scope="module")
def rows(catalog):
    """The feed's rows."""
    with catalog.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_from_a_feed_to_explained_hits_and_back(drape, catalog, rows):
    """Ingest, ingest again, search by photo, by product and under a filter; tables for people, JSON for programs."""
    first = drape.run_here("ingest", catalog, "--merchant", "atelier", "--json")
    assert first.code == 0, first.err
    assert first.json["products"]["new"] == NUM_ITEMS
    assert first.json["images"]["new"] == first.json["embedded"] == NUM_ITEMS * VIEWS

    again = drape.run_here("ingest", catalog, "--merchant", "atelier")
    assert again.code == 0
    assert again.out.startswith(f"Read {catalog.name} as a feed of Drape's own columns (")
    assert "Embedded no image: every vector is up to date." in again.out

    photo = catalog.parent / rows[3]["image"]
    found = drape.run("search", photo, "--mode", "visual", "--limit", "3", "--json")
    assert found.code == 0, found.err
    hits = found.json["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert hits[0]["id"] == rows[3]["id"]
    assert hits[0]["why"]

    tagged = drape.run_here("tag", photo, "--top", "1", "--min-confidence", "0.5", "--json")
    assert tagged.code == 0, tagged.err
    seen = {one["attribute"]: one["confidence"] for group in tagged.json["groups"] for one in group["values"]}
    assert seen
    assert all(0.5 <= confidence <= 1 for confidence in seen.values())
    assert "%" in drape.run_here("tag", photo).out

    table = drape.run("similar", rows[3]["id"], "--mode", "native")
    assert table.code == 0
    assert rows[3]["id"] not in [line.split()[2] for line in table.out.splitlines() if line[:4].strip().isdigit()]
    assert "%" in table.out

    filtered = drape.run_here("search", photo, "--category", "Dresses", "--limit", "100", "--json")
    dresses = {row["id"] for row in rows if "Dresses" in row["category"]}
    assert {hit["id"] for hit in filtered.json["hits"]} == dresses

    status = drape.run_here("status", "--json")
    assert status.json[0]["name"] == "atelier"
    assert status.json[0]["num_images"] == status.json[0]["galleries"][0]["num_indexed"] == NUM_ITEMS * VIEWS

    told = drape.run_here(
        "search", "--words", "dresses up to 500 EUR, without floral, xyzzy", "--limit", "100", "--json"
    )
    assert told.code == 0, told.err
    dresses = {
        row["id"]
        for row in rows
        if "Dresses" in row["category"] and "floral" not in row["attributes"] and float(row["price"].split()[0]) <= 500
    }
    assert {hit["id"] for hit in told.json["hits"]} == dresses
    assert told.json["understood"]["category"] == "Dresses"
    assert told.json["understood"]["ignored"] == ["xyzzy"]
    changed = drape.run_here("similar", rows[0]["id"], "--but", "color=blue", "--limit", "100", "--json")
    assert len(changed.json["hits"]) == NUM_ITEMS - 1
    liked = drape.run_here(
        "search",
        "--like",
        rows[0]["id"],
        "--like",
        rows[1]["id"],
        "--unlike",
        rows[2]["id"],
        "--limit",
        "100",
        "--json",
    )
    assert liked.code == 0, liked.err
    assert {hit["id"] for hit in liked.json["hits"]} == {row["id"] for row in rows[3:]}
    both = drape.run_here(
        *("search", photo, "--words", "but in blue, dresses", "--limit", "100", "--json"),
        *("--diversity", "0.5", "--prefer-in-stock", "0.2", "--prefer-newer", "0.1"),
    )
    assert both.code == 0, both.err
    assert {hit["id"] for hit in both.json["hits"]} == {row["id"] for row in rows if "Dresses" in row["category"]}
    assert both.json["understood"]["all"] == ["color=blue"]
    assert both.json["reordered_by"] == ["in_stock", "newer", "diversity"]
    nothing = drape.run_here("search", "--but", "color=blue", "--words", "red dress")
    assert nothing.code == 2
    assert "--but changes a photo" in nothing.err


def test_bad_rows_are_told_and_good_rows_go_on(drape, tmp_path):
    """Line, column, found, expected; the rest is taken; the exit code is 1; the errors are in the file too."""
    Image.new("RGB", (40, 60), "red").save(tmp_path / "red.jpg")
    Image.new("CMYK", (40, 60), "blue").save(tmp_path / "blue.jpg")
    Image.effect_noise((200, 200), 64).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-5000])
    feed = tmp_path / "feed.csv"
    feed.write_text(
        "id,title,price,image\n"
        "1,Good,10.00 EUR,red.jpg\n"
        "2,Bad price,ten,red.jpg\n"
        "3,Unknown currency,10 XYZ,red.jpg\n"
        "1,Repeated id,10 EUR,red.jpg\n"
        "4,No such photo,10 EUR,gone.jpg\n"
        "5,Outside,10 EUR,../../secret.jpg\n"
        "6,CMYK,10 EUR,blue.jpg\n"
        "7,Cut short,10 EUR,cut.jpg\n",
        encoding="utf-8",
    )
    errors = tmp_path / "errors.csv"
    ran = drape.run_here("ingest", feed, "--merchant", "atelier", "--errors", errors, "--json")
    assert ran.code == 1, ran.err
    assert (ran.json["products"]["new"], ran.json["rows_failed"], ran.json["images_failed"]) == (5, 3, 2)
    assert (ran.json["embedded"], ran.json["quarantined"]) == (2, 1)
    with errors.open(encoding="utf-8-sig", newline="") as file:
        told = [(row["line"], row["id"], row["column"]) for row in csv.DictReader(file)]
    assert told == [
        ("3", "2", "price"),
        ("4", "3", "price"),
        ("5", "1", "id"),
        ("6", "4", "image"),
        ("7", "5", "image"),
        ("9", "7", "image"),
    ]


def test_wrong_questions_have_clear_answers(drape, tmp_path):
    """Each failure says what to do, without a traceback, with an exit code that scripts can tell apart."""
    nothing = drape.run_here("similar", "1")
    assert nothing.code == 2
    assert "drape ingest FEED" in nothing.err
    missing = drape.run_here("ingest", tmp_path / "nowhere.csv", "--merchant", "atelier")
    assert missing.code == 1
    assert "nowhere.csv" in missing.err
    unknown = drape.run_here("search", tmp_path / "photo.jpg", "--merchant", "nobody")
    assert unknown.code == 2
    assert "photo.jpg" in unknown.err
    as_json = drape.run("model", "show", "no-such-version", "--json")
    assert as_json.code == 1
    assert '"code": "UnusableModel"' in as_json.err
    for ran in (nothing, missing, unknown, as_json):
        assert "Traceback" not in ran.err


def test_a_second_owner_of_the_index_is_told_who_has_it(drape, catalog):
    """The embedded index belongs to one process; the other one is named, and the exit code says: try again."""
    import os

    holder = QdrantEdgeIndex(drape.home / "vectors")
    holder.list_collections()
    try:
        ran = drape.run("ingest", catalog, "--merchant", "atelier")
    finally:
        holder.close()
    assert ran.code == 75
    assert str(os.getpid()) in ran.err
    assert "DRAPE_QDRANT_URL" in ran.err
