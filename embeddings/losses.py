"""The loss that multi-attribute networks are trained with: log-sum-exp pairwise (LSEP)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

# An array or a tensor of the backend: Keras publishes no types.
Array: TypeAlias = Any

# Stands for minus infinity where an entry takes no part. It must be finite: the softmax inside the gradient of
# logsumexp would turn a row of true infinities into NaN, and NaN survives the multiplication by zero that follows.
# It is far below any score, and two scores away from it nothing overflows in float32.
_LEFT_OUT = -1e30


def lsep_loss(y_true: Array, scores: Array) -> Array:
    """Log-sum-exp pairwise loss of each row: small when every true label scores above every other.

    With Y the true labels of a row and f its scores::

        loss = log(1 + Σ_{v ∉ Y} Σ_{u ∈ Y} exp(f_v − f_u))
             = softplus(logsumexp_{v ∉ Y} f_v + logsumexp_{u ∈ Y} −f_u)

    The second form costs O(K) instead of O(K²) and does not overflow. A row without true labels, or with true labels
    only, has loss 0 and gradient 0.

    Source: Li, Song and Luo, "Improving Pairwise Ranking for Multi-label Image Classification", CVPR 2017.

    Args:
        y_true: (batch, K) of any numeric dtype or bool; a label is true where it is above 0.5.
        scores: (batch, K), finite, any float dtype. Halves are computed in float32.

    Returns:
        (batch,) tensor, ≥ 0, in the dtype of ``scores`` or float32, whichever is wider.

    Raises:
        ValueError: the shapes differ or are not (batch, K).
    """
    y_true, scores = _comparable(y_true, scores)
    is_true = _is_true(y_true, scores)
    left_out = ops.full_like(scores, _LEFT_OUT)
    others = ops.logsumexp(ops.where(is_true, left_out, scores), axis=-1)
    trues = ops.logsumexp(ops.where(is_true, -scores, left_out), axis=-1)
    return ops.softplus(others + trues)


def grouped_lsep_loss(y_true: Array, scores: Array, spans: Sequence[tuple[int, int]]) -> Array:
    """The sum of ``lsep_loss`` over groups of labels, whose labels are not compared with those of other groups.

    Where every row has one true label of a group, its part is the cross entropy of the group's softmax. The loss over
    all labels also asks a true colour to score above every wrong season, which no search depends on.

    Labels outside the groups have no such measure of their own: most rows have none of them, and where there is only
    one, nothing to compare it with is left. They are compared with all labels, in one part more: a true one has to
    score above every other label, a wrong one below every true label::

        log(1 + Σ exp(f_v − f_u)), over u ∈ Y and v ∉ Y of which at least one is outside the groups

    Args:
        y_true, scores: As ``lsep_loss`` takes them.
        spans: First and one past the last position of each group, in order, without overlap. Without any, this is
            ``lsep_loss``.

    Returns:
        (batch,) tensor, ≥ 0.

    Raises:
        ValueError: the shapes differ, or groups overlap, are out of order, or reach beyond the labels.
    """
    y_true, scores = _comparable(y_true, scores)
    size = int(scores.shape[-1])
    inside = np.zeros(size, dtype=bool)
    losses, end = [], 0
    for start, stop in spans:
        if not end <= start < stop <= size:
            raise ValueError(f"groups must be ordered spans within the {size} labels, received {list(spans)}")
        inside[start:stop] = True
        losses.append(lsep_loss(y_true[:, start:stop], scores[:, start:stop]))
        end = stop
    if not inside.all():
        losses.append(_loss_of_pairs_outside(y_true, scores, inside))
    return sum(losses[1:], losses[0])


def _loss_of_pairs_outside(y_true: Array, scores: Array, inside: NDArray[np.bool_]) -> Array:
    """The part of ``grouped_lsep_loss`` of all pairs but those of two labels inside groups."""
    is_true, left_out = _is_true(y_true, scores), ops.full_like(scores, _LEFT_OUT)
    is_inside = ops.broadcast_to(ops.convert_to_tensor(inside), ops.shape(scores))
    is_outside = ops.logical_not(is_inside)
    wrong = ops.where(is_true, left_out, scores)
    right = ops.where(is_true, -scores, left_out)
    outside_trues = ops.logsumexp(ops.where(is_outside, right, left_out), axis=-1) + ops.logsumexp(wrong, axis=-1)
    inside_trues = ops.logsumexp(ops.where(is_inside, right, left_out), axis=-1) + ops.logsumexp(
        ops.where(is_outside, wrong, left_out), axis=-1
    )
    return ops.softplus(ops.logaddexp(outside_trues, inside_trues))


def _comparable(y_true: Array, scores: Array) -> tuple[Array, Array]:
    """Labels and scores of one shape, scores in float32 at least."""
    scores = ops.convert_to_tensor(scores)
    if keras.backend.standardize_dtype(scores.dtype) != "float64":
        scores = ops.cast(scores, "float32")
    y_true = ops.convert_to_tensor(y_true)
    _require_matching_shapes(tuple(y_true.shape), tuple(scores.shape))
    return y_true, scores


def _is_true(y_true: Array, scores: Array) -> Array:
    return ops.greater(ops.cast(y_true, scores.dtype), 0.5)


def _require_matching_shapes(labels: tuple[int | None, ...], scores: tuple[int | None, ...]) -> None:
    # An axis of unknown length (None, while a graph is traced) matches any.
    agree = len(labels) == len(scores) == 2 and all(
        a is None or b is None or a == b for a, b in zip(labels, scores, strict=True)
    )
    if not agree:
        raise ValueError(
            f"labels and scores need one shape (batch, K), received labels {labels} and scores {scores}; "
            f"encode the labels with the taxonomy the network was built for"
        )


@keras.saving.register_keras_serializable(package="drape")
class LSEP(keras.losses.Loss):
    """``lsep_loss`` as a Keras loss; the mean over the batch unless another ``reduction`` is asked for.

    Args:
        spans: Groups to compare labels within (``grouped_lsep_loss``); without, all labels are compared.
    """

    def __init__(
        self,
        spans: Sequence[tuple[int, int]] = (),
        reduction: str = "sum_over_batch_size",
        name: str = "lsep",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.spans = tuple((int(start), int(stop)) for start, stop in spans)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return grouped_lsep_loss(y_true, y_pred, self.spans) if self.spans else lsep_loss(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "spans": self.spans}
