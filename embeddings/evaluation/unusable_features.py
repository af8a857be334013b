"""What a network gives and cannot be compared, and what to do about it."""

from __future__ import annotations

import numpy as np

from embeddings.errors import EmbeddingsError
from embeddings.evaluation.feature_rows import FeatureFile, FloatArray


class UnusableFeatures(EmbeddingsError):
    """A network gives features that cannot be compared or kept."""


def not_comparable(model: str, received: str) -> UnusableFeatures:
    """The error for a network whose numbers broke."""
    return UnusableFeatures(
        f"{model} gives features that cannot be compared",
        received=received,
        expected="finite numbers",
        remedy="evaluate it with --precision float32; where that gives the same, its weights are broken: train it anew",
    )


def require_finite(model: str, feature: str, rows: FloatArray) -> None:
    """Raise where a feature (n, size) holds NaN or infinity.

    Raises:
        UnusableFeatures: it does.
    """
    if not np.isfinite(rows).all():
        raise not_comparable(model, f"NaN or infinity in {feature}")


def require_kept(model: str, feature: str, rows: FloatArray, file: FeatureFile) -> None:
    """Raise where a feature (n, size) cannot be kept in the file.

    Raises:
        UnusableFeatures: it holds NaN or infinity, or numbers beyond the file's.
    """
    require_finite(model, feature, rows)
    largest = float(np.abs(rows).max(initial=0))
    if largest > file.largest:
        raise UnusableFeatures(
            f"{model} gives features that do not fit into float16",
            received=f"{largest:,.0f} in {feature}",
            expected=f"at most {file.largest:,.0f}",
            remedy="leave out --float16",
        )
