"""The part of an image that shows the item. A value of its own, so that naming it loads no image library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CropBox:
    """A box in pixels of the upright image: left and top inclusive, right and bottom exclusive.

    Raises:
        ValueError: the box is empty or starts outside the image.
    """

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if self.left < 0 or self.top < 0 or self.right <= self.left or self.bottom <= self.top:
            raise ValueError(
                f"a crop box needs 0 <= left < right and 0 <= top < bottom, "
                f"received left={self.left}, top={self.top}, right={self.right}, bottom={self.bottom}"
            )
