"""A model whose features can be worked out by hand, in place of a network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog.ports.models import ModelDescription
from embeddings.embedder import PROB_SCALE, check_prepared
from embeddings.similarity import l2_normalize
from embeddings.taxonomy import Taxonomy

COLORS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 255, 0),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
INPUT_SIZE = 16
GRID = 4


class ColorEmbedder:
    """``pool``: mean colour of each cell of a 4×4 grid. ``prob``: share of pixels nearest to each of six colours."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.input_size = INPUT_SIZE
        self.taxonomy = Taxonomy(tuple(f"color={name}" for name in COLORS))
        self.feature_sizes: Mapping[str, int] = {"pool": GRID * GRID * 3, "prob": len(COLORS)}
        self.visual_feature = "pool"
        self.batch_size = 1
        self.num_embedded = 0

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        check_prepared(images, self.input_size)
        self.num_embedded += len(images)
        pixels = images.astype(np.float32)
        cell = INPUT_SIZE // GRID
        pool = pixels.reshape(len(images), GRID, cell, GRID, cell, 3).mean(axis=(2, 4)).reshape(len(images), -1)
        palette = np.array(list(COLORS.values()), dtype=np.float32)
        distances = np.linalg.norm(pixels.reshape(len(images), -1, 1, 3) - palette, axis=-1)
        nearest = distances.argmin(axis=-1)
        prob = np.stack([(nearest == color).mean(axis=1) for color in range(len(palette))], axis=1)
        # One grey level more than black, because a zero vector has no direction.
        return {"pool": l2_normalize(pool + 1.0), "prob": l2_normalize(prob.astype(np.float32))}

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        features = self.embed(images)
        # The shares sum to 1.
        return {**features, PROB_SCALE: 1 / features["prob"].sum(axis=1, keepdims=True)}


class ColorModels:
    """Model versions ``colors-*``, all of them the same arithmetic; counts what is embedded."""

    def __init__(self) -> None:
        self.embedders: dict[str, ColorEmbedder] = {}

    def describe(self, version: str) -> ModelDescription:
        embedder = ColorEmbedder(version)
        return ModelDescription(
            version=version,
            input_size=embedder.input_size,
            visual_feature=embedder.visual_feature,
            feature_sizes=embedder.feature_sizes,
            taxonomy=embedder.taxonomy,
            manifest={"version": version},
        )

    def embedder(self, version: str) -> ColorEmbedder:
        return self.embedders.setdefault(version, ColorEmbedder(version))

    def share(self, version: str) -> None:
        """Every process has all of them."""

    @property
    def num_embedded(self) -> int:
        return sum(embedder.num_embedded for embedder in self.embedders.values())
