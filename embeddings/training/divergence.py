"""Trainings whose numbers broke."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import TrainingFailed


def diverged(received: str) -> TrainingFailed:
    """The error for a training that cannot go on with the numbers it has."""
    return TrainingFailed(
        "Training diverged: its loss is no number any more",
        received=received,
        expected="a finite loss",
        remedy="train anew with a lower --learning-rate, or in float32 where it was bfloat16",
    )


def require_finite(arrays: Iterable[NDArray[Any]], called: str) -> None:
    """Raise where an array holds NaN or infinity.

    The loss of a step is that of the weights before it, so it does not tell of weights which the last step broke.

    Raises:
        TrainingFailed: one does.
    """
    if not all(np.isfinite(array).all() for array in arrays):
        raise diverged(f"NaN or infinity in {called}")
