"""Measures a network on held-out images while it is trained, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.backend import keras
from embeddings.manifest import PROBABILITIES, VISUAL_FEATURES
from embeddings.normalization import Normalization, normalize
from embeddings.taxonomy import Taxonomy
from embeddings.training.divergence import require_finite
from embeddings.training.feature_computation import FeatureComputation
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.progress import PhaseCallback, ignore_phase
from embeddings.training.retrieval_scores import FloatArray, retrieval_scores

RANKS_WHILE_TRAINING, RANKS = (1, 5), (1, 5, 10)
# Every image is compared with every other, so time and memory grow with the square of their number.
_MOST_MEASURED = 3000
_BATCH = 32

FeaturesOf: TypeAlias = Callable[[NDArray[np.uint8]], Mapping[str, FloatArray]]
"""Features of prepared images by name, scaled as the version has them."""


class Measurement:
    """Measures a network on held-out images, as often as it is called.

    Of more than 3,000 images, evenly spaced ones are measured, items kept together.

    Args:
        model: The network with all its outputs; its weights may change between calls.
        held_out: Images of items that it is not trained on.
        taxonomy: The attributes of its ``prob``.
        prob_normalization: How ``prob`` is scaled before it is compared.
    """

    def __init__(
        self, model: keras.Model, held_out: LabelledImages, taxonomy: Taxonomy, prob_normalization: Normalization
    ) -> None:
        self._images = _measured(held_out)
        self._attributes = taxonomy.encode(self._images.attributes) > 0
        self._normalization = prob_normalization
        names = [name for name in (*VISUAL_FEATURES, PROBABILITIES) if name in model.output]
        self._compute = FeatureComputation(model, names)

    def __call__(self, ks: Sequence[int], on_phase: PhaseCallback = ignore_phase) -> dict[str, float]:
        """``retrieval_scores`` of the network's visual feature and ``prob``, as its weights are now.

        Raises:
            TrainingFailed: a feature holds NaN or infinity.
        """
        images = self._images
        features = self._compute(
            images, on_images=lambda done: on_phase("measuring on held-out images", done, len(images))
        )
        require_finite(features.values(), "the features of held-out images")
        normalized = {
            name: normalize(values, self._normalization if name == PROBABILITIES else Normalization.L2)
            for name, values in features.items()
        }
        return retrieval_scores(normalized, self._attributes, images.item_ids, ks, images.labels, images.pictures)


def measure_features(
    features_of: FeaturesOf, held_out: LabelledImages, taxonomy: Taxonomy, ks: Sequence[int]
) -> dict[str, float]:
    """The same scores of whatever computes the features of images, such as a network in another precision."""
    images = _measured(held_out)
    parts = [
        features_of(images.batch(range(first, min(first + _BATCH, len(images)))))
        for first in range(0, len(images), _BATCH)
    ]
    names = [name for name in (*VISUAL_FEATURES, PROBABILITIES) if name in parts[0]]
    features = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return retrieval_scores(
        features, taxonomy.encode(images.attributes) > 0, images.item_ids, ks, images.labels, images.pictures
    )


def score_names(trunk: str, head: str, held_out: LabelledImages, taxonomy: Taxonomy) -> list[str]:
    """What ``Measurement`` will call its scores after every epoch, known before there is a network."""
    visual = "fc6" if (trunk, head) == ("vgg16", "multiattrib") else "pool"
    images = _measured(held_out)
    nothing = np.ones((len(images), 1), dtype=np.float32)
    truth = taxonomy.encode(images.attributes) > 0
    return list(
        retrieval_scores(
            {visual: nothing, PROBABILITIES: nothing},
            truth,
            images.item_ids,
            RANKS_WHILE_TRAINING,
            images.labels,
            images.pictures,
        )
    )


def _measured(held_out: LabelledImages) -> LabelledImages:
    return held_out.subset(measured_positions(held_out))


def measured_positions(held_out: LabelledImages) -> list[int]:
    """Which of the held-out images are measured: all, or of more than 3,000 evenly spaced ones, items kept together."""
    if len(held_out) <= _MOST_MEASURED:
        return list(range(len(held_out)))
    if held_out.item_ids is None:
        return [int(position) for position in np.linspace(0, len(held_out) - 1, _MOST_MEASURED)]
    by_item: dict[str, list[int]] = {}
    for position, item in enumerate(held_out.item_ids):
        by_item.setdefault(item, []).append(position)
    items = list(by_item)
    num_items = max(1, int(len(items) * _MOST_MEASURED / len(held_out)))
    chosen = [items[int(position)] for position in np.linspace(0, len(items) - 1, num_items)]
    return [position for item in chosen for position in by_item[item]]
