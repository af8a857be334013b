"""VGG16's two fully connected layers as features."""

from __future__ import annotations

import keras
from keras import layers

from embeddings.networks.convolutions import DATA_FORMAT


def fully_connected(
    pool5: keras.KerasTensor, *, units: int, dropout: float, policy: str
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    """fc6 and fc7, each after ReLU, and what the next layer reads.

    After ReLU, as "fc6" is commonly meant: the values are what fc7 reads, and half of them are zero, which suits
    scalar quantization. Before ReLU they would also carry how far a unit is from firing, which nothing trains.

    Args:
        pool5: (n, H, W, C).
        units: Size of each layer, 4096 in VGG16.
        dropout: Share of units left out in training, after each layer; the features are taken before it.

    Returns:
        fc6 (n, units) and fc7 (n, units), float32 and ≥ 0, and fc7 after dropout for the layer of scores.
    """
    x = layers.Flatten(data_format=DATA_FORMAT, dtype=policy, name="flatten")(pool5)
    fc6 = layers.Dense(units, activation="relu", dtype=policy, name="fc6")(x)
    x = layers.Dropout(dropout, dtype=policy, name="fc6_dropout")(fc6)
    fc7 = layers.Dense(units, activation="relu", dtype=policy, name="fc7")(x)
    x = layers.Dropout(dropout, dtype=policy, name="fc7_dropout")(fc7)
    return _as_float32(fc6, "fc6_feature"), _as_float32(fc7, "fc7_feature"), x


def _as_float32(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Identity(dtype="float32", name=name)(x)
