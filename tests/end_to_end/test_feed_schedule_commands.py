"""``drape ingest --schedule``, ``drape feed schedules``, ``drape feed unschedule``: what workers take on a schedule."""

from __future__ import annotations

from dataclasses import replace

FEED = "https://shop.example/feed.csv"


def test_a_feed_is_put_on_a_schedule_listed_and_taken_off(drape):
    """A schedule is a row: nobody needs to be there when it is written."""
    ingest = ("ingest", FEED, "--merchant", "atelier", "--schedule", "daily 03:30")
    alone = drape.run_here(*ingest)
    assert (alone.code, "DRAPE_BROKER_URL" in alone.err) == (2, True)
    drape = replace(drape, settings={"DRAPE_BROKER_URL": "redis://localhost:1/0"})
    put = drape.run_here(*ingest, "--full-sync", "--json")
    assert put.code == 0, put.err
    assert (put.json["feed"], put.json["schedule"], put.json["request"]["full_sync"]) == (FEED, "daily 03:30", True)
    here = drape.run_here("ingest", "feed.csv", "--merchant", "atelier", "--schedule", "daily 03:30")
    assert (here.code, "by address" in here.err) == (2, True)
    assert "daily 03:30" in drape.run("feed", "schedules").out
    removed = drape.run("feed", "unschedule", FEED, "--merchant", "atelier")
    assert (removed.code, FEED in removed.out) == (0, True)
