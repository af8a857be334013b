"""Crop boxes that a feed gives in shares of the image, in pixels once the image has been read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from catalog.services.source_images import ReadImage, Reading
from catalog.types import FeedImage, ProductRecord, RowError


def with_pixel_crops(
    rows: Sequence[ProductRecord | RowError], readings: Mapping[tuple[int, str], Reading]
) -> list[ProductRecord | RowError]:
    """The rows with the boxes in pixels of all images whose size is known by now.

    Args:
        readings: By the product's line and the image's source.
    """
    return [_in_pixels(row, readings) if isinstance(row, ProductRecord) else row for row in rows]


def _in_pixels(record: ProductRecord, readings: Mapping[tuple[int, str], Reading]) -> ProductRecord:
    if all(image.relative_crop is None for image in record.images):
        return record
    return replace(
        record, images=tuple(_cropped(image, readings.get((record.line, image.source))) for image in record.images)
    )


def _cropped(image: FeedImage, reading: Reading | None) -> FeedImage:
    if image.relative_crop is None or not isinstance(reading, ReadImage):
        return image
    return replace(image, crop=image.relative_crop.in_pixels(reading.width, reading.height), relative_crop=None)
