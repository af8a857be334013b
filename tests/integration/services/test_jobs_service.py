"""Jobs tell how far they are, end when they are asked to, and those whose process died are not taken for running."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from catalog.errors import InvalidRequest, JobCancelled, JobNotFound
from catalog.repositories.jobs import JobKind
from catalog.services import job_run
from catalog.services.ingesting.ingest import IngestRequest
from catalog.services.job_run import JobRun
from catalog.services.jobs import JobService
from catalog.types import JobState

COLORS = ("red", "green", "blue", "white")


def _rows(shop, number: int):
    return [{"id": f"P{at}", "title": "Item", "image": shop.photo(f"{at}.png", COLORS[at % 4])} for at in range(number)]


@pytest.fixture
def _asked_at_once(monkeypatch):
    """Jobs find out that they are cancelled at the next opportunity, however quickly it comes."""
    monkeypatch.setattr(job_run, "LOOK_SECONDS", 0.0)


@pytest.fixture
def jobs(shop) -> JobService:
    return JobService(shop.unit_of_work)


def test_an_ingest_says_what_was_asked_for_and_how_far_it_is(shop, jobs):
    shop.take(_rows(shop, 3), full_sync=True)
    (job,) = jobs.latest()
    assert (job.merchant, job.kind, job.state, job.unit) == ("atelier", "ingest", JobState.DONE, "B")
    size = (shop.folder / "feed.jsonl").stat().st_size
    assert (job.done, job.total) == (size, size)
    assert job.request["feed"] == str(shop.folder / "feed.jsonl")
    assert (job.request["full_sync"], job.request["max_removal"]) == (True, 0.2)


def test_a_job_whose_process_died_is_told_apart_from_one_that_runs(shop, jobs):
    """What tells them apart is the lock that a running job holds; no clock is asked."""
    summary, _ = shop.take(_rows(shop, 1))
    with shop.unit_of_work() as guard:
        guard.merchants.claim_galleries(summary.merchant_id)
        with shop.unit_of_work() as work:
            running = work.jobs.start(summary.merchant_id, JobKind.REINDEX, "colors-2", {}, "images")
            dead = work.jobs.start(summary.merchant_id, JobKind.INGEST, "feed.csv", {}, "B")
            work.commit()
        assert jobs.get(running).state == JobState.RUNNING
        assert jobs.get(dead).state == JobState.INTERRUPTED
    assert jobs.get(running).error == "the process ended without a word"


@pytest.mark.usefixtures("_asked_at_once")
def test_a_reindexing_that_is_cancelled_leaves_searches_and_goes_on_when_run_again(shop, jobs):
    summary, _ = shop.take(_rows(shop, 40))
    cancelled: list[int] = []

    def advance(done: int, total: int | None) -> None:
        if not cancelled and done:
            (job, *_) = jobs.latest()
            cancelled.append(jobs.cancel(job.id).id)

    with pytest.raises(JobCancelled):
        shop.reindexing.run(summary.merchant_id, "colors-2", advance)

    job = jobs.get(cancelled[0])
    assert (job.state, job.is_cancelled, job.unit) == (JobState.CANCELLED, True, "images")
    assert 0 < job.done < job.total == 40
    states = dict(
        shop.rows("SELECT name, state FROM gallery JOIN model_version ON model_version.id = gallery.model_version_id")
    )
    assert states == {"colors-1": "live", "colors-2": "retired"}
    # What is still marked needs no network now: nobody feeds the gallery that was left.
    embedded = shop.models.num_embedded
    shop.indexing.run()
    assert shop.models.num_embedded == embedded
    shop.assert_consistent()

    assert shop.reindexing.run(summary.merchant_id, "colors-2").live
    shop.assert_consistent()


@pytest.mark.usefixtures("_asked_at_once")
def test_an_ingest_that_is_cancelled_keeps_what_it_has_taken(shop, jobs):
    rows = _rows(shop, 450)

    def advance(done: int, total: int | None) -> None:
        (job,) = jobs.latest()
        jobs.cancel(job.id)

    request = IngestRequest(shop.write_feed(rows), "atelier", "colors-1")
    with pytest.raises(JobCancelled):
        shop.ingest_service.run(request, shop.errors.append, advance)
    (job,) = jobs.latest()
    assert (job.state, job.counts["products_new"]) == (JobState.CANCELLED, 200)
    assert shop.ingest(rows).counts["products_new"] == 250


def test_only_running_jobs_can_be_cancelled(shop, jobs):
    shop.take(_rows(shop, 1))
    (job,) = jobs.latest()
    with pytest.raises(InvalidRequest, match=f"job {job.id}, which is done"):
        jobs.cancel(job.id)
    with pytest.raises(JobNotFound):
        jobs.get(job.id + 1)


def test_following_ends_with_the_job(shop):
    summary, _ = shop.take(_rows(shop, 1))
    seen: list[tuple[int, int | None]] = []
    with shop.unit_of_work() as guard:
        guard.merchants.claim_galleries(summary.merchant_id)
        run = JobRun(shop.unit_of_work, summary.merchant_id, JobKind.REINDEX, "colors-2", {}, unit="images")
        with run:
            run.report(1, 4)
            naps = iter(range(2))

            def sleep(_: float) -> None:
                if next(naps, None) is None:
                    run.__exit__(None, None, None)
                else:
                    run.report(3, 4)

            ended = JobService(shop.unit_of_work, sleep).follow(run.id, lambda *progress: seen.append(progress))
    assert (ended.state, seen) == (JobState.DONE, [(1, 4), (3, 4), (3, 4), (3, 4)])


def test_images_that_were_set_aside_are_tried_again(shop, jobs):
    """As after an upgrade of a decoder: here the picture is mended in the store."""
    summary, _ = shop.take(_rows(shop, 2))
    with shop.engine.begin() as connection:
        connection.execute(text("UPDATE image SET state = 'quarantined', last_error = 'broken' WHERE id = 1"))
    assert jobs.retry_quarantined(summary.merchant_id) == 1
    assert shop.rows("SELECT state, last_error FROM image ORDER BY id") == [("ready", None), ("ready", None)]
    assert shop.indexing.run().num_images == 1
    shop.assert_consistent()
    assert jobs.retry_quarantined(summary.merchant_id) == 0
