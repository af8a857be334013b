"""The tasks. Each takes ids and calls one service; PostgreSQL decides what there is to do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from celery import Celery
from celery.worker import state

from catalog.adapters.broker.celery_broker import (
    EMBED_QUERIES,
    FETCH_IMAGES,
    INDEX_IMAGES,
    RECONCILE,
    TAKE_FEEDS,
    TELL_WEBHOOKS,
)
from catalog.ports.announcements import WorkQueue
from catalog.services.indexing.indexing_summary import IndexingSummary
from embeddings.errors import ExplainedError, OutOfMemory
from workers.application import application
from workers.liveness import touch
from workers.time_limits import (
    FEED_HARD_SECONDS,
    FEED_SOFT_SECONDS,
    FETCH_SOFT_SECONDS,
    LONG_HARD_SECONDS,
    LONG_SOFT_SECONDS,
    time_limits,
)

_log = logging.getLogger(__name__)

OUT_OF_MEMORY: Final = 71
"""How a worker exits that its supervisor should start anew: EX_OSERR of sysexits.h."""


def add_tasks(app: Celery) -> None:
    """Make the tasks known to the application."""
    app.task(name=INDEX_IMAGES)(index_images)
    app.task(name=FETCH_IMAGES)(fetch_images)
    app.task(name=TAKE_FEEDS)(take_feeds)
    app.task(name=TELL_WEBHOOKS)(tell_webhooks)
    app.task(name=EMBED_QUERIES)(embed_queries)
    app.task(name=RECONCILE)(reconcile)


def index_images(queue: str) -> None:
    """Work off dirty images for a while: on the queue ``index`` those that need no network, else all of them."""
    touch()
    with time_limits(_is_stopping) as enough:
        try:
            summary = application().indexing_work.run(WorkQueue(queue), enough)
        except OutOfMemory as error:
            # What was claimed has been given back. A process that starts anew has its memory for itself.
            _log.error("This worker ends: %s", error, extra={"queue": queue})
            state.should_stop = OUT_OF_MEMORY
            return
        except ExplainedError as error:
            # A service is down. Everything unfinished remains marked, and the sweep asks again soon.
            _log.warning("Indexing waits: %s", error, extra={"queue": queue})
            return
    if summary.num_images or summary.duplicates:
        _tell(queue, summary, application().jobs.running())


def fetch_images() -> None:
    """Fetch images by address for a while."""
    touch()
    with time_limits(_is_stopping, soft=FETCH_SOFT_SECONDS) as enough:
        try:
            summary = application().fetching_work.run(enough)
        except ExplainedError as error:
            _log.warning("Fetching waits: %s", error)
            return
    if summary.results:
        counts = {result.value: number for result, number in sorted(summary.results.items()) if number}
        told = ", ".join(f"{number} {what}" for what, number in counts.items())
        fields = {"images": summary.num_settled, "seconds": summary.seconds, **counts}
        _log.info("Fetched: %s in %.1f s", told, summary.seconds, extra=fields)


def take_feeds() -> None:
    """Ingest the feeds that were handed over, and those whose schedules say so; what changed is indexed as ever."""
    touch()
    with time_limits(_is_stopping, soft=FEED_SOFT_SECONDS, hard=FEED_HARD_SECONDS) as enough:

        def stop() -> bool:
            touch()
            return enough()

        try:
            submitted = application().feed_submissions.run_due(stop)
            taken = application().feed_schedules.run_due(stop)
        except ExplainedError as error:
            _log.warning("Feeds wait: %s", error)
            return
    for submission in submitted:
        told = {"merchant": submission.merchant, "job": submission.job_id, **submission.counts}
        if submission.error is None:
            _log.info("Took a feed that was handed over", extra=told)
        else:
            _log.warning("A feed that was handed over was not taken: %s", submission.error, extra=told)
    for one in taken:
        fields = {"merchant": one.feed.merchant, "feed": one.feed.feed}
        if one.summary is not None:
            _log.info("Took a feed on its schedule", extra={**fields, "job": one.summary.job_id, **one.summary.counts})
        if one.error is not None:
            _log.warning("A feed was not taken: %s", one.error, extra=fields)


def tell_webhooks() -> None:
    """Tell merchants' servers of jobs that have ended, for a while."""
    touch()
    with time_limits(_is_stopping, soft=FETCH_SOFT_SECONDS) as enough:
        try:
            sent = application().webhooks.run_due(enough)
        except ExplainedError as error:
            _log.warning("Webhooks wait: %s", error)
            return
    if sent.num_delivered or sent.num_postponed or sent.num_given_up:
        _log.info(
            "Webhooks: %d told, %d wait for another try, %d given up",
            sent.num_delivered,
            sent.num_postponed,
            sent.num_given_up,
        )


def embed_queries() -> None:
    """Embed photos that are searched with, for as long as there are some."""
    touch()
    with time_limits(_is_stopping) as enough:
        try:
            number = application().query_work.run(enough)
        except OutOfMemory as error:
            # Who asked has been told. A process that starts anew has its memory for itself.
            _log.error("This worker ends: %s", error)
            state.should_stop = OUT_OF_MEMORY
            return
        except ExplainedError as error:
            _log.warning("Queries wait: %s", error)
            return
    if number:
        _log.info("%d query photos embedded", number, extra={"photos": number})


def reconcile() -> None:
    """Compare every gallery with PostgreSQL, and repair what differs; what was marked, workers index."""
    touch()
    with time_limits(_is_stopping, soft=LONG_SOFT_SECONDS, hard=LONG_HARD_SECONDS) as enough:
        try:
            found = application().reconciliation.run(repairs=True, advance=lambda *_: touch(), stop=enough)
        except ExplainedError as error:
            _log.warning("Reconciliation was given up: %s", error)
            return
    for one in found.galleries:
        differences = {kind.value: number for kind, number in one.differences.counts.items()}
        fields = {"merchant": one.merchant, "model": one.gallery.model_version, "compared": one.num_compared}
        level = logging.WARNING if one.differences.total else logging.INFO
        _log.log(level, "%d images compared", one.num_compared, extra={**fields, **differences})
    counts = {"deleted": found.num_deleted, "marked": found.num_marked, "is_complete": found.is_complete}
    _log.info("Reconciled: %d points deleted, %d images marked", found.num_deleted, found.num_marked, extra=counts)


def _tell(queue: str, summary: IndexingSummary, jobs: Mapping[str, int]) -> None:
    """Log a line for every gallery that was written to, and one of what else was done, each with its fields.

    Args:
        jobs: What runs for each merchant.
    """
    for (merchant, model), number in sorted(summary.written.items()):
        fields = {"queue": queue, "merchant": merchant, "model": model, "images": number, "seconds": summary.seconds}
        if merchant in jobs:
            fields["job"] = jobs[merchant]
        _log.info("%d images of %s are indexed with %s", number, merchant, model, extra=fields)
    for reason, number in summary.failures.items():
        _log.warning("%d images failed: %s", number, reason, extra={"queue": queue, "images": number})
    counts = {
        "embedded": summary.embedded,
        "refreshed": summary.refreshed,
        "removed": summary.removed,
        "duplicates": summary.duplicates,
        "quarantined": summary.quarantined,
        "postponed": summary.postponed,
    }
    told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    _log.info("%s in %.1f s", told, summary.seconds, extra={"queue": queue, **counts, "seconds": summary.seconds})


def _is_stopping() -> bool:
    return state.should_stop is not None or state.should_terminate is not None
