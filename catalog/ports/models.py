"""Model versions as the services see them: what a version is, and its embedder once it must run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from embeddings.embedder import Embedder
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What can be known of a model version without running it.

    Args:
        version: The version's name.
        input_size: Edge of the square network input, in pixels.
        visual_feature: The feature for cosine search, a key of ``feature_sizes``.
        feature_sizes: Number of components of each feature; ``prob`` has one per attribute.
        prob_normalization: How ``prob`` is scaled before it is stored and compared.
        manifest: The whole manifest, JSON-serialisable.
    """

    version: str
    input_size: int
    visual_feature: str
    feature_sizes: Mapping[str, int]
    taxonomy: Taxonomy
    manifest: Mapping[str, Any] = field(repr=False)
    prob_normalization: Normalization = Normalization.L2


class Models(Protocol):
    """The model versions at hand.

    Raises (from both methods):
        embeddings.errors.UnusableModel: no such version, or its folder is damaged.
    """

    def describe(self, version: str) -> ModelDescription:
        """What the version is. Loads no network."""

    def embedder(self, version: str) -> Embedder:
        """The version's network, loaded on first use and kept."""

    def share(self, version: str) -> None:
        """Make the version available to workers on other machines; where there are none, do nothing."""
