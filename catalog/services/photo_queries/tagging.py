"""What a photo shows, in the attributes that the merchant's model knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import InvalidRequest
from catalog.ports.models import ModelDescription, Models
from catalog.services.galleries.gallery_layout import PROB
from catalog.services.galleries.live_gallery import live_gallery
from catalog.services.photo_queries.query_embedding import QueryEmbedding
from catalog.types import DEFAULT_TAG_CONFIDENCE, DEFAULT_TAGS, MAX_TAGS
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox
from embeddings.embedder import PROB_SCALE
from embeddings.taxonomy import Taxonomy, split_attribute


@dataclass(frozen=True, slots=True)
class Tag:
    """A value that the photo may show.

    Args:
        attribute: In normal form: ``color=red``.
        confidence: In [0, 1]: what the model's activation says, on the scale that its training calibrated.
    """

    attribute: str
    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TagGroup:
    """The surest values of one group of attributes, surest first.

    Args:
        is_exclusive: An item has exactly one of the group's values, so that the confidences of all of them sum to 1.
            Else each stands by itself: several may be sure, or none.
    """

    group: str
    is_exclusive: bool
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """What a photo shows, the group with the surest value first.

    Args:
        model_version: The version that looked at it.
        timings_ms: Milliseconds per stage.
    """

    groups: tuple[TagGroup, ...]
    model_version: str
    timings_ms: Mapping[str, float]


class TaggingService:
    """Predicts attributes of photos, with the model of the merchant's live gallery."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, models: Models, queries: QueryEmbedding) -> None:
        self._unit_of_work = unit_of_work
        self._models = models
        self._queries = queries

    def tag(
        self,
        merchant: str,
        photo: bytes,
        crop: CropBox | None = None,
        *,
        top: int = DEFAULT_TAGS,
        min_confidence: float = DEFAULT_TAG_CONFIDENCE,
    ) -> TaggedPhoto:
        """The attributes of the item in a photo, or in a part of it.

        Args:
            photo: The whole file.
            top: How many values of each group are told, at most.
            min_confidence: Values that are less sure are left out, and groups of which none is left.

        Raises:
            MerchantNotFound, GalleryNotFound: there is no model to ask.
            embeddings.errors.UnusableImage: the photo cannot be decoded.
            InvalidRequest: the numbers have no meaning.
        """
        if not 1 <= top <= MAX_TAGS:
            raise InvalidRequest("top_k is out of range", received=str(top), expected=f"1 to {MAX_TAGS}")
        if not 0 <= min_confidence <= 1:
            raise InvalidRequest("min_confidence is out of range", received=str(min_confidence), expected="0 to 1")
        with self._unit_of_work() as work:
            gallery = live_gallery(work, merchant)
        model = self._models.describe(gallery.model_version)
        embedded = self._queries.embed(photo, gallery.model_version, crop)
        confidences = embedded.features[PROB] * embedded.features[PROB_SCALE]
        groups = tag_groups(
            np.clip(confidences, 0, 1), model.taxonomy, exclusive_groups(model), top=top, least=min_confidence
        )
        return TaggedPhoto(groups, gallery.model_version, embedded.timings_ms)


def tag_groups(
    confidences: NDArray[np.float32], taxonomy: Taxonomy, exclusive: frozenset[str], *, top: int, least: float
) -> tuple[TagGroup, ...]:
    """The surest values of each group, the group with the surest first; equally sure ones by name.

    Args:
        confidences: (K,) in [0, 1], in the taxonomy's order.
        exclusive: Groups of which an item has exactly one value.
        top: Values of a group, at most.
        least: What is less sure is left out.
    """
    found: dict[str, list[Tag]] = {}
    for name, confidence in zip(taxonomy.names, confidences.tolist(), strict=True):
        group, value = split_attribute(name)
        if confidence >= least:
            found.setdefault(group, []).append(Tag(name, value, confidence))
    groups = [
        TagGroup(group, group in exclusive, tuple(sorted(tags, key=lambda tag: (-tag.confidence, tag.value))[:top]))
        for group, tags in found.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.tags[0].confidence, group.group)))


def exclusive_groups(model: ModelDescription) -> frozenset[str]:
    """The groups whose confidences sum to 1, as the manifest says of the network that computes ``prob``.

    They are those of its activation ``groups``; and with ``softmax``, which takes one of all attributes, the only group
    where there is no other.
    """
    networks: list[Mapping[str, Any]] = model.manifest.get("networks", [])
    for network in networks:
        if PROB in network["features"]:
            groups = {split_attribute(name)[0] for name in model.taxonomy.names}
            if network["activation"] == "softmax" and len(groups) == 1:
                return frozenset(groups)
            return frozenset(network.get("exclusive_groups", ()))
    return frozenset()
