"""``drape feed check``: what an ingest would make of a feed, told without a database."""

from __future__ import annotations

import csv
import gzip

import pytest

ROWS = (
    "id,title,price,brand,image\n"
    "P0,Été,10.00 EUR,Acme,0.png\n"
    "P1,Bad price,ten,Acme,1.png\n"
    "P0,Repeated id,10 EUR,Acme,0.png\n"
    "P3,No such photo,10 EUR,Acme,gone.png\n"
    "P4,No photo,10 EUR,Acme,feed.csv\n"
    "P5,Worse price,eleven,Acme,2.png\n"
)


@pytest.fixture
def feed(small_feed, tmp_path):
    """A feed in Windows-1252 and gzip with every kind of fault, beside its pictures."""
    small_feed(tmp_path, 3)
    path = tmp_path / "faulty.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode("cp1252")))
    return path


def test_a_feed_is_told_with_its_faults_and_nothing_is_written(drape, feed, tmp_path):
    """For people, in a process of its own; rows are counted as `drape ingest` counts them."""
    errors = tmp_path / "errors.csv"
    ran = drape.run("feed", "check", feed, "--errors", errors)
    assert ran.code == 1, ran.err
    first_line = "Read faulty.csv.gz as a feed of Drape's own columns (CSV in Windows-1252, packed as gzip)."
    assert ran.out.splitlines()[0] == first_line
    assert "Columns used: id, title, price, image." in ran.out
    assert "Note: Columns kept with the products, to filter by: brand." in ran.out
    assert "6 rows: 3 products, 3 rows failed." in ran.out
    assert "3 images: 1 missing, 1 unreadable." in ran.out
    assert "2  price: expected an amount and a currency, such as 49.90 EUR (lines 3, 7)" in ran.out
    assert "1  id: expected an id that no earlier row has (line 4)" in ran.out
    with errors.open(encoding="utf-8-sig", newline="") as file:
        told = [(row["line"], row["column"]) for row in csv.DictReader(file)]
    assert told == [("3", "price"), ("4", "id"), ("5", "image"), ("6", "image"), ("7", "price")]
    assert not drape.home.exists()

    ingested = drape.run_here("ingest", feed, "--merchant", "atelier", "--json")
    as_json = drape.run_here("feed", "check", feed, "--json").json
    assert as_json["num_failed_rows"] == ingested.json["rows_failed"] == 3
    assert as_json["num_products"] == ingested.json["products"]["new"]
    assert as_json["num_missing_images"] + as_json["num_unreadable_images"] == ingested.json["images_failed"]
    assert as_json["notes"] == ingested.json["notes"]
    assert as_json["faults"][0] == {
        "column": "price",
        "outcome": "row skipped",
        "expected": "an amount and a currency, such as 49.90 EUR",
        "found": "'ten'",
        "num_errors": 2,
        "lines": [3, 7],
    }


def test_good_and_unreadable_feeds_have_their_exit_codes(drape, small_feed, tmp_path):
    """0 where all would be taken, 2 for what is no feed and for what breaks off."""
    good = small_feed(tmp_path, 2)
    assert drape.run_here("feed", "check", good).code == 0
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(good.read_bytes())[:-4])
    for path, said in ((tmp_path / "nowhere.csv", "nowhere.csv"), (cut, "damaged or not complete")):
        ran = drape.run_here("feed", "check", path)
        assert (ran.code, said in ran.err, "Traceback" in ran.err) == (2, True, False)
