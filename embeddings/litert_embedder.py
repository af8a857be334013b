"""Runs LiteRT networks on CPUs, without TensorFlow: a version's int8 file as an embedder, and exported files."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embeddings.embedder import check_prepared, scaled_features, with_prob_scale
from embeddings.errors import UnusableModel
from embeddings.manifest import ModelManifest, Precision, require_int8
from embeddings.model_store import ModelVersion
from embeddings.quiet_start import without_chatter
from embeddings.weights.digest import checked_bytes

INPUT = "images"
"""Name of the input of every LiteRT file that Drape writes: (1, S, S, 3) uint8, RGB."""


class LiteRtNetwork:
    """A LiteRT file of a model version. Safe to use from several threads, which take turns.

    Images are run one at a time, on all cores: no batch was faster (ResNet-50 in int8: 37 images/s one by one, 24 in
    batches of 4, 23 in batches of 32), because a single image's maps still fit into the caches.

    Args:
        content: The file.
        manifest: The version it was made of.
        sizes: Components of every output; None are those of the version's features.
        num_threads: None is the number of cores that this process may use.

    Raises:
        UnusableModel: it is no LiteRT file, or its input or outputs are not those of the version.
    """

    def __init__(
        self,
        content: bytes,
        manifest: ModelManifest,
        *,
        sizes: Mapping[str, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        # Here and not at the top, because describing a version must not load an interpreter.
        from ai_edge_litert.interpreter import Interpreter

        self._input_size = manifest.input_size
        self.normalizations = {name: feature.normalization for name, feature in manifest.features.items()}
        self._sizes = sizes or {name: feature.size for name, feature in manifest.features.items()}
        threads = len(os.sched_getaffinity(0)) if num_threads is None else num_threads
        try:
            with without_chatter():
                # The XNNPACK delegate is the interpreter's own default.
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise self._unusable(manifest, str(error)) from error
        inputs = {name: (tuple(one["shape"]), one["dtype"]) for name, one in self._run.get_input_details().items()}
        outputs = {name: (tuple(one["shape"]), one["dtype"]) for name, one in self._run.get_output_details().items()}
        expected = {name: ((1, size), np.float32) for name, size in self._sizes.items()}
        edge = manifest.input_size
        if inputs != {INPUT: ((1, edge, edge, 3), np.uint8)} or outputs != expected:
            raise self._unusable(manifest, f"inputs {_shown(inputs)}; outputs {_shown(outputs)}")
        self._running = threading.Lock()

    def features(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """One (n, size) float32 array per feature of (n, S, S, 3) uint8 images, scaled as the manifest says.

        Raises:
            ValueError: the images have another form.
        """
        return scaled_features(self.outputs(images), self.normalizations)

    def outputs(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The same as the network puts it out.

        Raises:
            ValueError: the images have another form.
        """
        check_prepared(images, self._input_size)
        found = {name: np.empty((len(images), size), np.float32) for name, size in self._sizes.items()}
        for position in range(len(images)):
            with self._running:
                outputs = self._run(**{INPUT: images[position : position + 1]})
                for name, rows in found.items():
                    rows[position] = outputs[name][0]
        return found

    def _unusable(self, manifest: ModelManifest, received: str) -> UnusableModel:
        sizes = ", ".join(f"{name} {size}" for name, size in self._sizes.items())
        return UnusableModel(
            f"a LiteRT file of model version {manifest.version} cannot be run",
            received=received,
            expected=f"one uint8 image of {manifest.input_size} px in, {sizes} out, float32",
            remedy="quantize or export the model version again",
        )


class LiteRtEmbedder:
    """The networks of a version in int8, as ``embeddings.embedder.Embedder``. Safe to use from several threads.

    A whitened version's visual feature is not whitened here: ``embeddings.open_embedder`` adds that last step.

    Args:
        model: The version on disk; the hash of its int8 file is checked.
        num_threads: None is the number of cores that this process may use.

    Raises:
        UnusableModel: the version was not quantized, or its int8 file is of another version.
        UnusableWeights: the int8 file is missing or altered.
    """

    def __init__(self, model: ModelVersion, *, num_threads: int | None = None) -> None:
        manifest = model.manifest
        int8 = require_int8(manifest)
        content = checked_bytes(
            model.folder / int8.file,
            int8.sha256,
            what=f"the int8 file of model version {manifest.version}",
            remedy="restore the model version's folder, or quantize it again",
        )
        self._network = LiteRtNetwork(content, manifest, sizes=manifest.network_sizes, num_threads=num_threads)
        self.precision = Precision.INT8
        self.version = manifest.version_in(Precision.INT8)
        self.input_size = manifest.input_size
        self.taxonomy = manifest.taxonomy
        self.feature_sizes: Mapping[str, int] = manifest.network_sizes
        self.visual_feature = manifest.visual_feature
        self.batch_size = 1

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Features of prepared images; see ``embeddings.embedder.Embedder.embed``.

        Raises:
            ValueError: the images are not (n, input_size, input_size, 3) uint8 with n ≥ 1.
        """
        return self._network.features(images)

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The same with what ``prob`` was divided by; see ``embeddings.embedder.Embedder.embed_with_scale``."""
        outputs = self._network.outputs(images)
        normalizations = self._network.normalizations
        return with_prob_scale(scaled_features(outputs, normalizations), outputs, normalizations)


def _shown(tensors: Mapping[str, tuple[tuple[int, ...], type]]) -> str:
    return ", ".join(f"{name} {tuple(map(int, shape))} {dtype.__name__}" for name, (shape, dtype) in tensors.items())
