"""How good a ranking is: precision@k, recall@k, top-k accuracy, attribute IoU@k. Pure NumPy; all in [0, 1].

Every function takes results in rank order, nearest first; where scores tie, the order is the caller's. The query itself
must already be left out of its own results.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BooleanArray: TypeAlias = NDArray[np.bool_]
AttributeNames: TypeAlias = Collection[str]


def precision_at_k(relevant: ArrayLike, k: int) -> float:
    """Relevant results among the first k, over k, averaged over all queries.

    The denominator is k even where fewer than k items of the gallery are relevant, so the highest value that can be
    reached may lie below 1. This is the measure that the multi-attribute retrieval literature tabulates as mAP.

    Args:
        relevant: (n_q, n) boolean, n_q ≥ 1, n ≥ k: whether the result at each rank is relevant to the query.
        k: At least 1.

    Raises:
        ValueError: there is no query, k is below 1 or above n, or ``relevant`` is not boolean of two axes.

    >>> precision_at_k([[True, False, True], [False, False, True]], k=2)
    0.25
    """
    return float(_first_ranks(relevant, k).mean())


def recall_at_k(relevant: ArrayLike, num_relevant: ArrayLike, k: int) -> float:
    """Relevant results among the first k, over all that are relevant, averaged over all queries.

    Never falls as k grows. A query that nothing is relevant to has no recall: the caller leaves it out, and says how
    many were left out.

    Args:
        relevant: (n_q, n) boolean, n_q ≥ 1, n ≥ k: whether the result at each rank is relevant to the query.
        num_relevant: (n_q,) integers ≥ 1: how many items of the whole gallery are relevant to each query, the query
            itself not counted; at least as many as its row of ``relevant`` has.
        k: At least 1.

    Raises:
        ValueError: there is no query, k is below 1 or above n, a query has no relevant item or more in its results than
            in the gallery, or the shapes do not fit each other.

    >>> recall_at_k([[True, False, True], [False, False, True]], num_relevant=[4, 1], k=3)
    0.75
    """
    first = _first_ranks(relevant, k)
    total = np.asarray(num_relevant)
    if total.shape != (len(first),) or not np.issubdtype(total.dtype, np.integer):
        raise ValueError(
            f"num_relevant needs one integer for each of {len(first)} queries, received {total.dtype} of shape "
            f"{total.shape}"
        )
    if total.min() < 1:
        raise ValueError("recall needs queries with at least one relevant item, received one that has none")
    if (np.count_nonzero(np.asarray(relevant), axis=1) > total).any():
        raise ValueError("a query has more relevant results than num_relevant says there are in the gallery")
    return float((np.count_nonzero(first, axis=1) / total).mean())


def top_k_accuracy(relevant: ArrayLike, k: int) -> float:
    """Share of the queries with at least one relevant result among the first k. Never falls as k grows.

    Args:
        relevant: (n_q, n) boolean, n_q ≥ 1, n ≥ k: whether the result at each rank is relevant to the query.
        k: At least 1.

    Raises:
        ValueError: there is no query, k is below 1 or above n, or ``relevant`` is not boolean of two axes.

    >>> top_k_accuracy([[True, False, True], [False, False, True]], k=2)
    0.5
    """
    return float(_first_ranks(relevant, k).any(axis=1).mean())


def attribute_iou_at_k(
    query_attributes: ArrayLike | Sequence[AttributeNames],
    hit_attributes: ArrayLike | Sequence[Sequence[AttributeNames]],
    k: int,
) -> float:
    """|A_q ∩ A_r| / |A_q ∪ A_r| of query and result, averaged over the first k results, then over all queries.

    Two empty sets agree completely: their IoU is 1. An empty and a non-empty set have IoU 0.

    Args:
        query_attributes: (n_q, K) boolean, n_q ≥ 1, one row per query; or n_q collections of attribute names.
        hit_attributes: (n_q, n, K) boolean, n ≥ k, in rank order; or for each query a sequence of at least k
            collections of attribute names. Both arguments take the same form.
        k: At least 1.

    Raises:
        ValueError: there is no query, k is below 1 or above n, or the shapes do not fit each other.

    >>> attribute_iou_at_k([{"color=red", "sleeve=long"}], [[{"color=red"}, {"sleeve=none"}]], k=2)
    0.25
    """
    if _holds_names(query_attributes) or _holds_names(hit_attributes, depth=2):
        queries, hits = _encode_names(query_attributes, hit_attributes, k)  # type: ignore[arg-type]
    else:
        queries = _boolean("query_attributes", query_attributes, num_axes=2)
        hits = _boolean("hit_attributes", hit_attributes, num_axes=3)
    if hits.shape[0] != queries.shape[0] or hits.shape[2] != queries.shape[1]:
        raise ValueError(
            f"hit_attributes of shape {hits.shape} do not fit query_attributes of shape {queries.shape}; "
            "expected (n_q, n, K) and (n_q, K)"
        )
    _check_k(k, num_queries=hits.shape[0], num_results=hits.shape[1])
    first = hits[:, :k]
    shared = np.count_nonzero(first & queries[:, np.newaxis], axis=2)
    either = np.count_nonzero(first | queries[:, np.newaxis], axis=2)
    # Where both sets are empty the quotient is 0/0, which is defined as complete agreement.
    iou = np.where(either == 0, 1.0, shared / np.maximum(either, 1))
    return float(iou.mean())


def _first_ranks(relevant: ArrayLike, k: int) -> BooleanArray:
    array = _boolean("relevant", relevant, num_axes=2)
    _check_k(k, num_queries=array.shape[0], num_results=array.shape[1])
    return array[:, :k]


def _boolean(name: str, values: ArrayLike | Sequence[object], num_axes: int) -> BooleanArray:
    array = np.asarray(values)
    if array.ndim != num_axes:
        raise ValueError(f"{name} needs {num_axes} axes, received shape {array.shape}")
    if array.dtype != np.bool_:
        # Zeros and ones are accepted because multi-hot targets are stored that way; scores passed by mistake are not.
        if not np.isin(array, (0, 1)).all():
            raise ValueError(f"{name} needs booleans, received {array.dtype} with values other than 0 and 1")
        array = array.astype(np.bool_)
    return array


def _check_k(k: int, *, num_queries: int, num_results: int) -> None:
    if num_queries == 0:
        raise ValueError("a mean over queries needs at least one query, received none")
    if not 1 <= k <= num_results:
        raise ValueError(f"k must lie between 1 and the number of results, {num_results}; received {k}")


def _holds_names(value: object, depth: int = 1) -> bool:
    """Whether the value is the form with collections of names, ``depth`` levels down; arrays never are."""
    if isinstance(value, np.ndarray) or not isinstance(value, Sequence):
        return False
    if depth > 1:
        return any(_holds_names(element, depth - 1) for element in value)
    return any(
        isinstance(element, AbstractSet) or (isinstance(element, Sequence) and any(isinstance(x, str) for x in element))
        for element in value
    )


def _encode_names(
    query_attributes: Sequence[AttributeNames], hit_attributes: Sequence[Sequence[AttributeNames]], k: int
) -> tuple[BooleanArray, BooleanArray]:
    """Both arguments as boolean arrays over the names that occur; results beyond the first k are dropped."""
    if len(query_attributes) != len(hit_attributes):
        raise ValueError(
            f"hit_attributes of {len(hit_attributes)} queries do not fit {len(query_attributes)} query_attributes"
        )
    _check_k(k, num_queries=len(query_attributes), num_results=min(map(len, hit_attributes), default=0))
    first = [hits[:k] for hits in hit_attributes]
    names = sorted(
        {name for query in query_attributes for name in query}
        | {name for hits in first for hit in hits for name in hit}
    )
    position = {name: index for index, name in enumerate(names)}
    queries = np.zeros((len(query_attributes), len(names)), dtype=np.bool_)
    hit_array = np.zeros((len(query_attributes), k, len(names)), dtype=np.bool_)
    for row, (query, hits) in enumerate(zip(query_attributes, first, strict=True)):
        queries[row, [position[name] for name in query]] = True
        for rank, hit in enumerate(hits):
            hit_array[row, rank, [position[name] for name in hit]] = True
    return queries, hit_array
