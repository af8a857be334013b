"""Photos that other processes search with, as a worker takes and answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """One photo.

    Args:
        id: By which it is answered.
        version: The model version.
        prepared: (size, size, 3) uint8, RGB, as ``embeddings.images.prepare`` makes it.
        deadline: Seconds that whoever asks waits in all.
    """

    id: str
    version: str
    prepared: NDArray[np.uint8]
    deadline: float


class QueryRequests(Protocol):
    """Takes photos, each for one worker alone, and answers them.

    Raises (from all methods):
        BrokerUnavailable: what carries them is away.
    """

    def claim(self, most: int, wait_seconds: float) -> Sequence[QueryRequest]:
        """Those that wait and have not been given up, at most so many; of a worker that vanishes they are lost.

        Args:
            wait_seconds: So long the first one is waited for; 0 does not wait.
        """

    def answer(self, request: QueryRequest, features: Mapping[str, NDArray[np.float32]]) -> None:
        """Hand over a photo's features: a vector for each."""

    def refuse(self, request: QueryRequest, error: Exception) -> None:
        """Tell that there will be none, and why."""
