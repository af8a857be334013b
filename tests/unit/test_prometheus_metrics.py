"""What Prometheus is told: counts of what was written, and how much waits."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from catalog.adapters.prometheus_metrics import BacklogCollector, PrometheusIndexing
from catalog.errors import DatabaseUnavailable
from catalog.ports.backlog import FetchBacklog, MerchantBacklog
from catalog.ports.indexing_observer import BatchOutcome, FailureKind, Stage, timed
from tests.scraped_metrics import ScrapedMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


def _told(registry: CollectorRegistry) -> ScrapedMetrics:
    return ScrapedMetrics(generate_latest(registry).decode())


def test_two_batches_add_up(registry):
    """32 + 8 images embedded; of one that failed for good and two that wait, the reason is told; 6 look alike."""
    observer = PrometheusIndexing(registry)
    galleries = {("atelier", "compact"): 32, ("bazaar", "resnet"): 3}
    observer.wrote(BatchOutcome(galleries, {("atelier", "compact"): 5}, {"bazaar": 2}, {}, {}))
    failures = {FailureKind.KILLED: 1}, {FailureKind.IMAGE_STORE: 2}
    observer.wrote(BatchOutcome({("atelier", "compact"): 8}, {}, {}, *failures, duplicates=6))
    told = _told(registry)
    assert told.value("drape_images_total", outcome="embedded", merchant="atelier", model="compact") == 40
    assert told.value("drape_images_total", outcome="embedded", merchant="bazaar", model="resnet") == 3
    assert told.value("drape_images_total", outcome="refreshed", merchant="atelier", model="compact") == 5
    assert told.value("drape_images_total", outcome="removed", merchant="bazaar", model="") == 2
    assert told.value("drape_duplicate_images_total") == 6
    assert told.value("drape_image_failures_total", outcome="quarantined", reason="killed its worker") == 1
    assert told.value("drape_image_failures_total", outcome="postponed", reason="image store unavailable") == 2


def test_stages_are_timed_however_they_end(registry):
    observer = PrometheusIndexing(registry)
    observer.took(Stage.EMBED, 0.3)
    observer.took(Stage.EMBED, 0.2)
    with pytest.raises(RuntimeError), timed(observer, Stage.WRITE):
        raise RuntimeError
    told = _told(registry)
    assert told.value("drape_stage_seconds_sum", stage="embed") == pytest.approx(0.5)
    assert told.value("drape_stage_seconds_bucket", stage="embed", le="0.25") == 1
    assert told.value("drape_stage_seconds_count", stage="write") == 1


def test_the_backlog_is_read_when_it_is_asked_for(registry):
    fetches = FetchBacklog(waiting=19, due=8, leased=5, failing=3)
    backlogs = [
        MerchantBacklog("atelier", 7, 2, 1, 12.5, quarantined=4, fetches=fetches, failed_fetches={"refused": 9})
    ]
    registry.register(BacklogCollector(lambda: backlogs, lambda: {"embed": 1, "index": 0}))
    told = _told(registry)
    assert told.value("drape_dirty_images", merchant="atelier", state="due") == 7
    assert told.value("drape_dirty_images", merchant="atelier", state="leased") == 2
    assert told.value("drape_dirty_images", merchant="atelier", state="postponed") == 1
    assert told.value("drape_oldest_dirty_seconds", merchant="atelier") == 12.5
    assert told.value("drape_quarantined_images", merchant="atelier") == 4
    states = {"due": 8, "leased": 5, "postponed": 6}
    assert {state: told.value("drape_fetches", merchant="atelier", state=state) for state in states} == states
    assert told.value("drape_failed_fetches", merchant="atelier", reason="refused") == 9
    assert (told.value("drape_queue_messages", queue="embed"), told.value("drape_queue_messages", queue="index")) == (
        1,
        0,
    )
    backlogs.clear()
    assert _told(registry).value("drape_dirty_images", merchant="atelier", state="due") is None


def test_services_that_are_away_are_said_to_be(registry):
    def no_database():
        raise DatabaseUnavailable("PostgreSQL is away")

    def no_broker():
        raise OSError("Redis is away")

    registry.register(BacklogCollector(no_database, no_broker))
    told = _told(registry)
    assert [told.value("drape_up", service=service) for service in ("postgresql", "broker")] == [0, 0]
