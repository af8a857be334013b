"""What a search compares with the gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """What is searched with: float32 vectors of the visual feature and of prob, scaled as the version says.

    Args:
        said: Attributes of the feed, where it is a product of the catalog and they matter.
    """

    visual: NDArray[np.float32]
    prob: NDArray[np.float32]
    said: tuple[str, ...] = ()
