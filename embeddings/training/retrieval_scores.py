"""How well features find the same item and alike items: every image queries all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.metrics import attribute_iou_at_k, precision_at_k
from embeddings.similarity import cosine_similarity, histogram_intersection

FloatArray: TypeAlias = NDArray[np.float32]
Similarity: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]

_PROBABILITIES = "prob"


def leave_one_out_ranking(features: FloatArray, similarity: Similarity, num_ranks: int) -> NDArray[np.intp]:
    """For each image, the positions of the most similar others, nearest first; ties go to the lower position.

    Args:
        features: (n, size) float32, n > num_ranks.
        similarity: Takes (n, size) twice and gives (n, n), higher is nearer.

    Returns:
        (n, num_ranks).

    Raises:
        ValueError: there are not enough other images.
    """
    if not 1 <= num_ranks < len(features):
        raise ValueError(f"{len(features)} images leave {len(features) - 1} others to rank, {num_ranks} were asked for")
    scores = np.array(similarity(features, features), dtype=np.float64)
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :num_ranks]


def retrieval_scores(
    features: Mapping[str, FloatArray],
    attributes: NDArray[np.bool_],
    item_ids: Sequence[str] | None,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """precision@k for the same item and attribute IoU@k, for each feature with its own similarity.

    ``prob`` is compared by histogram intersection, everything else by cosine. Only images of items with at least two
    images are queries for precision; all are for IoU.

    Args:
        features: By name, (n, size) float32, L2-normalised rows.
        attributes: (n, K) boolean.
        item_ids: n ids, or None where identities are unknown: then there is no precision.
        ks: Ranks to measure at; those that n images cannot serve are left out.

    Returns:
        By a name such as ``prob/intersection attribute IoU@1``, values in [0, 1].
    """
    num_images = len(attributes)
    ks = [k for k in ks if k < num_images]
    scores: dict[str, float] = {}
    if not ks:
        return scores
    ids = None if item_ids is None else np.unique(np.asarray(item_ids), return_inverse=True)[1]
    has_sibling = None if ids is None else np.bincount(ids)[ids] > 1
    for name, values in features.items():
        by_intersection = name == _PROBABILITIES
        similarity = histogram_intersection if by_intersection else cosine_similarity
        label = f"{name}/{'intersection' if by_intersection else 'cosine'}"
        ranking = leave_one_out_ranking(values, similarity, max(ks))
        if ids is not None and has_sibling is not None and has_sibling.any():
            same_item = (ids[ranking] == ids[:, np.newaxis])[has_sibling]
            scores |= {f"{label} same-item precision@{k}": precision_at_k(same_item, k) for k in ks}
        scores |= {f"{label} attribute IoU@{k}": attribute_iou_at_k(attributes, attributes[ranking], k) for k in ks}
    return scores
