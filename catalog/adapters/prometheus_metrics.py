"""What Prometheus reads of a worker: counts of its own work, and how much waits for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from catalog.errors import DatabaseUnavailable
from catalog.ports.backlog import MerchantBacklog
from catalog.ports.indexing_observer import BatchOutcome, Stage

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PrometheusIndexing:
    """Counts what the indexing of this process does, as a ``catalog.ports.indexing_observer.IndexingObserver``.

    ``drape_images_total``: images by outcome, merchant and model version; its rate is images/s.
    ``drape_duplicate_images_total``: images that are no longer shown, because another of their product looks the same.
    ``drape_image_failures_total``: images that were quarantined or postponed, by reason.
    ``drape_stage_seconds``: how long batches were in each stage.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._images = Counter(
            "drape_images",
            "Images that were written to or removed from galleries.",
            ("outcome", "merchant", "model"),
            registry=registry,
        )
        self._duplicates = Counter(
            "drape_duplicate_images",
            "Images that are no longer shown, because another of their product looks the same.",
            registry=registry,
        )
        self._failures = Counter(
            "drape_image_failures", "Images that could not be indexed.", ("outcome", "reason"), registry=registry
        )
        self._stages = Histogram(
            "drape_stage_seconds",
            "Time that batches spent in each stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )

    def took(self, stage: Stage, seconds: float) -> None:
        """A batch was in a stage for so long."""
        self._stages.labels(stage.value).observe(seconds)

    def wrote(self, outcome: BatchOutcome) -> None:
        """A batch was written."""
        for name, written in (("embedded", outcome.embedded), ("refreshed", outcome.refreshed)):
            for (merchant, model), number in written.items():
                self._images.labels(name, merchant, model).inc(number)
        for merchant, number in outcome.removed.items():
            self._images.labels("removed", merchant, "").inc(number)
        self._duplicates.inc(outcome.duplicates)
        for name, failed in (("quarantined", outcome.quarantined), ("postponed", outcome.postponed)):
            for kind, number in failed.items():
                self._failures.labels(name, kind.value).inc(number)


class BacklogCollector:
    """Asks PostgreSQL and the broker whenever Prometheus asks; for one process of all, which is that of ``beat``.

    ``drape_dirty_images``: by merchant and state. ``drape_oldest_dirty_seconds``: lag of the image that is due longest.
    ``drape_quarantined_images``. ``drape_fetches``: images that wait to be fetched, by merchant and state.
    ``drape_failed_fetches``: those that could not be, by merchant and reason. ``drape_queue_messages``: announcements
    nobody has taken yet. ``drape_up``: 1 where PostgreSQL, or the broker, has answered.

    Args:
        backlog: Reads every merchant's.
        queues: Reads the number of messages by queue; raises OSError where the broker is away.
    """

    def __init__(
        self, backlog: Callable[[], Sequence[MerchantBacklog]], queues: Callable[[], Mapping[str, int]]
    ) -> None:
        self._backlog = backlog
        self._queues = queues

    def describe(self) -> list[Metric]:
        """Nothing: what there is, is asked for when it is read, and not when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything as it is now."""
        up = GaugeMetricFamily("drape_up", "Whether a service has answered.", labels=("service",))
        try:
            backlogs = self._backlog()
        except DatabaseUnavailable:
            up.add_metric(("postgresql",), 0)
        else:
            up.add_metric(("postgresql",), 1)
            yield from _of_merchants(backlogs)
        try:
            messages = self._queues()
        except OSError:
            up.add_metric(("broker",), 0)
        else:
            up.add_metric(("broker",), 1)
            waiting = GaugeMetricFamily("drape_queue_messages", "Messages that nobody has taken.", labels=("queue",))
            for queue, number in messages.items():
                waiting.add_metric((queue,), number)
            yield waiting
        yield up


def _of_merchants(backlogs: Sequence[MerchantBacklog]) -> Iterator[Metric]:
    dirty = GaugeMetricFamily("drape_dirty_images", "Images that wait to be indexed.", labels=("merchant", "state"))
    oldest = GaugeMetricFamily(
        "drape_oldest_dirty_seconds", "For so long the image has been due that is due longest.", labels=("merchant",)
    )
    quarantined = GaugeMetricFamily(
        "drape_quarantined_images", "Images that were set aside with a reason.", labels=("merchant",)
    )
    fetches = GaugeMetricFamily(
        "drape_fetches", "Images by address that wait to be fetched.", labels=("merchant", "state")
    )
    failed = GaugeMetricFamily(
        "drape_failed_fetches", "Images by address that could not be fetched.", labels=("merchant", "reason")
    )
    for one in backlogs:
        fetches.add_metric((one.merchant, "due"), one.fetches.due)
        fetches.add_metric((one.merchant, "leased"), one.fetches.leased)
        fetches.add_metric((one.merchant, "postponed"), one.fetches.waiting - one.fetches.due - one.fetches.leased)
        for reason, number in one.failed_fetches.items():
            failed.add_metric((one.merchant, reason), number)
        dirty.add_metric((one.merchant, "due"), one.due)
        dirty.add_metric((one.merchant, "leased"), one.leased)
        dirty.add_metric((one.merchant, "postponed"), one.postponed)
        oldest.add_metric((one.merchant,), one.oldest_seconds)
        quarantined.add_metric((one.merchant,), one.quarantined)
    yield from (dirty, oldest, quarantined, fetches, failed)
