"""A model version's networks as one LiteRT file: prepared images in, raw features out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.errors import UnusableModel
from embeddings.export.layer_inputs import layers_with_weights, measure_inputs
from embeddings.export.litert_weights import marker, replace_weights
from embeddings.export.weight_rounding import RoundedWeights, round_layer
from embeddings.keras_embedder import load_network
from embeddings.litert_embedder import INPUT
from embeddings.manifest import ModelManifest, Precision
from embeddings.model_store import ModelVersion
from embeddings.postprocessing.stored_whitening import load_whitening
from embeddings.postprocessing.whitening import Whitening
from embeddings.quiet_start import without_chatter

_SCORES: Final = "scores"
_COLORS: Final = 3


class LiteRtPrecision(StrEnum):
    """What the numbers of a LiteRT file are stored as.

    float32 and float16 compute in float32 on CPUs (in float16 where an accelerator does). int8 multiplies in int8;
    what lies between two layers is float32, and is brought to int8 on the scale of the image at hand.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def convert(
    model: ModelVersion,
    precision: LiteRtPrecision,
    calibration: NDArray[np.uint8] | None = None,
    *,
    networks_only: bool = False,
) -> bytes:
    """The LiteRT file of a version.

    Its input ``images`` is (1, S, S, 3) uint8, RGB, as ``embeddings.images.prepare`` makes it; its outputs are the
    version's features by name, (1, size) float32, not yet normalised.

    In int8, weights have one step per output channel, and each layer's inputs one scale, found anew for every image
    when it runs. Scales fixed beforehand from calibration images would make ResNet-50 a seventh faster and compact a
    twentieth slower, and kept a tenth fewer neighbours: one scale must do for all images, and sums of residual blocks
    are rounded once more. What the calibration images decide is how weights are rounded (``weight_rounding``). The
    layer of scores and the first convolution, a few hundredths of the work, stay in float32: what rounding changes
    there reaches every score, and every layer. So does whitening, which makes much of little.

    Args:
        calibration: (n, S, S, 3) uint8, for int8 alone.
        networks_only: Leave out a whitened version's whitening, for who whitens what comes out.

    Raises:
        UnusableModel: the version's networks cannot be built or converted, or int8 is asked of a bilinear head.
        UnusableWeights: a weights file is missing, altered, or made for another network.
        ValueError: int8 without calibration images of the version's size.
    """
    size = model.manifest.input_size
    if precision is LiteRtPrecision.INT8 and (calibration is None or calibration.shape[1:] != (size, size, 3)):
        received = None if calibration is None else calibration.shape
        raise ValueError(f"int8 needs calibration images (n, {size}, {size}, 3), received {received}")
    require_convertible(model.manifest.version, [network.head for network in model.manifest.networks], precision)
    # Imported here, after embeddings.backend has started it quietly.
    import tensorflow as tf

    manifest = model.manifest
    networks = [load_network(model, network, manifest, Precision.FLOAT32) for network in manifest.networks]
    whitening = None if networks_only else load_whitening(model)
    try:
        # Before the conversion, so that the memory that each of the two needs is not needed at once.
        rounded: list[tuple[keras.Variable, RoundedWeights]] = []
        if precision is LiteRtPrecision.INT8 and calibration is not None:
            rounded = [layer for network in networks for layer in _rounded_layers(network, calibration)]
        module, function = _module(manifest, networks, whitening, [kernel for kernel, _ in rounded])
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
        if precision is LiteRtPrecision.FLOAT16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        with without_chatter():
            content = bytes(converter.convert())
        if precision is LiteRtPrecision.INT8:
            content = replace_weights(content, [weights for _, weights in rounded])
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise UnusableModel(
            f"model version {manifest.version} cannot be converted to LiteRT",
            received=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            expected=f"networks that TensorFlow's converter takes, and free space in {_temporary_folder()}",
        ) from error
    return content


def require_convertible(version: str, heads: Sequence[str], precision: LiteRtPrecision) -> None:
    """Find out whether a version of these heads can be converted, before anything is done for it.

    Raises:
        UnusableModel: int8 is asked of a bilinear head, or Keras runs on another backend than TensorFlow.
    """
    if precision is LiteRtPrecision.INT8 and "bilinear" in heads:
        # Measured on the compact trunk with a random projection: .57 of the descriptor's ten neighbours were left, and
        # .40 with all but the convolutions in float32. The signed root amplifies rounding near zero a hundred times.
        raise UnusableModel(
            "a network with a bilinear head cannot be quantized",
            received=f"model version {version} in {precision}",
            expected="multiattrib heads, or another precision",
            remedy="use --precision float16 for a file, bfloat16 or float32 for a version",
        )
    if keras.backend.backend() != "tensorflow":
        raise UnusableModel(
            "model versions are converted on Keras's TensorFlow backend only, wherever they were trained",
            received=f"KERAS_BACKEND={keras.backend.backend()}",
            remedy="unset KERAS_BACKEND",
        )


def _rounded_layers(
    network: keras.Model, calibration: NDArray[np.uint8]
) -> Iterator[tuple[keras.Variable, RoundedWeights]]:
    """The kernels of the layers that the int8 file has in int8, and what takes the place of each."""
    inputs = measure_inputs(network, calibration)
    for layer in layers_with_weights(network):
        # Taken out, because each covariance is used once and the largest have 85 MB.
        seen = inputs.pop(layer.name)
        kernel = layer.kernel.numpy()
        reads_pixels = isinstance(layer, keras.layers.Conv2D) and kernel.shape[2] == _COLORS
        if layer.name == _SCORES or reads_pixels:
            continue
        weights = np.ascontiguousarray(kernel.reshape(-1, kernel.shape[-1]).T)
        yield layer.kernel, round_layer(weights, layer.bias.numpy(), seen.mean, seen.covariance)


def _module(
    manifest: ModelManifest,
    networks: Sequence[keras.Model],
    whitening: Whitening | None,
    marked: Sequence[keras.Variable],
) -> tuple[Any, Any]:
    """A TensorFlow module, which keeps the names of input and outputs, and its traced function.

    Args:
        marked: Kernels that a marker takes the place of, for ``replace_weights``.
    """
    import tensorflow as tf

    markers = {id(kernel): marker(position) for position, kernel in enumerate(marked)}

    # The converter takes constants only. Read here, because nothing can be read while the function is traced.
    known = [
        (variable, None if id(variable) in markers else variable.numpy())
        for network in networks
        for variable in network.variables
    ]

    def constant(variable: keras.Variable, value: NDArray[np.float32] | None) -> tf.Tensor:
        return tf.constant(markers[id(variable)], tf.float32, variable.shape) if value is None else tf.constant(value)

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.cast(images, tf.float32)
        constants = [(variable, constant(variable, value)) for variable, value in known]
        with keras.StatelessScope(state_mapping=constants):
            outputs = [network(pixels, training=False) for network in networks]
        found = {
            name: values[name]
            for values, network in zip(outputs, manifest.networks, strict=True)
            for name in network.features
        }
        if whitening is not None:
            unit = tf.math.l2_normalize(found[manifest.visual_feature], axis=-1)
            found[manifest.visual_feature] = tf.linalg.matmul(unit - whitening.mean, whitening.projection)
        return found

    edge = manifest.input_size
    module = tf.Module()
    module.run = tf.function(
        run, input_signature=[tf.TensorSpec((1, edge, edge, 3), tf.uint8, name=INPUT)], autograph=False
    )
    return module, module.run.get_concrete_function()


def _temporary_folder() -> str:
    import tempfile

    return tempfile.gettempdir()
