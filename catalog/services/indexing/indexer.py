"""Whoever works off dirty images: this process, or workers that it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.progress import Advance


class Indexer(Protocol):
    """Has a merchant's dirty images indexed."""

    @property
    def keeps_rate(self) -> bool:
        """Whether ``run`` keeps to ``max_rate`` by itself; otherwise the marks must become due at that rate."""

    def run(
        self, merchant_id: int, advance: Advance, *, stop: Callable[[], bool], max_rate: float | None
    ) -> IndexingSummary:
        """Return when none of the merchant's images waits, or only those that failed; or soon after ``stop`` says so.

        Raises:
            InvalidRequest: the rate is too low to be kept to.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
