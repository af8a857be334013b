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


def reasons(query: NDArray[np.float32], hist: NDArray[np.float32], model: ModelDescription) -> tuple[Reason, ...]:
    """The attributes with the largest shares of the histogram intersection of a query and a hit.

    Args:
        query: (K,) prob.
        hist: (K + 1,) lifted prob, as the gallery has it.
    """
    shares = intersection_shares(query, hist[:-1])
    largest = np.argsort(-shares, kind="stable")[:REASONS_PER_HIT]
    names = model.taxonomy.names
    return tuple(Reason(names[at], float(shares[at])) for at in largest if shares[at] >= SMALLEST_SHARE)
