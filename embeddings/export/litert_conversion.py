"""A model version's networks as one LiteRT file: prepared images in, raw features out."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.errors import UnusableModel
from embeddings.keras_embedder import load_network
from embeddings.litert_embedder import INPUT
from embeddings.manifest import Precision
from embeddings.model_store import ModelVersion
from embeddings.quiet_start import without_chatter


class LiteRtPrecision(StrEnum):
    """What the numbers of a LiteRT file are stored as.

    float32 and float16 compute in float32 on CPUs (in float16 where an accelerator does); int8 computes in int8.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def convert(model: ModelVersion, precision: LiteRtPrecision, calibration: NDArray[np.uint8] | None = None) -> bytes:
    """The LiteRT file of a version.

    Its input ``images`` is (1, S, S, 3) uint8, RGB, as ``embeddings.images.prepare`` makes it; its outputs are the
    version's features by name, (1, size) float32, not yet normalised. In int8, weights have one scale per output
    channel and activations one per tensor (Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018), the latter from the calibration images.

    Args:
        calibration: (n, S, S, 3) uint8, for int8 alone.

    Raises:
        UnusableModel: the version's networks cannot be built or converted, or int8 is asked of a bilinear head.
        UnusableWeights: a weights file is missing, altered, or made for another network.
        ValueError: int8 without calibration images of the version's size.
    """
    size = model.manifest.input_size
    if precision is LiteRtPrecision.INT8 and (calibration is None or calibration.shape[1:] != (size, size, 3)):
        received = None if calibration is None else calibration.shape
        raise ValueError(f"int8 needs calibration images (n, {size}, {size}, 3), received {received}")
    if precision is LiteRtPrecision.INT8 and any(network.head == "bilinear" for network in model.manifest.networks):
        # Measured on the compact trunk with a random projection: .57 of the descriptor's ten neighbours were left, and
        # .40 with all but the convolutions in float32. The signed root amplifies rounding near zero a hundred times.
        raise UnusableModel(
            "a network with a bilinear head cannot be quantized",
            received=f"model version {model.manifest.version} in {precision}",
            expected="multiattrib heads, or another precision",
            remedy="use --precision float16",
        )
    if keras.backend.backend() != "tensorflow":
        raise UnusableModel(
            "model versions are converted on Keras's TensorFlow backend only, wherever they were trained",
            received=f"KERAS_BACKEND={keras.backend.backend()}",
            remedy="unset KERAS_BACKEND",
        )
    # Imported here, after embeddings.backend has started it quietly.
    import tensorflow as tf

    module, function = _module(model)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    if precision is not LiteRtPrecision.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision is LiteRtPrecision.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if precision is LiteRtPrecision.INT8 and calibration is not None:
        images = calibration

        def representative() -> Iterator[list[NDArray[np.uint8]]]:
            for position in range(len(images)):
                yield [images[position : position + 1]]

        converter.representative_dataset = representative
    try:
        with without_chatter():
            return bytes(converter.convert())
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise UnusableModel(
            f"model version {model.manifest.version} cannot be converted to LiteRT",
            received=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            expected=f"networks that TensorFlow's converter takes, and free space in {_temporary_folder()}",
        ) from error


def _module(model: ModelVersion) -> tuple[Any, Any]:
    """A TensorFlow module, which keeps the names of input and outputs, and its traced function."""
    import tensorflow as tf

    manifest = model.manifest
    networks = [
        (load_network(model, network, manifest, Precision.FLOAT32), network.features) for network in manifest.networks
    ]
    # The converter takes constants only: it does not read variables while it measures ranges.
    constants = [(variable, variable.numpy()) for network, _ in networks for variable in network.variables]

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.cast(images, tf.float32)
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in constants]):
            outputs = [network(pixels, training=False) for network, _ in networks]
        return {
            name: values[name] for values, (_, features) in zip(outputs, networks, strict=True) for name in features
        }

    edge = manifest.input_size
    module = tf.Module()
    module.run = tf.function(
        run, input_signature=[tf.TensorSpec((1, edge, edge, 3), tf.uint8, name=INPUT)], autograph=False
    )
    return module, module.run.get_concrete_function()


def _temporary_folder() -> str:
    import tempfile

    return tempfile.gettempdir()
