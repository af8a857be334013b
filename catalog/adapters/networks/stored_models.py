"""Model versions from the model store, each network loaded once."""

from __future__ import annotations

import logging
import threading

from catalog.adapters.files.shared_models import SharedModels, open_or_fetch
from catalog.adapters.networks.batch_sizes import BatchSizes
from catalog.ports.models import ModelDescription
from embeddings.embedder import Embedder, MeasurableEmbedder
from embeddings.manifest import PROBABILITIES, Precision, require_int8
from embeddings.model_store import ModelStore
from embeddings.open_embedder import open_embedder

_log = logging.getLogger(__name__)


class StoredModels:
    """The versions in a store. A name may end in a precision, as in ``compact-rendered.float32``.

    Args:
        batch_size: Images per network call.
        batch_sizes: Where batch sizes are kept that were measured; what is found there goes before ``batch_size``.
        measures: Whether to measure what is not found.
        shared: Where versions come from that the store lacks, and go to once a gallery is made of them.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        batch_size: int,
        shared: SharedModels | None = None,
        batch_sizes: BatchSizes | None = None,
        measures: bool = False,
    ) -> None:
        self._store = store
        self._shared = shared
        self._batch_size = batch_size
        self._batch_sizes = batch_sizes
        self._measures = measures
        self._descriptions: dict[str, ModelDescription] = {}
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.Lock()

    def describe(self, version: str) -> ModelDescription:
        """What the version is. Loads no network.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
        """
        if version not in self._descriptions:
            name, precision = _split(version)
            manifest = open_or_fetch(name, self._store, self._shared).manifest
            if precision is Precision.INT8:
                # Told before a gallery is made, not when the first image is to be embedded.
                require_int8(manifest)
            self._descriptions[version] = ModelDescription(
                version=manifest.version if precision is None else manifest.version_in(precision),
                input_size=manifest.input_size,
                visual_feature=manifest.visual_feature,
                feature_sizes={name: feature.size for name, feature in manifest.features.items()},
                taxonomy=manifest.taxonomy,
                manifest=manifest.to_json(),
                prob_normalization=manifest.features[PROBABILITIES].normalization,
            )
        return self._descriptions[version]

    def embedder(self, version: str) -> Embedder:
        """The version's network, loaded on first use and kept. Threads that ask at once wait for one load.

        Raises:
            embeddings.errors.UnusableModel: no such version, or its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold even few images at once.
        """
        with self._loading:
            if version not in self._embedders:
                name, precision = _split(version)
                self._embedders[version] = open_embedder(
                    open_or_fetch(name, self._store, self._shared),
                    precision=precision,
                    batch_size=self._batch_size,
                    choose_batch_size=None if self._batch_sizes is None else self._choose_batch_size,
                )
            return self._embedders[version]

    def share(self, version: str) -> None:
        """Make the version available to the other machines, where they share a store."""
        if self._shared is not None:
            name, _ = _split(version)
            self._shared.publish(open_or_fetch(name, self._store, self._shared))

    def _choose_batch_size(self, embedder: MeasurableEmbedder) -> None:
        assert self._batch_sizes is not None
        kept = self._batch_sizes.find(embedder.version, embedder.device)
        if kept is not None:
            embedder.batch_size = kept
        elif self._measures:
            size = embedder.find_batch_size()
            _log.info("%s runs %d images at once on %s", embedder.version, size, embedder.device)
            self._batch_sizes.keep(embedder.version, embedder.device, size)


def _split(version: str) -> tuple[str, Precision | None]:
    for precision in Precision:
        if version.endswith(f".{precision}"):
            return version.removesuffix(f".{precision}"), precision
    return version, None
