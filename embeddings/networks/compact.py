"""A small residual network that two CPU cores train from scratch in minutes."""

from __future__ import annotations

import keras
from keras import layers

from embeddings.networks.convolutions import Convolutions, spatial_mean

_STEM_CHANNELS = 24
_STAGES = ((1, 48), (2, 96), (1, 160))
_TOP_CHANNELS = 240


def compact_trunk(images: keras.KerasTensor, convolutions: Convolutions) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The last feature map and a descriptor that gathers three scales.

    Plain 3×3 convolutions rather than depthwise-separable ones: they need more multiplications but fewer passes over
    memory, and on a CPU, above all in training, memory is what such a small network waits for. Batch normalisation
    rather than group normalisation: it folds into the convolutions, so inference pays nothing for it. Shortcuts are
    averaged, not strided, when a stage halves the map, so that no pixel of a fine texture is skipped.

    The descriptor joins the means of the last map and of two earlier ones. Colour, pattern and texture are statistics
    of small patches, which early maps still hold; neckline, sleeve and length are shapes, which only the last map sees.

    Args:
        images: (n, S, S, 3), preprocessed; S ≥ 16. Made for S = 128.

    Returns:
        Feature map (n, ⌈S/16⌉, ⌈S/16⌉, 240) and descriptor (n, 384 = 48 + 96 + 240) float32, both ≥ 0.
    """
    x = convolutions.normalized(images, _STEM_CHANNELS, 3, "stem", strides=2)
    scales = []
    for stage, (num_blocks, filters) in enumerate(_STAGES, start=1):
        for block in range(1, num_blocks + 1):
            x = _residual(x, filters, f"stage{stage}_block{block}", 2 if block == 1 else 1, convolutions)
        scales.append(x)
    top = convolutions.normalized(x, _TOP_CHANNELS, 1, "top")
    means = [spatial_mean(scale, f"mean{index}") for index, scale in enumerate([*scales[:2], top], start=1)]
    return top, layers.Concatenate(dtype="float32", name="means")(means)


def _residual(
    x: keras.KerasTensor, filters: int, name: str, strides: int, convolutions: Convolutions
) -> keras.KerasTensor:
    shortcut = x
    if strides > 1:
        shortcut = convolutions.average_pool(shortcut, strides, f"{name}_shortcut_pool")
    if shortcut.shape[-1] != filters:
        shortcut = convolutions.normalized(shortcut, filters, 1, f"{name}_shortcut", relu=False)
    x = convolutions.normalized(x, filters, 3, f"{name}_1", strides=strides)
    x = convolutions.normalized(x, filters, 3, f"{name}_2", relu=False)
    return convolutions.relu(convolutions.add(shortcut, x, f"{name}_add"), f"{name}_out")
