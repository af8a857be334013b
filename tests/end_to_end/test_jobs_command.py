"""``drape jobs``: a re-indexing is followed and cancelled from beside it, and run again."""

from __future__ import annotations

import time

SECOND = "compact-rendered.bfloat16"
NUM_IMAGES = 24


def test_jobs_are_listed_followed_cancelled_and_run_again(drape, small_feed, tmp_path):
    assert "No jobs yet" in drape.run_here("jobs").out
    assert drape.run_here("ingest", small_feed(tmp_path, NUM_IMAGES), "--merchant", "atelier").code == 0
    listed = drape.run("jobs").out
    assert ("ingest" in listed, "atelier" in listed, "100 %" in listed) == (True, True, True)

    running = drape.start("reindex", "--model", SECOND, "--max-rate", "1", "--min-recall", "0")
    deadline = time.monotonic() + 120
    while True:
        (job, *_) = drape.run_here("jobs", "--json").json
        if job["kind"] == "reindex" and job["done"]:
            break
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
    assert (job["state"], job["total"], job["unit"]) == ("running", NUM_IMAGES, "images")
    number = str(job["id"])
    assert drape.run_here("jobs", "cancel", number).code == 0
    _, err = running.communicate(timeout=90)
    assert (running.returncode, f"Job {number} was cancelled" in err) == (1, True), err

    followed = drape.run_here("jobs", "follow", number)
    assert (followed.code, "cancelled" in followed.out) == (1, True)
    again = drape.run_here("jobs", "cancel", number)
    assert (again.code, "which is cancelled" in again.err) == (2, True)
    # The rate is part of what was asked for; so slowly it is not run again here.
    assert job["request"] == {"model": SECOND, "max_rate": 1.0, "min_recall": 0.0, "min_precision": None}
    assert drape.run_here("similar", "P5", "--json").json["model_version"] == "compact-rendered"

    ingested = str(drape.run_here("jobs", "--json").json[-1]["id"])
    done = drape.run_here("jobs", "retry", ingested)
    assert (done.code, "which is done" in done.err) == (2, True)
    missing = drape.run_here("jobs", "follow", "4711")
    assert (missing.code, "No such job" in missing.err) == (1, True)


def test_a_job_that_failed_is_run_again_as_it_was_asked_for(drape, small_feed, tmp_path):
    feed = small_feed(tmp_path, NUM_IMAGES)
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    whole = feed.read_text(encoding="utf-8")
    # A full sync that would remove nearly everything is refused, and its job fails.
    feed.write_text("\n".join(whole.splitlines()[:3]) + "\n", encoding="utf-8")
    assert drape.run_here("ingest", feed, "--merchant", "atelier", "--full-sync").code == 1
    failed, _ = drape.run_here("jobs", "--json").json
    assert (failed["state"], failed["request"]["full_sync"]) == ("failed", True)

    feed.write_text(whole, encoding="utf-8")
    again = drape.run_here("jobs", "retry", str(failed["id"]), "--json")
    assert (again.code, again.json["products"]["unchanged"]) == (0, NUM_IMAGES)

    tried = drape.run_here("jobs", "retry", "--quarantined", "--json")
    assert (tried.code, tried.json["tried"]) == (0, 0)
    neither = drape.run_here("jobs", "retry")
    assert neither.code == 2
