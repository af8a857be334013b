"""Jobs over HTTP: listed, watched, cancelled; everybody's own."""

from __future__ import annotations

import pytest

from catalog.errors import FeedUnreadable, IndexUnavailable
from catalog.repositories.jobs import JobKind
from catalog.types import JobState, Scope
from tests.integration.storefront.conftest import Client, refused


@pytest.fixture(scope="module")
def feeds(application, shop) -> Client:
    """A client of ``atelier`` that may hand over feeds."""
    return Client(shop.app, application.api_keys.create("atelier", "feeds", [Scope.INGEST]).secret)


@pytest.fixture(scope="module")
def rival_feeds(application, shop) -> Client:
    return Client(shop.app, application.api_keys.create("rival", "feeds", [Scope.ADMIN]).secret)


def _merchant(application) -> int:
    with application.unit_of_work() as work:
        return work.merchants.id_of("atelier")


def _ended(application, error: Exception | None, subject: str = "feed.csv") -> int:
    with application.unit_of_work() as work:
        job_id = work.jobs.start(_merchant(application), JobKind.INGEST, subject, {}, "B")
        state = JobState.DONE if error is None else JobState.FAILED
        work.jobs.end(job_id, state, {"products_new": 3}, error)
        work.commit()
    return job_id


def test_a_job_tells_how_far_it_is_and_how_it_ended(feeds):
    (job,) = feeds.get("/v1/jobs").json()["jobs"]
    # The one that the catalog came from; its folder is nobody's business.
    assert (job["kind"], job["state"], job["feed"]) == ("ingest", "done", "feed.jsonl")
    assert job["counts"]["products_new"] == 4
    assert job["progress"]["done"] == job["progress"]["total"] > 0
    one = feeds.get(f"/v1/jobs/{job['id']}")
    assert one.json() == {**job, "images_waiting": 0}
    assert "retry-after" not in one.headers


def test_nobody_sees_or_cancels_the_jobs_of_another_merchant(feeds, rival_feeds):
    (own,) = feeds.get("/v1/jobs").json()["jobs"]
    (theirs,) = rival_feeds.get("/v1/jobs").json()["jobs"]
    assert own["id"] != theirs["id"]
    refused(rival_feeds.get(f"/v1/jobs/{own['id']}"), 404, "job_not_found")
    refused(rival_feeds.post(f"/v1/jobs/{own['id']}/cancel"), 404, "job_not_found")
    refused(feeds.post(f"/v1/jobs/{own['id']}/cancel"), 422, "invalid_request")
    refused(feeds.get(f"/v1/jobs/{2**63}"), 422, "invalid_request")


def test_lists_go_on_where_they_ended(application, feeds):
    first = _ended(application, None, "https://shop.example/feed.csv")
    second = _ended(application, None)
    page = feeds.get("/v1/jobs", params={"limit": 1}).json()
    assert ([job["id"] for job in page["jobs"]], page["before"]) == ([second], second)
    page = feeds.get("/v1/jobs", params={"limit": 1, "before": second}).json()
    assert [(job["id"], job["feed"]) for job in page["jobs"]] == [(first, "https://shop.example/feed.csv")]


def test_what_failed_for_the_feed_is_told_and_what_failed_for_the_operator_is_not(application, feeds):
    bad = _ended(application, FeedUnreadable("The feed feed.csv is empty."))
    assert feeds.get(f"/v1/jobs/{bad}").json()["error"] == "The feed feed.csv is empty."
    away = _ended(application, IndexUnavailable("It did not answer", received="qdrant.intra:6333"))
    told = feeds.get(f"/v1/jobs/{away}").json()["error"]
    assert "intra" not in told
    assert f"drape jobs follow {away}" in told
