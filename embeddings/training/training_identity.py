"""What makes a training the same training: by this, a saved state is known to belong to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from embeddings.taxonomy import Taxonomy
from embeddings.training.config import HeadTrainingConfig, TrainingConfig
from embeddings.training.labelled_images import LabelledImages
from embeddings.weights import file_sha256

# Reading every image would take minutes. These few tell how images are prepared, and one set of photos from another
# where nothing names their pictures.
_IMAGES_LOOKED_AT = 16


def training_identity(
    config: TrainingConfig | HeadTrainingConfig,
    data: LabelledImages,
    held_out: LabelledImages | None,
    taxonomy: Taxonomy,
    pretrained: Path | None,
    backend: str,
) -> dict[str, object]:
    """JSON-serialisable facts, equal for equal trainings; long ones as the beginning of their SHA-256.

    Args:
        backend: Keras's, whose roundings differ.
    """
    return {
        "recipe": config.to_json(),
        "weights": None if pretrained is None else file_sha256(pretrained)[:16],
        "training images": _images(data),
        "held-out images": None if held_out is None else _images(held_out),
        "attributes": {"number": len(taxonomy), "names": _digest(taxonomy.names)},
        "backend": backend,
    }


def _images(data: LabelledImages) -> dict[str, object]:
    positions = np.unique(np.linspace(0, len(data) - 1, _IMAGES_LOOKED_AT).astype(int))
    pixels = hashlib.sha256()
    for position in positions:
        pixels.update(np.ascontiguousarray(data.images[int(position)]).tobytes())
    return {
        "number": len(data),
        "edge": data.input_size,
        "labels": _digest("\t".join(sorted(attributes)) for attributes in data.attributes),
        "items": None if data.item_ids is None else _digest(data.item_ids),
        "pictures": None if data.pictures is None else _digest(data.pictures),
        "pixels": pixels.hexdigest()[:16],
    }


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
