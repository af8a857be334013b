"""Which items are held out: never one that shows the same thing as an item that is trained on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def num_asked_for(share: float, num_items: int) -> int:
    """How many items a share of them is: at least one, and never all.

    >>> num_asked_for(0.1, 25), num_asked_for(0.1, 3), num_asked_for(0.9, 3)
    (2, 1, 2)
    """
    return min(max(round(share * num_items), 1), num_items - 1)


def choose_held_out(
    items: Sequence[str], links: Iterable[Sequence[Hashable | None]], share: float, seed: int
) -> NDArray[np.bool_]:
    """Which images are held out.

    Items that are linked, directly or through others, fall on the same side. So do all images of an item. Sets of
    linked items that are more than what is asked for are trained on: one placeholder photo can link half of a catalog.

    Args:
        items: For each of n images, its item; at least two different ones.
        links: Each for n images what links it to others that have the same; None links to nothing.
        share: In (0, 1), of the items.
        seed: Decides which.

    Returns:
        (n,); all false where every set of linked items is more than is asked for.
    """
    linked = _linked(items, links)
    num_items: dict[int, int] = {}
    # By name, so that the order of the images does not matter.
    for _, number in sorted(dict(zip(items, linked, strict=True)).items()):
        num_items[number] = num_items.get(number, 0) + 1
    left = num_asked_for(share, sum(num_items.values()))
    sets = list(num_items)
    chosen: set[int] = set()
    for position in np.random.default_rng(seed).permutation(len(sets)):
        if num_items[sets[position]] <= left:
            left -= num_items[sets[position]]
            chosen.add(sets[position])
    return np.array([number in chosen for number in linked])


def _linked(items: Sequence[str], links: Iterable[Sequence[Hashable | None]]) -> list[int]:
    """For each image the number of its set: the position of the set's first image."""
    first_of = list(range(len(items)))

    def find(position: int) -> int:
        while first_of[position] != position:
            # Halves the way for whoever asks next.
            first_of[position] = first_of[first_of[position]]
            position = first_of[position]
        return position

    for keys in (items, *links):
        first_with: dict[Hashable, int] = {}
        for position, key in enumerate(keys):
            if key is None:
                continue
            one, other = sorted((find(position), find(first_with.setdefault(key, position))))
            first_of[other] = one
    return [find(position) for position in range(len(items))]
