"""Convolution layers as all trunks make them: precision and batch normalisation decided in one place."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from embeddings.weights.batch_norm import BATCH_NORM_EPSILON

# Explicit, because a user's Keras configuration may say otherwise, and published kernels fit this layout only.
DATA_FORMAT = "channels_last"


@dataclass(frozen=True, slots=True)
class Convolutions:
    """Makes a trunk's convolutions.

    Args:
        policy: Keras dtype policy of the layers.
        folded: Leave batch normalisation out; its constants are then expected inside the kernels and biases.
        momentum: Share of the old value when batch normalisation updates its moving averages.
        bias_before_norm: Whether a convolution has a bias although a batch normalisation follows.
    """

    policy: str
    folded: bool = False
    momentum: float = 0.9
    bias_before_norm: bool = False

    def plain(
        self, x: keras.KerasTensor, filters: int, size: int, name: str, *, activation: str | None = None
    ) -> keras.KerasTensor:
        """Convolution of stride 1 with bias, padded to keep the size."""
        return layers.Conv2D(
            filters,
            size,
            padding="same",
            activation=activation,
            data_format=DATA_FORMAT,
            dtype=self.policy,
            name=name,
        )(x)

    def normalized(
        self,
        x: keras.KerasTensor,
        filters: int,
        size: int,
        name: str,
        *,
        strides: int = 1,
        padding: str = "same",
        relu: bool = True,
    ) -> keras.KerasTensor:
        """Convolution ``<name>_conv``, batch normalisation ``<name>_bn``, and, if wanted, ReLU ``<name>_relu``."""
        x = layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=self.folded or self.bias_before_norm,
            kernel_initializer="he_normal",
            data_format=DATA_FORMAT,
            dtype=self.policy,
            name=f"{name}_conv",
        )(x)
        if not self.folded:
            x = layers.BatchNormalization(
                momentum=self.momentum, epsilon=BATCH_NORM_EPSILON, dtype=self.policy, name=f"{name}_bn"
            )(x)
        return self.relu(x, f"{name}_relu") if relu else x

    def relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return layers.Activation("relu", dtype=self.policy, name=name)(x)

    def add(self, x: keras.KerasTensor, y: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return layers.Add(dtype=self.policy, name=name)([x, y])

    def pad(self, x: keras.KerasTensor, margin: int, name: str) -> keras.KerasTensor:
        return layers.ZeroPadding2D(margin, data_format=DATA_FORMAT, dtype=self.policy, name=name)(x)

    def max_pool(self, x: keras.KerasTensor, size: int, name: str, *, strides: int = 2) -> keras.KerasTensor:
        return layers.MaxPooling2D(size, strides=strides, data_format=DATA_FORMAT, dtype=self.policy, name=name)(x)

    def average_pool(self, x: keras.KerasTensor, size: int, name: str) -> keras.KerasTensor:
        return layers.AveragePooling2D(size, padding="same", data_format=DATA_FORMAT, dtype=self.policy, name=name)(x)


def spatial_mean(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """(n, H, W, C) to (n, C) float32, the mean over all locations.

    In float32 whatever the trunk's precision: summing hundreds of bfloat16 values would lose most of their bits.
    """
    return layers.GlobalAveragePooling2D(data_format=DATA_FORMAT, dtype="float32", name=name)(x)
