"""Model versions whose networks run in a process beside this one."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog.adapters.networks.network_messages import LoadedNetwork
from catalog.adapters.networks.network_process import NetworkProcess
from catalog.ports.models import ModelDescription, Models
from embeddings.embedder import Embedder, check_prepared
from embeddings.taxonomy import Taxonomy


class ProcessModels:
    """The same versions as ``models``; this process loads none of their networks, and no library for them."""

    def __init__(self, models: Models, process: NetworkProcess) -> None:
        self._models = models
        self._process = process
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.Lock()

    def describe(self, version: str) -> ModelDescription:
        """What the version is. Loads no network.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
        """
        return self._models.describe(version)

    def embedder(self, version: str) -> Embedder:
        """The version's network, loaded on first use and kept. Threads that ask at once wait for one load.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold even few images at once.
            NetworkProcessUnavailable: the process cannot be started, was ended meanwhile, or was closed.
        """
        if version not in self._embedders:
            with self._loading:
                if version not in self._embedders:
                    self._embedders[version] = ProcessEmbedder(self._process, self._process.load(version))
        return self._embedders[version]

    def share(self, version: str) -> None:
        """Make the version available to workers on other machines; where there are none, do nothing."""
        self._models.share(version)


class ProcessEmbedder:
    """An ``Embedder`` in a process beside this one. Safe to use from several threads."""

    version: str
    input_size: int
    taxonomy: Taxonomy
    feature_sizes: Mapping[str, int]
    visual_feature: str
    batch_size: int

    def __init__(self, process: NetworkProcess, network: LoadedNetwork) -> None:
        self._process = process
        self.version = network.version
        self.input_size = network.input_size
        self.taxonomy = network.taxonomy
        self.feature_sizes = network.feature_sizes
        self.visual_feature = network.visual_feature
        self.batch_size = network.batch_size

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        check_prepared(images, self.input_size)
        return self._process.embed(self.version, images)

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        check_prepared(images, self.input_size)
        return self._process.embed(self.version, images, with_scale=True)
