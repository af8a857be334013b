"""Metrics as Prometheus reads them, to be asked by name and labels."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


class ScrapedMetrics:
    """What one scrape has brought.

    Args:
        text: In Prometheus's text format.
    """

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """The sample of exactly these labels, or None."""
        return self._values.get((name, frozenset(labels.items())))


def scrape(port: int) -> ScrapedMetrics:
    """What is served at this port now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return ScrapedMetrics(answer.read().decode())
