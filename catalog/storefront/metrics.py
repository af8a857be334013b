"""What Prometheus reads of the API: its requests, and how long searches are in each stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from catalog.services.photo_queries.query_embedding import QueryEmbedding

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_PHOTOS: Final = (1, 2, 4, 8, 16)


class StorefrontMetrics:
    """Counts what one process answers.

    ``drape_http_requests_total``: by method, route and status. ``drape_http_request_seconds``: by method and route,
    from the first byte of the request to the last of the answer. ``drape_search_stage_seconds``: by stage.
    ``drape_query_photos_total``: by where their features came from: ``network``, ``cache``, or ``shared`` with the same
    photo of another request. ``drape_query_cache_bytes``. ``drape_query_batch_photos``: how many were embedded at once.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "drape_http_requests", "Requests.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "drape_http_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = Histogram(
            "drape_search_stage_seconds",
            "Time that searches spent in each stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)

    def watch(self, queries: QueryEmbedding) -> None:
        """Tell of the photos that are searched with, too."""
        self._registry.register(_QueryCollector(queries))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def searched(self, timings_ms: Mapping[str, float]) -> None:
        """A search has been made."""
        for stage, milliseconds in timings_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)


class _QueryCollector(Collector):
    """Asks for the counts whenever Prometheus asks."""

    def __init__(self, queries: QueryEmbedding) -> None:
        self._queries = queries

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        counts = self._queries.cache_counts
        photos = CounterMetricFamily(
            "drape_query_photos", "Photos that were searched with, by where their features came from.", labels=["from"]
        )
        for source, number in (("network", counts.misses), ("cache", counts.hits), ("shared", counts.shared)):
            photos.add_metric([source], number)
        yield photos
        yield GaugeMetricFamily("drape_query_cache_bytes", "Memory of features that were kept.", value=counts.num_bytes)
        sizes = self._queries.batch_sizes
        within = [(str(most), sum(sizes[size] for size in sizes if size <= most)) for most in _PHOTOS]
        yield HistogramMetricFamily(
            "drape_query_batch_photos",
            "Photos that were embedded at once.",
            buckets=[*within, ("+Inf", sum(sizes.values()))],
            sum_value=sum(size * number for size, number in sizes.items()),
        )
