"""Which activation suits the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embeddings.training.config import AUTO_ACTIVATION


def activation_for(targets: NDArray[np.floating], asked_for: str = AUTO_ACTIVATION) -> str:
    """How scores become ``prob``: what was asked for, or by the labels if that is ``auto``.

    Softmax where every image has exactly one attribute: LSEP is then the cross entropy of softmax, so its
    probabilities are what was trained. Sigmoid elsewhere: softmax spends its mass on one label.

    Args:
        targets: (n, K) in {0, 1}.
        asked_for: ``auto``, ``sigmoid`` or ``softmax``.

    >>> activation_for(np.eye(3))
    'softmax'
    >>> activation_for(np.array([[1.0, 1.0, 0.0]]))
    'sigmoid'
    """
    if asked_for != AUTO_ACTIVATION:
        return asked_for
    return "softmax" if len(targets) and bool((targets.sum(axis=1) == 1).all()) else "sigmoid"
