"""Images with what is known about them: attributes, and which item each shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageSequence(Protocol):
    """Prepared images by position: an array (n, S, S, 3) uint8, or anything that reads them one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """(S, S, 3) uint8, RGB."""


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images to train or to measure with.

    Args:
        images: n prepared images of one size; at least one.
        attributes: For each image, its attributes in normal form.
        item_ids: For each image, the item it shows; None where identities are unknown.
        labels: By level, such as ``species``, each image's label: what results are judged by. Nothing is trained on it.

    Raises:
        ValueError: the lengths differ, there are no images, or they are not (S, S, 3) uint8.
    """

    images: ImageSequence
    attributes: Sequence[Sequence[str]]
    item_ids: Sequence[str] | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {"images": len(self.images), "attributes": len(self.attributes)}
        if self.item_ids is not None:
            lengths["item_ids"] = len(self.item_ids)
        lengths |= {f"labels of {level}": len(labels) for level, labels in self.labels.items()}
        if len(set(lengths.values())) != 1 or not lengths["images"]:
            raise ValueError(f"expected as many of each and at least one, received {lengths}")
        first = np.asarray(self.images[0])
        if first.dtype != np.uint8 or first.ndim != 3 or first.shape[0] != first.shape[1] or first.shape[2] != 3:
            raise ValueError(f"images must be (S, S, 3) uint8, received {first.shape} {first.dtype}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def input_size(self) -> int:
        """Edge of the square images, in pixels."""
        return int(np.asarray(self.images[0]).shape[0])

    def batch(self, positions: Sequence[int]) -> NDArray[np.uint8]:
        """(len(positions), S, S, 3) uint8: the images at these positions, in this order."""
        return np.stack([np.asarray(self.images[position]) for position in positions])

    def subset(self, positions: Sequence[int]) -> LabelledImages:
        """The images at these positions, in this order, not copied."""
        return LabelledImages(
            images=_Selection(self.images, tuple(positions)),
            attributes=[self.attributes[position] for position in positions],
            item_ids=None if self.item_ids is None else [self.item_ids[position] for position in positions],
            labels={level: [labels[position] for position in positions] for level, labels in self.labels.items()},
        )

    def split(self, held_out_share: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
        """Training and held-out images. All images of an item fall on the same side, where identities are known.

        Args:
            held_out_share: In (0, 1), of the items (of the images, where identities are unknown).
            seed: Decides which.

        Raises:
            ValueError: the share is outside (0, 1), or there are fewer than two items.
        """
        if not 0 < held_out_share < 1:
            raise ValueError(f"held_out_share must lie between 0 and 1, received {held_out_share}")
        keys = self.item_ids if self.item_ids is not None else [str(position) for position in range(len(self))]
        items = sorted(set(keys))
        if len(items) < 2:
            raise ValueError(f"a split needs at least two items, received {len(items)}")
        num_held_out = min(max(round(held_out_share * len(items)), 1), len(items) - 1)
        chosen = np.random.default_rng(seed).permutation(len(items))[:num_held_out]
        held_out_items = {items[position] for position in chosen}
        training = [position for position, key in enumerate(keys) if key not in held_out_items]
        held_out = [position for position, key in enumerate(keys) if key in held_out_items]
        return self.subset(training), self.subset(held_out)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Some of the images, in another order."""

    images: ImageSequence
    positions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self.images[self.positions[index]]
