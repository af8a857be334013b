"""What an indexing run did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IndexingSummary:
    """What an indexing run did, in images (an image embedded for two galleries counts once).

    Args:
        embedded: Went through the network.
        refreshed: Had their payload replaced; their vectors were up to date.
        removed: Had their points deleted.
        quarantined_images: Ids of those that cannot be indexed; the reasons are in ``failures``.
        postponed: Failed for now and wait for another try.
        failures: Reason and number of images, for the quarantined and the postponed.
        written: Number of images embedded or refreshed by merchant's name and model version; an image of two galleries
            counts for both.
        duplicates: Are no longer shown, because another image of their product looks the same.
        seconds: How long the run took, the loading of the network and the index's optimisation included.
    """

    embedded: int = 0
    refreshed: int = 0
    removed: int = 0
    quarantined_images: tuple[int, ...] = ()
    postponed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    written: Mapping[tuple[str, str], int] = field(default_factory=dict)
    seconds: float = 0.0
    duplicates: int = 0

    @property
    def num_images(self) -> int:
        """How many images something was done for, or tried."""
        return self.embedded + self.refreshed + self.removed + self.quarantined + self.postponed

    @property
    def quarantined(self) -> int:
        """How many images cannot be indexed."""
        return len(self.quarantined_images)

    def plus(self, other: IndexingSummary) -> IndexingSummary:
        """The two together."""
        return IndexingSummary(
            self.embedded + other.embedded,
            self.refreshed + other.refreshed,
            self.removed + other.removed,
            self.quarantined_images + other.quarantined_images,
            self.postponed + other.postponed,
            dict(Counter(self.failures) + Counter(other.failures)),
            dict(Counter(self.written) + Counter(other.written)),
            self.seconds + other.seconds,
            self.duplicates + other.duplicates,
        )
