"""Runs a model version: prepared images in, normalised features out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.batch_size import USUAL_BATCH_SIZE, fastest_batch_size
from embeddings.embedder import check_prepared, scaled_features, with_prob_scale
from embeddings.errors import OutOfMemory, UnusableModel
from embeddings.manifest import ModelManifest, NetworkSpec, Precision
from embeddings.model_store import ModelVersion
from embeddings.networks import build
from embeddings.weights import load_weights

_log = logging.getLogger(__name__)

_Outputs: TypeAlias = Mapping[str, Any]

# Weights become constants of the compiled function, which lets TensorFlow convert them to bfloat16 and into its
# kernels' layout once instead of with every batch. Not so the few that are so large (VGG16's fc6 has 411 MB) that the
# copies made while compiling would cost more memory than the conversion costs time.
_LARGEST_CONSTANT_BYTES: Final = 32 * 2**20

_MEASURED_SECONDS: Final = 0.5

MOST_UNFILLED: Final = 16
"""So many images run as they are, and so take the time of their number: queries, which come one or a few at a time. Of
more, each new number would have to be made ready, once, for a gain that fades."""


class KerasEmbedder:
    """The networks of a model version, as ``embeddings.embedder.Embedder``. Safe to use from several threads.

    A whitened version's visual feature is not whitened here: ``embeddings.open_embedder`` adds that last step.

    Images are run in batches of one fixed size, the last one filled up, so that the networks are compiled once; up to
    ``MOST_UNFILLED`` images, such as a few queries, are run through a second compiled function, which takes any number,
    instead of a batch that is mostly nothing. Each is compiled on its first use.

    Batches that the memory does not hold are halved, once. What does not fit then is not theirs to mend.

    Args:
        model: The version on disk; its weights' hashes are checked.
        precision: What to compute in; None is the manifest's. Another than the manifest's changes ``version``.
        batch_size: Images per network call.

    Attributes:
        device: What the networks run on, as TensorFlow calls it.

    Raises:
        UnusableModel: the manifest describes networks that cannot be built, or features that they do not have.
        UnusableWeights: a weights file is missing, altered, or made for another network.
        ValueError: the batch size is below 1.
    """

    def __init__(
        self, model: ModelVersion, *, precision: Precision | None = None, batch_size: int = USUAL_BATCH_SIZE
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, received {batch_size}")
        if keras.backend.backend() != "tensorflow":
            raise UnusableModel(
                "model versions run on Keras's TensorFlow backend only",
                received=f"KERAS_BACKEND={keras.backend.backend()}",
                remedy="unset KERAS_BACKEND",
            )
        manifest = model.manifest
        self.precision = manifest.precision if precision is None else precision
        self.version = manifest.version_in(self.precision)
        self.input_size = manifest.input_size
        self.taxonomy = manifest.taxonomy
        self.feature_sizes: Mapping[str, int] = manifest.network_sizes
        self._normalizations = {name: feature.normalization for name, feature in manifest.features.items()}
        self.visual_feature = manifest.visual_feature
        self.batch_size = batch_size
        self._is_halved = False
        self.device = _device()
        self._networks = [
            (load_network(model, network, manifest, self.precision), network.features) for network in manifest.networks
        ]
        # By number of images; None is of any number.
        self._compiled: dict[int | None, Callable[[NDArray[np.uint8]], _Outputs]] = {}
        self._compiling = threading.Lock()

    def embed(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Features of prepared images; see ``embeddings.embedder.Embedder.embed``.

        Raises:
            ValueError: the images are not (n, input_size, input_size, 3) uint8 with n ≥ 1.
            OutOfMemory: half of a batch is still too large for the memory.
        """
        return scaled_features(self._outputs(images), self._normalizations)

    def embed_with_scale(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The same with what ``prob`` was divided by; see ``embeddings.embedder.Embedder.embed_with_scale``."""
        outputs = self._outputs(images)
        return with_prob_scale(scaled_features(outputs, self._normalizations), outputs, self._normalizations)

    def _outputs(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        check_prepared(images, self.input_size)
        size = self.batch_size
        try:
            return self._run_all(images, size)
        except OutOfMemory:
            self._halve(size)
            return self._run_all(images, self.batch_size)

    def find_batch_size(self) -> int:
        """Measure how many images at once the networks run fastest, and run so many from now on.

        Raises:
            OutOfMemory: not even few images fit.
        """
        size = fastest_batch_size(self._rate)
        with self._compiling:
            self.batch_size = size
            # The others hold memory.
            self._compiled = {number: one for number, one in self._compiled.items() if number in (None, size)}
        return size

    def _rate(self, size: int) -> float:
        images = np.zeros((size, self.input_size, self.input_size, 3), dtype=np.uint8)
        # The first run compiles.
        self._run(images, size)
        started = time.perf_counter()
        seconds = 0.0
        num_images = 0
        while seconds < _MEASURED_SECONDS:
            self._run(images, size)
            num_images += size
            seconds = time.perf_counter() - started
        return num_images / seconds

    def _halve(self, size: int) -> None:
        with self._compiling:
            if self.batch_size < size:
                # Another thread has done it.
                return
            if self._is_halved or size == 1:
                raise OutOfMemory(
                    "The memory does not hold a batch",
                    received=f"{size} images of {self.input_size} px on {self.device}, model version {self.version}",
                    remedy="give less to other processes, or set DRAPE_BATCH_SIZE to a smaller number",
                )
            self._is_halved = True
            self.batch_size = size // 2
            self._compiled.clear()
        _log.warning("Batches of %d images do not fit into the memory: now %d", size, self.batch_size)

    def _run_all(self, images: NDArray[np.uint8], size: int) -> dict[str, NDArray[np.float32]]:
        expected = (self.input_size, self.input_size, 3)
        num_full = len(images) - len(images) % size
        parts: list[_Outputs] = [self._run(images[start : start + size], size) for start in range(0, num_full, size)]
        rest = images[num_full:]
        if 0 < len(rest) <= MOST_UNFILLED:
            parts.append(self._run(rest, None))
        elif len(rest):
            filled = np.zeros((size, *expected), dtype=np.uint8)
            filled[: len(rest)] = rest
            parts.append({name: values[: len(rest)] for name, values in self._run(filled, size).items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in self._normalizations}

    def _run(self, batch: NDArray[np.uint8], size: int | None) -> dict[str, NDArray[np.float32]]:
        """Outputs of a batch, by the function for this many images, or for any number."""
        import tensorflow as tf

        try:
            outputs = self._function(size)(batch)
            return {name: values.numpy() for name, values in outputs.items()}
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise OutOfMemory("The memory does not hold a batch", received=f"{len(batch)} images") from error

    def _function(self, num_images: int | None) -> Callable[[NDArray[np.uint8]], _Outputs]:
        with self._compiling:
            if num_images not in self._compiled:
                self._compiled[num_images] = compile_networks(self._networks, num_images, self.input_size)
            return self._compiled[num_images]


def _device() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))


def load_network(
    model: ModelVersion, network: NetworkSpec, manifest: ModelManifest, precision: Precision
) -> keras.Model:
    """One network of a version with its weights, as it is run: every output of ``embeddings.networks.build``.

    Raises:
        UnusableModel: the manifest describes a network that cannot be built, or features that it does not have.
        UnusableWeights: the weights file is missing, altered, or made for another network.
    """
    if precision is Precision.INT8:
        raise UnusableModel(
            "Keras does not compute in int8",
            received=f"model version {manifest.version} in {precision}",
            expected=f"{Precision.FLOAT32} or {Precision.BFLOAT16}",
            remedy="name the precision, or run the version with embeddings.open_embedder",
        )
    try:
        loaded = build(
            network.trunk,
            network.head,
            len(manifest.taxonomy),
            input_size=manifest.input_size,
            preprocessing=network.preprocessing,
            activation=network.activation,
            exclusive=[manifest.taxonomy.spans[group] for group in network.exclusive_groups],
            precision=precision.value,
            folded=True,
            # Without effect on heads that have no projection.
            projection_rank=network.projection_rank or 1,
            bilinear_normalization=network.bilinear_normalization,
        )
    except ValueError as error:
        raise UnusableModel(
            f"model version {manifest.version} describes a network that cannot be built",
            received=str(error),
            remedy="the version may come from a newer Drape; update, or train it again",
        ) from error
    for name in network.features:
        expected = manifest.network_sizes[name]
        found = loaded.output[name].shape[-1] if name in loaded.output else None
        if found != expected:
            raise UnusableModel(
                f"model version {manifest.version} promises a feature that its network does not have",
                received=f"{name} of {found} components" if found else f"outputs {', '.join(loaded.output)}",
                expected=f"{name} of {expected} components",
                remedy="restore the model version's folder, or train it again",
            )
    load_weights(loaded, model.weights_path(network), sha256=network.sha256)
    return loaded


def compile_networks(
    networks: Sequence[tuple[keras.Model, Sequence[str]]], num_images: int | None, input_size: int
) -> Callable[[NDArray[np.uint8]], _Outputs]:
    """A function of (num_images, S, S, 3) uint8 that gives the named outputs of every network, float32.

    With None for the number it takes any, each of which is made ready when it first comes.

    Keras's own ``predict`` sets up a data pipeline with every call, which costs more than the network on small batches.
    """
    constants = [
        (variable, variable.numpy())
        for network, _ in networks
        for variable in network.variables
        if variable.value.dtype.size * int(np.prod(variable.shape)) <= _LARGEST_CONSTANT_BYTES
    ]

    # Imported here, after embeddings.backend has started it quietly.
    import tensorflow as tf

    def run(images: tf.Tensor) -> _Outputs:
        pixels = tf.cast(images, tf.float32)
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in constants]):
            outputs = [network(pixels, training=False) for network, _ in networks]
        return {
            name: values[name] for values, (_, features) in zip(outputs, networks, strict=True) for name in features
        }

    signature = [tf.TensorSpec((num_images, input_size, input_size, 3), tf.uint8)]
    compiled = tf.function(run, input_signature=signature, autograph=False)
    # Traced now, while no other thread does the same, and called past what would look for the right trace each time.
    traced: Callable[[tf.Tensor], _Outputs] = compiled.get_concrete_function()
    return lambda images: traced(tf.constant(images))
