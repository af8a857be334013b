"""Polygons around an item in its photo, as crop boxes."""

from __future__ import annotations

import math

from catalog.feeds.feed_row import ValueFault, shorten
from embeddings.crop_box import CropBox, RelativeBox

_EXPECTED = (
    "x,y,x,y,… of at least two corners of a box around the item, within the image: in whole pixels, or in shares of "
    "the image from 0 to 1; the whole image is taken"
)
_MAX_EDGE = 10**9


def parse_bounding_polygon(value: object) -> CropBox | RelativeBox | None:
    """The box around a polygon's vertices, or None where there is no polygon.

    Where no number is above 1 they are shares of the image's width and height; else they are pixels.

    Args:
        value: ``x1,y1,x2,y2,…``.

    Raises:
        ValueFault: it is no polygon, or one without an area.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueFault(shorten(text), _EXPECTED) from None
    if len(numbers) % 2 or not all(0 <= number <= _MAX_EDGE for number in numbers):
        raise ValueFault(shorten(text), _EXPECTED)
    columns, rows = numbers[::2], numbers[1::2]
    box = min(columns), min(rows), max(columns), max(rows)
    largest = max(numbers)
    # A share that leaves the image a little is no box of one pixel.
    if 1 < largest < 2:
        raise ValueFault(shorten(text), _EXPECTED)
    try:
        if largest <= 1:
            return RelativeBox(*box)
        return CropBox(math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3]))
    except ValueError:
        raise ValueFault(shorten(text), _EXPECTED) from None
