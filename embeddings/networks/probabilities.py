"""From scores to ``prob``: each attribute by itself, one of all, or one of each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import keras
from keras import ops

# An array or a tensor of the backend: Keras publishes no types.
Array: TypeAlias = Any
Span: TypeAlias = tuple[int, int]
"""First and one past the last position of a group in the taxonomy."""

ACTIVATIONS: Final = ("sigmoid", "softmax", "groups")


def attribute_probabilities(scores: Array, activation: str, exclusive: Sequence[Span] = ()) -> Array:
    """``prob`` of scores.

    Args:
        scores: (n, K) float.
        activation: ``sigmoid``: each attribute by itself. ``softmax``: exactly one of all. ``groups``: exactly one of
            each group in ``exclusive``, so their softmax; the sigmoid of all other scores.
        exclusive: Positions of those groups, in order, without overlap; of ``groups`` only.

    Returns:
        (n, K) in [0, 1], in the dtype of ``scores``.

    Raises:
        ValueError: the activation is unknown, or the groups overlap, are out of order, or reach beyond the scores.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}, expected one of {', '.join(ACTIVATIONS)}")
    if activation == "softmax":
        return ops.softmax(scores, axis=-1)
    if activation == "sigmoid":
        return ops.sigmoid(scores)
    size = int(scores.shape[-1])
    parts, end = [], 0
    for start, stop in exclusive:
        if not end <= start < stop <= size:
            raise ValueError(f"groups must be ordered spans within the {size} scores, received {list(exclusive)}")
        if start > end:
            parts.append(ops.sigmoid(scores[:, end:start]))
        parts.append(ops.softmax(scores[:, start:stop], axis=-1))
        end = stop
    if end < size:
        parts.append(ops.sigmoid(scores[:, end:]))
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable(package="drape")
class AttributeProbabilities(keras.layers.Layer):
    """``attribute_probabilities`` as a layer without weights, in float32."""

    def __init__(self, activation: str, exclusive: Sequence[Span] = (), **kwargs: object) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.activation = activation
        self.exclusive = tuple((int(start), int(stop)) for start, stop in exclusive)

    def call(self, inputs: Array) -> Array:
        return attribute_probabilities(inputs, self.activation, self.exclusive)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "activation": self.activation, "exclusive": self.exclusive}
