"""The last layer of a whitened version, after its networks, whatever runs those."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embeddings.embedder import Embedder
from embeddings.postprocessing.whitening import Whitening


class WhitenedEmbedder:
    """An embedder whose visual feature is whitened: fewer components, of unit length like all features.

    Args:
        networks: What computes the features before.
        whitening: From the visual feature's size to the version's.
    """

    def __init__(self, networks: Embedder, whitening: Whitening) -> None:
        self._networks = networks
        self._whitening = whitening
        self.version = networks.version
        self.input_size = networks.input_size
        self.taxonomy = networks.taxonomy
        self.visual_feature = networks.visual_feature
        self.feature_sizes: Mapping[str, int] = {
            **networks.feature_sizes,
            networks.visual_feature: whitening.size,
        }

    @property
    def batch_size(self) -> int:
        """That of the networks."""
        return self._networks.batch_size

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Features of prepared images; see ``embeddings.embedder.Embedder.embed``."""
        return self._whitened(self._networks.embed(images))

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The same with what ``prob`` was divided by; see ``embeddings.embedder.Embedder.embed_with_scale``."""
        return self._whitened(self._networks.embed_with_scale(images))

    def _whitened(self, features: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        return {**features, self.visual_feature: self._whitening.apply(features[self.visual_feature])}
