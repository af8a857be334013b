"""From a query photo's bytes to its features."""

from __future__ import annotations

import time

from catalog.ports.models import Models
from catalog.ports.query_network import EmbeddedQuery, QueryNetwork
from embeddings.crop_box import CropBox
from embeddings.images import decode_image, prepare


class QueryEmbedding:
    """Decodes photos that are searched with or tagged, and has the network run on them.

    Args:
        max_pixels: Photos with more are refused before they are decoded.
    """

    def __init__(self, models: Models, network: QueryNetwork, *, max_pixels: int) -> None:
        self._models = models
        self._network = network
        self._max_pixels = max_pixels

    def load(self, version: str) -> None:
        """Make the version's network ready, so that no query has to wait for that.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
        """
        self._network.load(version)

    def embed(self, photo: bytes, version: str, crop: CropBox | None = None) -> EmbeddedQuery:
        """The features of a photo, or of a part of it, and how long each stage took.

        Args:
            photo: The whole file.
            version: The model version, as a gallery names it.
            crop: The part, in pixels of the upright photo.

        Raises:
            embeddings.errors.UnusableImage: the photo cannot be decoded, or nothing of it lies in the box.
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold the network's work.
        """
        start = time.perf_counter()
        edge = self._models.describe(version).input_size
        prepared = prepare(decode_image(photo, max_pixels=self._max_pixels, crop=crop, min_edge=edge), edge)
        decoded = (time.perf_counter() - start) * 1000
        embedded = self._network.embed(version, prepared)
        return EmbeddedQuery(embedded.features, {"decode": decoded, **embedded.timings_ms})
