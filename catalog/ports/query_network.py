"""Where the network runs that photos are searched with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """One photo's features.

    Args:
        features: A float32 vector for each feature of the model version, scaled as the version says; and under
            ``embeddings.embedder.PROB_SCALE``, (1,), what ``prob`` was divided by.
        timings_ms: Milliseconds per stage that they took.
    """

    features: Mapping[str, NDArray[np.float32]]
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class QueryNetwork(Protocol):
    """Turns one prepared photo into features, while others may ask for the same. Safe to call from several threads."""

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many batches this process has run, by the number of their photos."""

    def load(self, version: str) -> None:
        """Make the version's network ready, so that no query has to wait for that.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
        """

    def expecting(self) -> AbstractContextManager[None]:
        """While it lasts, a photo is being decoded that is about to come."""

    def embed(self, version: str, prepared: NDArray[np.uint8]) -> EmbeddedQuery:
        """The features of one photo.

        Args:
            prepared: (input_size, input_size, 3) uint8, RGB, as ``embeddings.images.prepare`` makes it.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold the network's work.
        """
