"""What turns prepared images into features: the protocol that the catalog's services work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.manifest import PROBABILITIES
from embeddings.normalization import Normalization, divisor, normalize
from embeddings.taxonomy import Taxonomy

PROB_SCALE: Final = "prob_scale"
"""Beside the features, what ``prob`` was divided by: (n, 1) float32. ``prob`` times that is what the network said."""


class Embedder(Protocol):
    """A loaded model version.

    Attributes:
        version: The model version's name; travels with every stored vector.
        input_size: Edge of the square network input, in pixels.
        taxonomy: The attributes, in the order of ``prob``.
        feature_sizes: Name of each feature that ``embed`` returns, with its number of components.
        visual_feature: The feature for cosine search: ``fc6`` or ``pool``, or a whitened ``bilinear``.
        batch_size: Images per network call; whoever has more hands over a multiple.
    """

    version: str
    input_size: int
    taxonomy: Taxonomy
    feature_sizes: Mapping[str, int]
    visual_feature: str

    @property
    def batch_size(self) -> int: ...

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Features of prepared images.

        Args:
            images: (n, input_size, input_size, 3) uint8, RGB, as ``embeddings.images.prepare`` makes them. n ≥ 1.

        Returns:
            One (n, size) float32 array per feature, rows scaled as the version says: to length 1, and
                ``prob``, which is non-negative, to length or sum 1.

        Raises:
            OutOfMemory: half of the batches are still too large.
        """

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """``embed``, and ``PROB_SCALE``: for whoever is to be told how sure the network is, not only of what."""


class MeasurableEmbedder(Embedder, Protocol):
    """One whose speed depends on how many images it takes at once.

    Attributes:
        device: What it runs on, in words.
    """

    device: str
    batch_size: int

    def find_batch_size(self) -> int:
        """Measure which batch size is fastest, and take it.

        Raises:
            OutOfMemory: not even few images fit.
        """


def check_prepared(images: NDArray[np.uint8], input_size: int) -> None:
    """Raise ValueError unless the images are (n, input_size, input_size, 3) uint8 with n ≥ 1."""
    expected = (input_size, input_size, 3)
    if images.ndim != 4 or images.shape[1:] != expected or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"expected images of shape (n, {', '.join(map(str, expected))}), n ≥ 1, uint8; "
            f"received {images.shape} {images.dtype}"
        )


def scaled_features(
    outputs: Mapping[str, NDArray[np.float32]], normalizations: Mapping[str, Normalization]
) -> dict[str, NDArray[np.float32]]:
    """What networks put out, (n, size) each, as ``Embedder.embed`` gives it.

    Raises:
        ValueError: a component is not finite.
    """
    return {name: normalize(outputs[name], how) for name, how in normalizations.items()}


def with_prob_scale(
    features: Mapping[str, NDArray[np.float32]],
    outputs: Mapping[str, NDArray[np.float32]],
    normalizations: Mapping[str, Normalization],
) -> dict[str, NDArray[np.float32]]:
    """Scaled features with what ``prob`` was divided by, as ``Embedder.embed_with_scale`` gives them."""
    return {**features, PROB_SCALE: divisor(outputs[PROBABILITIES], normalizations[PROBABILITIES])}
