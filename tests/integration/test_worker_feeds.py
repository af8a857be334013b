"""Workers take feeds on their schedules, killed in the middle of it or not."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from catalog.adapters.broker.celery_broker import announce, celery_app
from catalog.ports.announcements import WorkQueue
from catalog.schedules import parse_schedule
from catalog.services.ingesting.feed_submissions import FeedOptions
from catalog.services.ingesting.ingest import IngestRequest
from cli.worker import Queue
from tests.file_server import FileServer, answer, serving
from tests.worker_cluster import MERCHANT, striped_picture

NUM_ROWS = 6000


@pytest.mark.slow
def test_a_feed_whose_worker_was_killed_is_taken_by_another_when_the_lease_ends(cluster):
    """What the first had committed stays; the feed is due next by its schedule, and not before."""
    rows = "".join(f"P{number},Item,{number}.png\n" for number in range(NUM_ROWS))
    feed = answer(("id,title,image\n" + rows).encode())
    app = celery_app(cluster.redis.url)
    with serving(FileServer({"/feed.csv": lambda connection, _: connection.sendall(feed)})) as server:
        allowed = {"DRAPE_FETCH_ALLOW": f"127.0.0.1:{server.port}"}
        with cluster.application() as application:
            request = IngestRequest(Path("fetched"), MERCHANT, "colors-1")
            application.feed_schedules.put(server.url("/feed.csv"), request, parse_schedule("every 6h"))
        first = cluster.start(Queue.EMBED, Queue.INDEX, **allowed)
        announce(app, WorkQueue.FEED)
        cluster.wait_until(lambda: cluster.scalar("SELECT count(*) FROM product") > 0, "some rows written")
        first.kill()
        first.wait()
        assert cluster.scalar("SELECT count(*) FROM product") < NUM_ROWS
        cluster.start(Queue.EMBED, Queue.INDEX, **allowed)

        def is_taken() -> bool:
            announce(app, WorkQueue.FEED)
            return bool(cluster.scalar("SELECT last_job_id IS NOT NULL FROM feed_schedule"))

        cluster.wait_until(is_taken, "the feed taken")
    app.close()
    assert cluster.scalar("SELECT count(*) FROM product") == NUM_ROWS
    assert [state for (state,) in cluster.rows("SELECT state FROM job ORDER BY id")] == ["interrupted", "done"]
    assert cluster.rows("SELECT next_due_at > now() + interval '5 hours', last_error FROM feed_schedule") == [
        (True, None)
    ]


@pytest.mark.slow
def test_a_feed_that_is_handed_over_is_taken_and_indexed_by_workers_which_tell_of_it(cluster):
    """The upload, with its photo, is read from beside the images, whichever process keeps and takes it."""
    archive = BytesIO()
    with ZipFile(archive, "w") as packed:
        packed.writestr("feed.csv", "id,title,image\nP1,Dress,1.png\n")
        packed.writestr("1.png", striped_picture(1, "red"))
    archive.seek(0)
    told = answer(b"")
    with serving(FileServer({"/hook": told})) as server, cluster.application() as application:
        with application.unit_of_work() as work:
            merchant_id = work.merchants.ensure(MERCHANT)
            work.webhooks.add(merchant_id, server.url("/hook"), f"whsec_{b64encode(bytes(32)).decode()}")
            work.commit()
        cluster.start(Queue.EMBED, Queue.INDEX, DRAPE_FETCH_ALLOW=f"127.0.0.1:{server.port}")
        submission = application.feed_submissions.submit_upload(
            merchant_id, MERCHANT, archive, "spring.zip", FeedOptions()
        )
        cluster.wait_until(lambda: bool(server.asked), "the webhook told")
        cluster.wait_until(lambda: cluster.num_indexed() == 1, "the photo indexed")
        job = application.jobs.get(submission.job.id)
    assert (job.state.value, job.counts["images_new"], job.subject) == ("done", 1, "spring.zip")
    assert server.asked[0].headers["webhook-id"].startswith("msg_")
    assert cluster.rows("SELECT attempts > 0, delivered_at IS NOT NULL FROM webhook_delivery") == [(True, True)]
