"""From a query photo's bytes to its features."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

from catalog.ports.models import Models
from catalog.ports.query_network import EmbeddedQuery, QueryNetwork
from catalog.services.photo_queries.query_cache import CacheCounts, QueryCache
from embeddings.crop_box import CropBox
from embeddings.images import decode_image, prepare


class QueryEmbedding:
    """Decodes photos that are searched with or tagged, and has the network run on them.

    The same photo again, by its bytes, the part of it and the model version, is neither decoded nor embedded again as
    long as the cache has it.

    Args:
        max_pixels: Photos with more are refused before they are decoded.
    """

    def __init__(self, models: Models, network: QueryNetwork, cache: QueryCache, *, max_pixels: int) -> None:
        self._models = models
        self._network = network
        self._cache = cache
        self._max_pixels = max_pixels

    @property
    def cache_counts(self) -> CacheCounts:
        """What was asked of the cache."""
        return self._cache.counts

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many batches this process has run, by the number of their photos."""
        return self._network.batch_sizes

    def load(self, version: str) -> None:
        """Make the version's network ready, so that no query has to wait for that.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
        """
        self._network.load(version)

    def embed(self, photo: bytes, version: str, crop: CropBox | None = None) -> EmbeddedQuery:
        """The features of a photo, or of a part of it, read-only, and how long each stage took.

        Of the stages, ``cache`` is for the photo's hash and, where it is being embedded for somebody else, for that.

        Args:
            photo: The whole file.
            version: The model version, as a gallery names it.
            crop: The part, in pixels of the upright photo.

        Raises:
            embeddings.errors.UnusableImage: the photo cannot be decoded, or nothing of it lies in the box.
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold the network's work.
            QueryNetworkBusy, BrokerUnavailable: the network is workers', and none has answered in time.
        """
        start = time.perf_counter()
        key = (hashlib.sha256(photo).digest(), crop, version)
        embedded = self._cache.get(key, lambda: self._computed(photo, version, crop))
        elsewhere = sum(embedded.timings_ms.values())
        cache = max((time.perf_counter() - start) * 1000 - elsewhere, 0.0)
        return EmbeddedQuery(embedded.features, {"cache": cache, **embedded.timings_ms})

    def _computed(self, photo: bytes, version: str, crop: CropBox | None) -> EmbeddedQuery:
        start = time.perf_counter()
        edge = self._models.describe(version).input_size
        with self._network.expecting():
            prepared = prepare(decode_image(photo, max_pixels=self._max_pixels, crop=crop, min_edge=edge), edge)
        decoded = (time.perf_counter() - start) * 1000
        embedded = self._network.embed(version, prepared)
        return EmbeddedQuery(embedded.features, {"decode": decoded, **embedded.timings_ms})
