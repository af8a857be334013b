"""How far a converted network finds what the version's own finds, and how fast it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS: Final = 10
_BLOCK: Final = 32
Embed = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a comparison found.

    Args:
        recall: Share of each image's nearest neighbours by cosine that both find, by feature.
        neighbours: How many neighbours that is.
        rate: Images per second of the converted network.
        full_rate: The same of the version's own, in the same run.
        num_images: How many images were compared with each other.
    """

    recall: Mapping[str, float]
    neighbours: int
    rate: float
    full_rate: float
    num_images: int


def neighbour_recall(exact: NDArray[np.float32], found: NDArray[np.float32], k: int = NEIGHBOURS) -> float:
    """Mean share of each row's k nearest other rows in ``exact`` that are among its k nearest in ``found``.

    Args:
        exact, found: (n, D) unit rows of the same n images; n > k ≥ 1.

    Raises:
        ValueError: the numbers of rows differ, or there are not more than k.
    """
    if len(exact) != len(found) or not 1 <= k < len(exact):
        raise ValueError(f"expected equally many rows, more than k = {k} ≥ 1; received {len(exact)} and {len(found)}")
    shared = [len(set(one) & set(other)) for one, other in zip(_nearest(exact, k), _nearest(found, k), strict=True)]
    return float(np.mean(shared)) / k


def compare(full: Embed, converted: Embed, images: NDArray[np.uint8]) -> Agreement:
    """Run both on the same images and compare.

    Args:
        full, converted: ``embed`` of the version and of its conversion: unit rows by feature.
        images: (n, S, S, 3) uint8, n ≥ 3; of fewer than 12 images all neighbours but one are compared. Rates are those
            of whole blocks of 32, of fewer images that of all together.

    Raises:
        ValueError: there are fewer than three images.
    """
    if len(images) < 3:
        raise ValueError(f"neighbours of at least three images can be compared, received {len(images)}")
    block = min(_BLOCK, len(images))
    # Both compile on their first call, which is not what is measured.
    for embed in (full, converted):
        embed(images[:block])
    features: list[list[Mapping[str, NDArray[np.float32]]]] = [[], []]
    seconds = [0.0, 0.0]
    # In turns, so that whatever else the machine does slows both alike.
    for first in range(0, len(images), block):
        part = images[first : first + block]
        for which, embed in enumerate((full, converted)):
            start = time.perf_counter()
            features[which].append(embed(part))
            # A last block of fewer images is compiled anew, or filled up: its time says nothing about a rate.
            if len(part) == block:
                seconds[which] += time.perf_counter() - start
    num_timed = len(images) - len(images) % block
    k = min(NEIGHBOURS, len(images) - 2)
    recall = {
        name: neighbour_recall(
            np.concatenate([part[name] for part in features[0]]),
            np.concatenate([part[name] for part in features[1]]),
            k,
        )
        for name in features[0][0]
    }
    return Agreement(recall, k, num_timed / seconds[1], num_timed / seconds[0], len(images))


def _nearest(rows: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -np.inf)
    nearest: NDArray[np.intp] = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return nearest
