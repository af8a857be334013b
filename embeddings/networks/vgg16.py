"""VGG16's convolutions, with the layer names of Keras's published weights."""

from __future__ import annotations

import keras

from embeddings.networks.convolutions import Convolutions

_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16_trunk(
    images: keras.KerasTensor, convolutions: Convolutions, *, last_pool: bool, width: float = 1.0
) -> keras.KerasTensor:
    """The feature map conv5_3 (after ReLU), or pool5 of it.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
    configuration D.

    Args:
        images: (n, S, S, 3), preprocessed.
        last_pool: Whether pool5 follows conv5_3.
        width: Share of the channels to make, for tests that need a quick network of the same structure.

    Returns:
        (n, S//16, S//16, 512·width), or (n, S//32, S//32, 512·width) with ``last_pool``.
    """
    x = images
    for block, (num_convolutions, filters) in enumerate(_BLOCKS, start=1):
        for index in range(1, num_convolutions + 1):
            x = convolutions.plain(x, int(filters * width), 3, f"block{block}_conv{index}", activation="relu")
        if block < len(_BLOCKS) or last_pool:
            x = convolutions.max_pool(x, 2, f"block{block}_pool")
    return x
