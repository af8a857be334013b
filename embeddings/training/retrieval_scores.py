"""How well features find the same item and alike items: every image queries all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.manifest import PROBABILITIES
from embeddings.metrics import attribute_iou_at_k, precision_at_k
from embeddings.similarity import cosine_similarity, histogram_intersection

FloatArray: TypeAlias = NDArray[np.float32]
Similarity: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]

_SIMILARITY_OF: Mapping[str, tuple[Similarity, str]] = {PROBABILITIES: (histogram_intersection, "intersection")}
_OTHERWISE: tuple[Similarity, str] = (cosine_similarity, "cosine")


def ranking_among_others(
    features: FloatArray, similarity: Similarity, num_ranks: int, *groupings: NDArray[np.intp]
) -> NDArray[np.intp]:
    """For each image, the positions of the most similar images of other groups, nearest first; ties by position.

    Args:
        features: (n, size) float32.
        similarity: Takes (n, size) twice and gives (n, n), higher is nearer.
        groupings: (n,) each, an image's group: its own number to leave out the image alone, its picture's to leave out
            equal pictures, its item's to leave out the item. Of several, images that share any group are left out.

    Returns:
        (n, num_ranks).

    Raises:
        ValueError: some image has fewer than ``num_ranks`` images of other groups.
    """
    left_out = _sharing_a_group(groupings)
    num_others = _num_others(left_out)
    if not 1 <= num_ranks <= num_others:
        raise ValueError(f"num_ranks must lie between 1 and {num_others}, the others of some image; got {num_ranks}")
    scores = np.where(left_out, -np.inf, similarity(features, features))
    return np.argsort(-scores, axis=1, kind="stable")[:, :num_ranks]


def retrieval_scores(
    features: Mapping[str, FloatArray],
    attributes: NDArray[np.bool_],
    item_ids: Sequence[str] | None,
    ks: Sequence[int] = (1, 5, 10),
    labels: Mapping[str, Sequence[str]] = MappingProxyType({}),
    pictures: Sequence[str] | None = None,
) -> dict[str, float]:
    """precision@k for the same item and the same labels, and attribute IoU@k, for each feature with its similarity.

    ``prob`` is compared by histogram intersection, everything else by cosine. A query's own picture is never its
    result, whatever image shows it: what is right is settled as in ``embeddings.evaluation.ground_truth``. Only images
    that have another picture of the same item, or of the same label, are queries for precision, and only those with
    attributes are queries for IoU. Attribute IoU is measured twice where identities are known: over all images, as the
    literature does, where finding the same item again counts; and among other items alone, which shows whether *alike*
    items are found.

    Args:
        features: By name, (n, size) float32, rows scaled as they are to be compared.
        attributes: (n, K) boolean.
        item_ids: n ids, or None where identities are unknown: then there is no precision.
        ks: Ranks to measure at; those that the images cannot serve are left out.
        labels: By level, n labels: images of the same label are relevant.
        pictures: n keys, equal where the pictures are; None where all differ.

    Returns:
        By a name such as ``prob/intersection attribute IoU@1``, values in [0, 1]. A score without queries is missing.
    """
    scores: dict[str, float] = {}
    own = np.arange(len(attributes)) if pictures is None else _numbered(pictures)
    items = None if item_ids is None else _numbered(item_ids)
    for name, values in features.items():
        similarity, metric = _SIMILARITY_OF.get(name, _OTHERWISE)
        label = f"{name}/{metric}"
        ranking = _ranking_if_any(values, similarity, ks, own)
        scores |= _iou(f"{label} attribute IoU@", attributes, ranking, ks)
        for level, level_labels in labels.items():
            scores |= _precision(f"{label} same-{level} precision@", _numbered(level_labels), own, ranking, ks)
        if items is None:
            continue
        if found := _precision(f"{label} same-item precision@", items, own, ranking, ks):
            scores |= found
            others = _ranking_if_any(values, similarity, ks, items, own)
            scores |= _iou(f"{label} other-item attribute IoU@", attributes, others, ks)
    return scores


def _numbered(labels: Sequence[str]) -> NDArray[np.intp]:
    return np.unique(np.asarray(labels), return_inverse=True)[1]


def _sharing_a_group(groupings: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
    """(n, n): which images are in one group by any of the groupings."""
    sharing: NDArray[np.bool_] = groupings[0][:, np.newaxis] == groupings[0]
    for groups in groupings[1:]:
        sharing |= groups[:, np.newaxis] == groups
    return sharing


def _num_others(left_out: NDArray[np.bool_]) -> int:
    """How many results every image can have."""
    return len(left_out) - int(left_out.sum(axis=1).max())


def _ranking_if_any(
    features: FloatArray, similarity: Similarity, ks: Sequence[int], *groupings: NDArray[np.intp]
) -> NDArray[np.intp]:
    """As many ranks as the largest k asks for and the images can serve, perhaps none."""
    num_ranks = min(max(ks), _num_others(_sharing_a_group(groupings)))
    if num_ranks < 1:
        return np.zeros((len(features), 0), dtype=np.intp)
    return ranking_among_others(features, similarity, num_ranks, *groupings)


def _served(ks: Sequence[int], ranking: NDArray[np.intp]) -> list[int]:
    return [k for k in ks if k <= ranking.shape[1]]


def _precision(
    label: str, groups: NDArray[np.intp], own: NDArray[np.intp], ranking: NDArray[np.intp], ks: Sequence[int]
) -> dict[str, float]:
    """Nothing where no image has another picture of its group."""
    same_group = np.bincount(groups)[groups]
    # Of an image's group, those that show its very picture, itself included, are never found.
    _, shown, num_shown = np.unique(groups * len(groups) + own, return_inverse=True, return_counts=True)
    has_sibling = same_group > num_shown[shown]
    if not has_sibling.any():
        return {}
    relevant = (groups[ranking] == groups[:, np.newaxis])[has_sibling]
    return {f"{label}{k}": precision_at_k(relevant, k) for k in _served(ks, ranking)}


def _iou(label: str, attributes: NDArray[np.bool_], ranking: NDArray[np.intp], ks: Sequence[int]) -> dict[str, float]:
    """Nothing where no image has attributes. One without asks nothing, and is found as any other."""
    asking = attributes.any(axis=1)
    if not asking.any():
        return {}
    asked, found = attributes[asking], ranking[asking]
    return {f"{label}{k}": attribute_iou_at_k(asked, attributes[found], k) for k in _served(ks, ranking)}
