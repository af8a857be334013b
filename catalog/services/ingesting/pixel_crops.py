"""Crop boxes that a feed gives in shares of the image, in pixels once the image's size is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from catalog.services.ingesting.source_images import ReadImage, Reading
from catalog.types import FeedImage, ProductRecord, RowError
from embeddings.crop_box import RelativeBox

Size: TypeAlias = tuple[int, int]
"""Width and height."""


def boxes_to_fetch(records: Iterable[ProductRecord]) -> dict[tuple[str, str], RelativeBox]:
    """The boxes in shares of images by address, by the product's id and the image's source."""
    return {
        (record.external_id, image.source): image.relative_crop
        for record in records
        for image in record.images
        if image.relative_crop is not None and image.is_address
    }


def with_pixel_crops(
    rows: Sequence[ProductRecord | RowError],
    readings: Mapping[tuple[int, str], Reading],
    sizes: Mapping[tuple[str, str], Size],
) -> list[ProductRecord | RowError]:
    """The rows with boxes in pixels of all images whose size is known by now.

    Args:
        readings: By the product's line and the image's source.
        sizes: Of images by address that were fetched before, by the product's id and the image's source.
    """
    return [_in_pixels(row, readings, sizes) if isinstance(row, ProductRecord) else row for row in rows]


def _in_pixels(
    record: ProductRecord, readings: Mapping[tuple[int, str], Reading], sizes: Mapping[tuple[str, str], Size]
) -> ProductRecord:
    if all(image.relative_crop is None for image in record.images):
        return record
    images = []
    for image in record.images:
        reading = readings.get((record.line, image.source))
        read = (reading.width, reading.height) if isinstance(reading, ReadImage) else None
        images.append(_cropped(image, read or sizes.get((record.external_id, image.source))))
    return replace(record, images=tuple(images))


def _cropped(image: FeedImage, size: Size | None) -> FeedImage:
    if image.relative_crop is None or size is None:
        return image
    return replace(image, crop=image.relative_crop.in_pixels(*size))
