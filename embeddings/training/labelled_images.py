"""Images with what is known about them: attributes, and which item each shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.training.held_out_items import choose_held_out


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
        item_groups: For each image, what it shares with variants of its item, such as other colours; None where the
            item has none, or none is known of any.
        pictures: For each image, a key that is equal where the pictures are; None where all differ.

    Raises:
        ValueError: the lengths differ, there are no images, or they are not (S, S, 3) uint8.
    """

    images: ImageSequence
    attributes: Sequence[Sequence[str]]
    item_ids: Sequence[str] | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    item_groups: Sequence[str | None] | None = None
    pictures: Sequence[str] | None = None

    def __post_init__(self) -> None:
        lengths = {"images": len(self.images), "attributes": len(self.attributes)}
        for name in ("item_ids", "item_groups", "pictures"):
            if (values := getattr(self, name)) is not None:
                lengths[name] = len(values)
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
            item_ids=_at(self.item_ids, positions),
            labels={level: [labels[position] for position in positions] for level, labels in self.labels.items()},
            item_groups=_at(self.item_groups, positions),
            pictures=_at(self.pictures, positions),
        )

    @property
    def num_items(self) -> int:
        """How many items there are; as many as images, where identities are unknown."""
        return len(self) if self.item_ids is None else len(set(self.item_ids))

    def split(self, held_out_share: float, seed: int) -> tuple[LabelledImages, LabelledImages | None]:
        """Training and held-out images. No picture, no item and no group of items is on both sides.

        Items that share a picture or a group are held out together, as ``choose_held_out`` does it.

        Args:
            held_out_share: In (0, 1), of the items (of the images, where identities are unknown).
            seed: Decides which.

        Returns:
            Held-out images are None where more items than that belong together, whichever is taken.

        Raises:
            ValueError: the share is outside (0, 1), or there are fewer than two items.
        """
        if not 0 < held_out_share < 1:
            raise ValueError(f"held_out_share must lie between 0 and 1, received {held_out_share}")
        if self.num_items < 2:
            raise ValueError(f"a split needs at least two items, received {self.num_items}")
        items = self.item_ids if self.item_ids is not None else [str(position) for position in range(len(self))]
        links = [keys for keys in (self.item_groups, self.pictures) if keys is not None]
        held_out = choose_held_out(items, links, held_out_share, seed)
        if not held_out.any():
            return self, None
        return self.subset(np.flatnonzero(~held_out).tolist()), self.subset(np.flatnonzero(held_out).tolist())


_Value = TypeVar("_Value")


def _at(values: Sequence[_Value] | None, positions: Sequence[int]) -> list[_Value] | None:
    return None if values is None else [values[position] for position in positions]


@dataclass(frozen=True, slots=True)
class _Selection:
    """Some of the images, in another order."""

    images: ImageSequence
    positions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self.images[self.positions[index]]
