"""The first layer of every network: from RGB 0..255 to what the trunk's weights were trained on."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

PREPROCESSINGS: Final = ("caffe", "torch", "unit")

_CAFFE_MEAN_BGR: Final = (103.939, 116.779, 123.68)
_TORCH_MEAN_RGB: Final = (0.485, 0.456, 0.406)
_TORCH_STD_RGB: Final = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="drape")
class Preprocessing(keras.layers.Layer):
    """(n, S, S, 3) RGB in 0..255 to (n, S, S, 3) float32 in the convention of the trunk's weights.

    It is part of the network so that it travels with it: the same weights with another convention give features
    that look plausible and are wrong.

    Args:
        mode: ``caffe``: BGR minus ImageNet's mean colour (Keras's published VGG16 and ResNet-50).
            ``torch``: RGB / 255, minus ImageNet's mean, over its standard deviation. ``unit``: RGB / 255.
    """

    def __init__(self, mode: str, **kwargs: object) -> None:
        # Always float32: bfloat16 has 8 significant bits, which would merge neighbouring colours of the input.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if mode not in PREPROCESSINGS:
            raise ValueError(f"unknown preprocessing {mode!r}, expected one of {', '.join(PREPROCESSINGS)}")
        self.mode = mode

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        images = ops.cast(inputs, "float32")
        if self.mode == "caffe":
            return ops.flip(images, axis=-1) - _whole_row(_CAFFE_MEAN_BGR, images)
        if self.mode == "torch":
            # One multiplication and one subtraction per value instead of two divisions and a subtraction.
            scale = 1.0 / (255.0 * np.asarray(_TORCH_STD_RGB))
            shift = np.asarray(_TORCH_MEAN_RGB) / np.asarray(_TORCH_STD_RGB)
            return images * _whole_row(scale, images) - _whole_row(shift, images)
        return images / 255.0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "mode": self.mode}


def _whole_row(colour: ArrayLike, images: keras.KerasTensor) -> NDArray[np.float32]:
    """A colour (3,) as a row of pixels (S, 3): TensorFlow broadcasts an operand of three values far slower."""
    return np.tile(np.asarray(colour, np.float32), (images.shape[2], 1))
