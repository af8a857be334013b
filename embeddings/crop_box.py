"""The part of an image that shows the item. A value of its own, so that naming it loads no image library."""

from __future__ import annotations

import math
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


@dataclass(frozen=True, slots=True)
class RelativeBox:
    """A box in shares of the upright image's width and height, each from 0 to 1.

    Raises:
        ValueError: the box is empty or leaves the image.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        # Written so that NaN fails, too.
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(
                f"a relative box needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1, "
                f"received left={self.left}, top={self.top}, right={self.right}, bottom={self.bottom}"
            )

    def in_pixels(self, width: int, height: int) -> CropBox:
        """The smallest box of whole pixels around it in an image of that size, at least one pixel each way.

        >>> RelativeBox(0.1, 0.0, 0.5, 1.0).in_pixels(25, 40)
        CropBox(left=2, top=0, right=13, bottom=40)
        """
        left, right = _pixels(self.left, self.right, width)
        top, bottom = _pixels(self.top, self.bottom, height)
        return CropBox(left, top, right, bottom)


def _pixels(start: float, end: float, size: int) -> tuple[int, int]:
    first = min(math.floor(start * size), size - 1)
    return first, min(max(math.ceil(end * size), first + 1), size)
