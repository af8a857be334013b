"""ResNet-50's convolutions, with the layer names of Keras's published weights."""

from __future__ import annotations

import keras

from embeddings.networks.convolutions import Convolutions

_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def resnet50_trunk(images: keras.KerasTensor, convolutions: Convolutions, *, width: float = 1.0) -> keras.KerasTensor:
    """The last feature map, after ReLU.

    Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; the first convolution of
    a stage carries the stride, as in the published weights.

    Args:
        images: (n, S, S, 3), preprocessed.
        width: Share of the channels to make, for tests that need a quick network of the same structure.

    Returns:
        (n, ⌈S/32⌉, ⌈S/32⌉, 2048·width).
    """
    x = convolutions.pad(images, 3, "conv1_pad")
    x = convolutions.normalized(x, int(64 * width), 7, "conv1", strides=2, padding="valid")
    x = convolutions.pad(x, 1, "pool1_pad")
    x = convolutions.max_pool(x, 3, "pool1_pool")
    for stage, (num_blocks, filters) in enumerate(_STAGES, start=2):
        for block in range(1, num_blocks + 1):
            strides = 2 if block == 1 and stage > 2 else 1
            x = _bottleneck(x, int(filters * width), f"conv{stage}_block{block}", strides, convolutions, block == 1)
    return x


def _bottleneck(
    x: keras.KerasTensor, filters: int, name: str, strides: int, convolutions: Convolutions, project_shortcut: bool
) -> keras.KerasTensor:
    shortcut = x
    if project_shortcut:
        shortcut = convolutions.normalized(x, 4 * filters, 1, f"{name}_0", strides=strides, relu=False)
    x = convolutions.normalized(x, filters, 1, f"{name}_1", strides=strides)
    x = convolutions.normalized(x, filters, 3, f"{name}_2")
    x = convolutions.normalized(x, 4 * filters, 1, f"{name}_3", relu=False)
    return convolutions.relu(convolutions.add(shortcut, x, f"{name}_add"), f"{name}_out")
