"""A version that runs elsewhere than in Keras, such as in int8, as an evaluation sees it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embeddings.embedder import Embedder
from embeddings.evaluation.feature_rows import FloatArray
from embeddings.evaluation.unusable_features import not_comparable


class EmbedderNetwork:
    """An embedder's features, which are normalised already. Other outputs of its networks stay inside of it.

    Args:
        embedder: A loaded version.
        facts: What the report says about it, JSON-serialisable.
        batch_size: Images per call.
    """

    def __init__(self, embedder: Embedder, facts: Mapping[str, object], *, batch_size: int) -> None:
        self._embedder = embedder
        self.name = embedder.version
        self.facts = facts
        self.batch_size = batch_size
        self.input_size = embedder.input_size
        self.sizes = embedder.feature_sizes

    def compute(self, images: NDArray[np.uint8]) -> dict[str, FloatArray]:
        """Every feature: (n, size) float32, scaled as the version has it, of n prepared images (n, S, S, 3) uint8.

        Raises:
            UnusableFeatures: a feature cannot be scaled, because it is no number.
        """
        try:
            return self._embedder.embed(images)
        except ValueError as error:
            # Prepared images have the form that they need, so it is what comes out of the network.
            raise not_comparable(self.name, str(error)) from error
