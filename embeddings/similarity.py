"""How near two vectors are: cosine, Euclidean distance, histogram intersection, and the last as a Manhattan distance.

A vector engine ranks by cosine, dot product, Euclidean or Manhattan distance, not by histogram intersection
HI(a, b) = Σ min(a_i, b_i). For non-negative a and b, min(x, y) = ½(x + y − |x − y|), so

    HI(a, b) = ½(Σa + Σb − ‖a − b‖₁).

Σa is the same for the whole gallery but Σb is not, so ‖a − b‖₁ alone ranks differently. One more component repairs it.
With a fixed bound S ≥ Σb for every b, store b' = (b, S − Σb) and ask with a' = (a, 0):

    ‖a' − b'‖₁ = ‖a − b‖₁ + S − Σb      and so      HI(a, b) = ½(Σa + S − ‖a' − b'‖₁).

The nearest by Manhattan distance are then exactly the largest by histogram intersection. A bound for L2-normalised
vectors of K components is √K, by Cauchy's inequality; for L1-normalised ones it is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

# One block of intermediate values: 1 MiB of float32 stays in a core's second-level cache.
_BLOCK_ELEMENTS = 2**18

# Blocks of a matrix product: at most 32 MiB of float64 on either side and 8 MiB of products, and yet so many rows that
# reading and widening them is little beside multiplying them.
_PRODUCT_ELEMENTS = 2**22
_PRODUCT_ROWS = 1024

# How far Σb may exceed the bound, as a share of it, and still be read as rounding. A float32 norm over a few hundred
# components is off by less than a tenth of this; a wrong bound or a missing normalisation is off by far more.
_SUM_TOLERANCE = 1e-5


def l2_normalize(x: ArrayLike) -> NDArray[np.float32]:
    """Vectors scaled to Euclidean length 1: x / ‖x‖₂ along the last axis; a zero vector stays zero.

    The largest magnitude is divided out first, so that neither very large nor very small components overflow or vanish
    when they are squared.

    Args:
        x: (..., D) finite numbers, D ≥ 1.

    Returns:
        (..., D) float32; each row has length 1 to float32 accuracy, or is zero.

    Raises:
        ValueError: D is 0, or a component is not finite.

    >>> l2_normalize([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    vectors = _as_floats(x)
    if vectors.ndim == 0 or vectors.shape[-1] == 0:
        raise ValueError(f"vectors need at least one component, received an array of shape {vectors.shape}")
    largest = np.max(np.abs(vectors), axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise ValueError("vectors to normalise must be finite, received NaN or infinity")
    scaled = vectors / np.where(largest > 0, largest, 1)
    length = np.sqrt(np.sum(np.square(scaled), axis=-1, keepdims=True))
    unit: NDArray[np.float32] = (scaled / np.where(length > 0, length, 1)).astype(np.float32, copy=False)
    return unit


def l1_normalize(x: ArrayLike) -> NDArray[np.float32]:
    """Non-negative vectors scaled to a sum of 1: x / Σx along the last axis; a zero vector stays zero.

    Args:
        x: (..., D) finite non-negative numbers, D ≥ 1.

    Returns:
        (..., D) float32; each row sums to 1 to float32 accuracy, or is zero.

    Raises:
        ValueError: D is 0, or a component is negative or not finite.

    >>> l1_normalize([[1.0, 3.0], [0.0, 0.0]]).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    vectors = _non_negative(_with_components(x))
    total = np.sum(vectors, axis=-1, keepdims=True, dtype=np.float64)
    shares: NDArray[np.float32] = (vectors / np.where(total > 0, total, 1)).astype(np.float32)
    return shares


def cosine_similarity(q: ArrayLike, g: ArrayLike) -> NDArray[np.float32]:
    """Cosine of the angle between each query and each gallery vector: ⟨q, g⟩ / (‖q‖₂ ‖g‖₂), 0 where either is zero.

    Args:
        q: (n_q, D) finite numbers.
        g: (n_g, D) finite numbers.

    Returns:
        (n_q, n_g) float32 in [−1, 1].

    Raises:
        ValueError: the arrays are not two-dimensional with the same D ≥ 1, or a component is not finite.

    >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0], [0.0, 5.0], [0.0, 0.0]]).tolist()
    [[1.0, 0.0, 0.0]]
    """
    queries, gallery = _matching(q, g)
    unit_queries = l2_normalize(queries)
    similarity = np.empty((len(queries), len(gallery)), dtype=np.float32)
    for rows in _blocks(len(gallery), _rows_per_block(gallery.shape[1])):
        np.matmul(unit_queries, l2_normalize(gallery[rows]).T, out=similarity[:, rows])
    # The product of two unit vectors that were rounded to float32 may exceed 1 by a rounding.
    return np.clip(similarity, -1.0, 1.0, out=similarity)


def euclidean_distance(q: ArrayLike, g: ArrayLike) -> NDArray[np.float32]:
    """Length of the difference of each query and each gallery vector: ‖q − g‖₂ = √(‖q‖² + ‖g‖² − 2⟨q, g⟩).

    The squares are taken in float64, because the difference of nearly equal squares would lose float32's digits; equal
    vectors come out within 10⁻⁷ of their length from 0. Beside the result, memory does not grow with either side.

    Args:
        q: (n_q, D) numbers.
        g: (n_g, D) numbers.

    Returns:
        (n_q, n_g) float32, ≥ 0.

    Raises:
        ValueError: the arrays are not two-dimensional with the same D ≥ 1.

    >>> euclidean_distance([[0.0, 0.0]], [[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[5.0, 0.0]]
    """
    queries, gallery = _matching(q, g)
    distance = np.empty((len(queries), len(gallery)), dtype=np.float32)
    rows_per_block = min(_PRODUCT_ROWS, max(1, _PRODUCT_ELEMENTS // queries.shape[1]))
    for query_rows in _blocks(len(queries), rows_per_block):
        block_q = queries[query_rows].astype(np.float64)
        squares_q = np.vecdot(block_q, block_q)[:, np.newaxis]
        for rows in _blocks(len(gallery), rows_per_block):
            block_g = gallery[rows].astype(np.float64)
            squares = block_q @ block_g.T
            squares *= -2.0
            squares += squares_q
            squares += np.vecdot(block_g, block_g)
            distance[query_rows, rows] = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
    return distance


def histogram_intersection(q: ArrayLike, g: ArrayLike) -> NDArray[np.float32]:
    """Mass that each query and each gallery vector have in common: Σ_i min(q_i, g_i).

    Swain and Ballard, "Color Indexing", 1991, without its division by Σg. Time is n_q·n_g·D; beside the result, memory
    stays at about a megabyte.

    Args:
        q: (n_q, D) non-negative numbers.
        g: (n_g, D) non-negative numbers.

    Returns:
        (n_q, n_g) float32, ≥ 0 and at most the smaller of the two sums.

    Raises:
        ValueError: the arrays are not two-dimensional with the same D ≥ 1, or a component is negative or not finite.

    >>> histogram_intersection([[0.5, 0.5, 0.0]], [[0.25, 0.0, 0.75], [0.5, 0.5, 0.0]]).tolist()
    [[0.25, 1.0]]
    """
    queries, gallery = (_non_negative(side).astype(np.float32, copy=False) for side in _matching(q, g))
    intersection = np.empty((len(queries), len(gallery)), dtype=np.float32)
    rows_per_block = _rows_per_block(gallery.shape[1])
    buffer = np.empty((min(rows_per_block, len(gallery)), gallery.shape[1]), dtype=np.float32)
    for rows in _blocks(len(gallery), rows_per_block):
        block = gallery[rows]
        smaller = buffer[: len(block)]
        for query, common in zip(queries, intersection[:, rows], strict=True):
            np.minimum(block, query, out=smaller)
            np.sum(smaller, axis=1, out=common)
    return intersection


def lift_gallery(p: ArrayLike, bound: float) -> NDArray[np.float32]:
    """Gallery vectors as they are stored for histogram intersection by Manhattan distance: (b, S − Σb).

    Args:
        p: (..., K) non-negative numbers.
        bound: S, at least the sum of every vector that will ever be stored beside these.

    Returns:
        (..., K + 1) float32, non-negative; every row sums to S.

    Raises:
        ValueError: K is 0, a component is negative or not finite, or a sum exceeds the bound by more than rounding
            (a hundred-thousandth of the bound; less than that is stored as 0).

    >>> lift_gallery([[0.25, 0.5]], bound=2.0).tolist()
    [[0.25, 0.5, 1.25]]
    """
    vectors = _non_negative(_with_components(p))
    slack = bound - np.sum(vectors, axis=-1, keepdims=True, dtype=np.float64)
    if slack.size and slack.min() < -_SUM_TOLERANCE * bound:
        raise ValueError(
            f"a vector sums to {bound - slack.min():.6g}, expected at most the bound {bound:.6g}: "
            "normalise the vectors, or choose a bound that holds for all of them"
        )
    return np.concatenate([vectors, np.maximum(slack, 0.0)], axis=-1, dtype=np.float32)


def lift_query(p: ArrayLike) -> NDArray[np.float32]:
    """Query vectors as they are compared with lifted gallery vectors: (a, 0).

    Args:
        p: (..., K) non-negative numbers.

    Returns:
        (..., K + 1) float32.

    Raises:
        ValueError: K is 0, or a component is negative or not finite.

    >>> lift_query([[0.25, 0.5]]).tolist()
    [[0.25, 0.5, 0.0]]
    """
    vectors = _non_negative(_with_components(p))
    return np.concatenate([vectors, np.zeros((*vectors.shape[:-1], 1))], axis=-1, dtype=np.float32)


def intersection_from_distance(distance: ArrayLike, query_sum: ArrayLike, bound: float) -> NDArray[np.float32]:
    """Histogram intersection from the Manhattan distance of lifted vectors: ½(Σa + S − d).

    Args:
        distance: d, Manhattan distances between lifted queries and lifted gallery vectors, any shape.
        query_sum: Σa of each distance's query, of a shape that broadcasts against ``distance``.
        bound: S, as the gallery was lifted.

    Returns:
        The broadcast shape, float32, ≥ 0. A distance that was rounded up beyond Σa + S counts as no intersection.

    >>> intersection_from_distance([2.25], query_sum=1.0, bound=2.0).tolist()
    [0.375]
    """
    total = np.asarray(query_sum, dtype=np.float64) + bound
    intersection = np.maximum(0.5 * (total - np.asarray(distance, dtype=np.float64)), 0.0)
    return np.asarray(intersection, dtype=np.float32)


def intersection_shares(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """Each component's part in the histogram intersection: min(a_i, b_i) / Σ_j min(a_j, b_j).

    Args:
        a: (..., K) non-negative numbers.
        b: (..., K) non-negative numbers, of a shape that broadcasts against ``a``.

    Returns:
        (..., K) float32 in [0, 1]; rows sum to 1, or are zero where the two have nothing in common.

    Raises:
        ValueError: K is 0 or differs, or a component is negative or not finite.

    >>> intersection_shares([0.5, 0.5, 0.0], [[0.25, 0.75, 1.0], [0.0, 0.0, 1.0]]).round(3).tolist()
    [[0.3330000042915344, 0.6669999957084656, 0.0], [0.0, 0.0, 0.0]]
    """
    first, second = _non_negative(_with_components(a)), _non_negative(_with_components(b))
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"both sides need the same number of components, received {first.shape} and {second.shape}")
    common = np.minimum(first, second).astype(np.float64)
    total = np.sum(common, axis=-1, keepdims=True)
    shares: NDArray[np.float32] = (common / np.where(total > 0, total, 1.0)).astype(np.float32)
    return shares


def _as_floats(x: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """The array in float32, or in float64 where it came so; copied only to convert."""
    array = np.asarray(x)
    if array.dtype == np.float64:
        return array
    return array.astype(np.float32, copy=False)


def _with_components(x: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    array = _as_floats(x)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"vectors need at least one component, received an array of shape {array.shape}")
    return array


def _matching(
    q: ArrayLike, g: ArrayLike
) -> tuple[NDArray[np.float32] | NDArray[np.float64], NDArray[np.float32] | NDArray[np.float64]]:
    queries, gallery = _as_floats(q), _as_floats(g)
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1] or queries.shape[1] == 0:
        raise ValueError(
            f"queries and gallery must be (n_q, D) and (n_g, D) with the same D of at least 1, "
            f"received {queries.shape} and {gallery.shape}"
        )
    return queries, gallery


def _non_negative(
    array: NDArray[np.float32] | NDArray[np.float64],
) -> NDArray[np.float32] | NDArray[np.float64]:
    # NaN compares false with everything, so asking for what is right catches it too.
    if array.size and not (array.min() >= 0 and np.isfinite(array.max())):
        raise ValueError(
            f"histogram intersection is defined for finite, non-negative components, "
            f"received values from {array.min():.6g} to {array.max():.6g}"
        )
    return array


def _rows_per_block(num_components: int) -> int:
    return max(1, _BLOCK_ELEMENTS // num_components)


def _blocks(num_rows: int, size: int) -> Iterator[slice]:
    for start in range(0, num_rows, size):
        yield slice(start, min(start + size, num_rows))
