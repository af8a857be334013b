"""How much waits to be indexed, as those see it who watch over it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MerchantBacklog:
    """A merchant's dirty images.

    Args:
        due: Could be taken now.
        leased: Are being worked on.
        postponed: Wait for their time: failed before, or held to a rate.
        oldest_seconds: For so long the one that is due longest has been; 0 where none is.
        quarantined: Images that were set aside.
    """

    merchant: str
    due: int
    leased: int
    postponed: int
    oldest_seconds: float
    quarantined: int
