"""How images become points: named vectors and payload fields. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog.errors import InvalidRequest
from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import (
    CollectionSpec,
    Distance,
    FieldType,
    Payload,
    Vector,
    VectorSpec,
)
from catalog.repositories.images import IndexableImage
from embeddings.manifest import PROBABILITIES
from embeddings.similarity import lift_gallery

HIST = "hist"
PROB = PROBABILITIES

FIELDS: Mapping[str, FieldType] = {
    "merchant": FieldType.TENANT,
    "product": FieldType.INTEGER,
    "category": FieldType.KEYWORD,
    "attributes": FieldType.KEYWORD,
    "price": FieldType.FLOAT,
    "currency": FieldType.KEYWORD,
    "availability": FieldType.KEYWORD,
    "fields": FieldType.KEYWORD,
    "revision": FieldType.INTEGER,
}

CATEGORY_SEPARATOR = " > "


def collection_name(model_version: str) -> str:
    """The collection that holds the vectors of a model version, of every merchant that uses it."""
    return f"drape-{model_version}"


def intersection_bound(num_attributes: int) -> float:
    """The S of the lifted vectors: no sum of an L2-normalised vector of K components exceeds √K.

    That of an L1-normalised one is at most 1, which the same bound holds for."""
    return math.sqrt(num_attributes)


def collection_spec(model: ModelDescription) -> CollectionSpec:
    """The collection of a model version.

    The visual feature is searched through an int8 copy over float16 originals. ``hist`` stays float32: its scores are
    differences of sums, and coarser storage would change them.
    """
    num_attributes = model.feature_sizes[PROB]
    return CollectionSpec(
        vectors={
            model.visual_feature: VectorSpec(
                model.feature_sizes[model.visual_feature], Distance.COSINE, quantized=True, half_precision=True
            ),
            PROB: VectorSpec(num_attributes, Distance.COSINE),
            HIST: VectorSpec(num_attributes + 1, Distance.MANHATTAN),
        },
        fields=FIELDS,
    )


def point_vectors(model: ModelDescription, features: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Vector]]:
    """The named vectors of each embedded image.

    Args:
        features: From ``Embedder.embed``: (n, size) float32 each, rows normalised as the version says.

    Returns:
        One dict per image.
    """
    lifted = lift_gallery(features[PROB], intersection_bound(model.feature_sizes[PROB]))
    rows = zip(features[model.visual_feature], features[PROB], lifted, strict=True)
    return [{model.visual_feature: visual, PROB: prob, HIST: hist} for visual, prob, hist in rows]


def category_keywords(category: tuple[str, ...]) -> list[str]:
    """Every name by which a category path can be asked for: each level, and each path from the top, case folded.

    >>> category_keywords(("Women", "Dresses"))
    ['women', 'dresses', 'women > dresses']
    """
    levels = [level.casefold() for level in category]
    paths = [CATEGORY_SEPARATOR.join(levels[: depth + 1]) for depth in range(len(levels))]
    return list(dict.fromkeys(levels + paths))


def category_keyword(text: str) -> str:
    """The one of a category's keywords that a person asks for: a level's name, or a path of levels.

    Raises:
        InvalidRequest: there is no level in it.

    >>> category_keyword("Women >  Dresses")
    'women > dresses'
    """
    levels = [" ".join(level.split()).casefold() for level in text.split(">")]
    keyword = CATEGORY_SEPARATOR.join(level for level in levels if level)
    if not keyword:
        raise InvalidRequest("This is no category", received=repr(text), expected="a level, or a path: Women > Dresses")
    return keyword


def payload(image: IndexableImage, model_version: str, revision: int) -> Payload:
    """What a point carries beside its vectors: what searches filter by, and what reconciling compares."""
    return {
        "merchant": str(image.merchant_id),
        "product": image.product_id,
        "category": category_keywords(image.category),
        "attributes": list(image.attributes),
        "price": None if image.price is None else float(image.price),
        "currency": image.currency,
        "availability": image.availability,
        "fields": list(image.fields),
        "revision": revision,
        "model": model_version,
    }
