"""The stages of a trunk, from the image to the last feature map, and leaving the first of them untrained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import keras

_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "vgg16": ("block1_", "block2_", "block3_", "block4_", "block5_"),
    "resnet50": ("conv1_", "conv2_", "conv3_", "conv4_", "conv5_"),
    "compact": ("stem_", "stage1_", "stage2_", "stage3_", "top_"),
}
NUM_STAGES: Final = 5
"""Every trunk has five; each of vgg16's and resnet50's ends where the map is halved, and the last one's map is read."""


def freeze_stages(model: keras.Model, trunk: str, num_stages: int) -> None:
    """Leave the first stages of the network's trunk as they are when it is trained; 5 freezes the whole trunk.

    Batch normalisation in a frozen stage keeps its statistics, too, as Keras has it. Must come before ``compile``.

    Raises:
        ValueError: there is no such trunk, or it does not have so many stages.
    """
    if trunk not in _PREFIXES:
        raise ValueError(f"unknown trunk {trunk!r}, expected one of {', '.join(_PREFIXES)}")
    if not 0 <= num_stages <= NUM_STAGES:
        raise ValueError(f"num_stages must lie between 0 and {NUM_STAGES}, received {num_stages}")
    frozen = _PREFIXES[trunk][:num_stages]
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False
