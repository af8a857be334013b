"""The nearest of a gallery for every query, found block by block in memory that does not grow with the gallery."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embeddings.evaluation.feature_rows import FloatArray, Positions, blocks
from embeddings.evaluation.scoring import Scoring

_LOWEST = np.uint64(0)
_POSITION_BITS = np.uint64(32)
_POSITION_MASK = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(0x80000000)
_ALL_BITS = np.uint32(0xFFFFFFFF)


def rank_blockwise(
    scoring: Scoring,
    query_ids: NDArray[np.int64],
    gallery_ids: NDArray[np.int64],
    num_ranks: int,
    *,
    on_queries: Callable[[int], None] = lambda _: None,
) -> Positions:
    """For each query the positions of its nearest gallery images, nearest first; equal scores in the gallery's order.

    Args:
        scoring: Asked for one block of queries and one of the gallery at a time.
        query_ids: (n_q,) what picture each query is.
        gallery_ids: (n_g,) what picture each gallery image is; a query's own picture is never its result.
        num_ranks: How many to find.
        on_queries: Told how many queries are done.

    Returns:
        (n_q, num_ranks) positions in the gallery.

    Raises:
        ValueError: the ids do not fit the scoring, some query has fewer than ``num_ranks`` others in the gallery, or a
            score is not finite.
    """
    if len(query_ids) != scoring.num_queries or len(gallery_ids) != scoring.num_gallery:
        raise ValueError(
            f"{len(query_ids)} query ids and {len(gallery_ids)} gallery ids do not fit "
            f"{scoring.num_queries} queries and a gallery of {scoring.num_gallery}"
        )
    available = num_rankable(query_ids, gallery_ids)
    if not 1 <= num_ranks <= available:
        raise ValueError(
            f"num_ranks must lie between 1 and {available}, the others of some query; received {num_ranks}"
        )
    ranking = np.empty((len(query_ids), num_ranks), dtype=np.intp)
    for queries in blocks(len(query_ids), scoring.rows_per_block):
        ids = query_ids[queries]
        best = np.full((len(ids), num_ranks), _LOWEST)
        for gallery in blocks(len(gallery_ids), scoring.rows_per_block):
            keys = _keys(scoring(queries, gallery), gallery.start)
            keys[ids[:, np.newaxis] == gallery_ids[gallery]] = _LOWEST
            both = np.concatenate([best, keys], axis=1)
            both.partition(both.shape[1] - num_ranks, axis=1)
            best = both[:, -num_ranks:]
        best.sort(axis=1)
        ranking[queries] = (_POSITION_MASK - (best[:, ::-1] & _POSITION_MASK)).astype(np.intp)
        on_queries(queries.stop)
    return ranking


def num_rankable(query_ids: NDArray[np.int64], gallery_ids: NDArray[np.int64]) -> int:
    """How many results every query can have: the gallery without the query's own picture, for the worst-off query."""
    if not len(query_ids) or not len(gallery_ids):
        return 0
    return len(gallery_ids) - int(num_own(query_ids, gallery_ids).max())


def num_own(query_ids: NDArray[np.int64], gallery_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n_q,) how often the gallery holds each query's own picture."""
    pictures, counts = np.unique(gallery_ids, return_counts=True)
    if not len(pictures):
        return np.zeros(len(query_ids), dtype=np.int64)
    at = np.minimum(np.searchsorted(pictures, query_ids), len(pictures) - 1)
    return np.where(pictures[at] == query_ids, counts[at], 0).astype(np.int64)


def _keys(scores: FloatArray, start: int) -> NDArray[np.uint64]:
    """Whole numbers that order as the scores do and, where these are equal, by position, lower positions higher.

    The bits of a positive float order as its value does, those of a negative one in reverse. No two keys are equal, so
    what a partition finds does not depend on how it goes about it.
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite, received NaN or infinity")
    # Adding zero makes -0.0 equal to 0.0 in its bits, too.
    bits = (scores.astype(np.float32, copy=False) + np.float32(0)).view(np.uint32)
    ordered = bits ^ np.where(bits & _SIGN, _ALL_BITS, _SIGN)
    positions = _POSITION_MASK - np.arange(start, start + scores.shape[1], dtype=np.uint64)
    return (ordered.astype(np.uint64) << _POSITION_BITS) | positions
