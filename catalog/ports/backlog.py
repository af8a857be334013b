"""How much waits to be indexed, as those see it who watch over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FetchBacklog:
    """Images by address that wait to be fetched.

    Args:
        waiting: All of them.
        due: Of these, those that could be taken now.
        leased: Of these, those that are being fetched.
        failing: Of these, those that failed before, or whose host is left alone for now, and nobody is fetching.
    """

    waiting: int = 0
    due: int = 0
    leased: int = 0
    failing: int = 0


@dataclass(frozen=True, slots=True)
class MerchantBacklog:
    """A merchant's dirty images, and those that wait to be fetched.

    Args:
        due: Could be taken now.
        leased: Are being worked on.
        postponed: Wait for their time: failed before, or held to a rate.
        oldest_seconds: For so long the one that is due longest has been; 0 where none is.
        quarantined: Images that were set aside.
        fetches: Images by address that wait to be fetched.
        failed_fetches: Images that could not be fetched, by reason.
    """

    merchant: str
    due: int
    leased: int
    postponed: int
    oldest_seconds: float
    quarantined: int
    fetches: FetchBacklog = field(default_factory=FetchBacklog)
    failed_fetches: Mapping[str, int] = field(default_factory=dict)
