"""Why something is a hit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from catalog.types import Reason
from embeddings.similarity import intersection_shares

REASONS_PER_HIT: Final = 5
SMALLEST_SHARE: Final = 0.01


def reasons(
    query: NDArray[np.float32], hists: NDArray[np.float32], model: ModelDescription
) -> list[tuple[Reason, ...]]:
    """The attributes with the largest shares of the histogram intersection of a query and each hit.

    Args:
        query: (K,) prob.
        hists: (n, K + 1) lifted prob, as the gallery has it.
    """
    shares = intersection_shares(query, hists[:, :-1])
    largest = np.argsort(-shares, axis=1, kind="stable")[:, :REASONS_PER_HIT]
    values = np.take_along_axis(shares, largest, axis=1)
    names = model.taxonomy.names
    return [
        tuple(Reason(names[at], share) for at, share in zip(places, row, strict=True) if share >= SMALLEST_SHARE)
        for places, row in zip(largest.tolist(), values.tolist(), strict=True)
    ]
