"""Fewer hits that are like the hits before them: maximal marginal relevance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def diverse_order(relevance: NDArray[np.float32], similarity: NDArray[np.float32], diversity: float) -> list[int]:
    """Positions in the order of maximal marginal relevance.

    After the most relevant item always the one with the largest λ · relevance − (1 − λ) · its largest similarity to
    those before it; of equals the first. λ is 1 − ``diversity``: at 0 it is the order of relevance, at 1 that of
    novelty alone. What comes first does not depend on how many are looked at.

    Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
    summaries", SIGIR 1998.

    Args:
        relevance: (n,) from 0 to 1.
        similarity: (n, n) of the items with each other, from 0 to 1, so that the two sides weigh alike.
        diversity: From 0 to 1.

    >>> alike = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32)
    >>> diverse_order(np.array([1.0, 0.9, 0.5], dtype=np.float32), alike, 0.4)
    [0, 2, 1]
    """
    if len(relevance) == 0:
        return []
    gain = (1.0 - diversity) * relevance.astype(np.float64)
    loss = diversity * similarity.astype(np.float64)
    order = [int(relevance.argmax())]
    largest_loss = loss[order[0]].copy()
    gain[order[0]] = -np.inf
    for _ in range(len(relevance) - 1):
        chosen = int((gain - largest_loss).argmax())
        order.append(chosen)
        gain[chosen] = -np.inf
        np.maximum(largest_loss, loss[chosen], out=largest_loss)
    return order


def stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values over their own range: the smallest at 0, the largest at 1; all 0 where they are equal.

    >>> stretched(np.array([2.0, 6.0, 3.0], dtype=np.float32)).tolist()
    [0.0, 1.0, 0.25]
    """
    if values.size == 0:
        return values
    low = values.min()
    span = values.max() - low
    return np.asarray((values - low) / span if span > 0 else np.zeros_like(values), dtype=np.float32)
