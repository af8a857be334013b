"""The weights that a pretrained trunk starts from where none are given."""

from __future__ import annotations

from pathlib import Path

from embeddings.model_store import SHIPPED_FOLDER, ModelStore
from embeddings.weights import download_published

_SHIPPED_COMPACT = "compact-rendered"


def default_weights(trunk: str, head: str) -> Path:
    """Keras's published weights for vgg16 and resnet50, downloaded on first use; for compact Drape's own.

    With VGG16's fully connected layers where the head has them.

    Raises:
        ValueError: there is no such trunk.
        UnusableWeights: the download failed.
    """
    if trunk == "compact":
        version = ModelStore(SHIPPED_FOLDER).open(_SHIPPED_COMPACT)
        return version.weights_path(version.manifest.networks[0])
    return download_published(trunk, with_top=head == "multiattrib")
