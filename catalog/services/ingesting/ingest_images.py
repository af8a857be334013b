"""A product's images: those that a feed names, and those that stay because it says nothing of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.repositories.products import KnownImage
from catalog.types import FeedImage, ProductField, ProductRecord
from embeddings.crop_box import CropBox


def images_of_known(record: ProductRecord, stored: Mapping[str, KnownImage]) -> list[FeedImage]:
    """What images a known product is to have, in order of position, each source once.

    Where the feed does not give the main image, or the additional ones, the stored ones stay; where it gives no box,
    every image keeps its own.

    Args:
        stored: The product's images by source.
    """
    kept = sorted(stored.values(), key=lambda image: image.position)
    sources = list(dict.fromkeys([*_main(record, kept), *_additional(record, kept)]))
    given = {image.source: image.crop for image in record.images}
    images: list[FeedImage] = []
    for position, source in enumerate(sources):
        if ProductField.IMAGE_BOX not in record.given:
            crop = _crop_of(stored[source]) if source in stored else None
        elif ProductField.IMAGE in record.given:
            crop = given[source] if source in given else _crop_of(stored[source])
        else:
            crop = record.image_box if position == 0 else _additional_crop(source, given, stored)
        images.append(FeedImage(source, position, crop))
    return images


def told_image(
    source: str, position: int, crop: Sequence[int] | None, sha256: str | None
) -> dict[str, str | int | list[int] | None]:
    """What a history tells of an image, JSON-serialisable."""
    return {
        "source": source,
        "position": position,
        "crop": None if crop is None else list(crop),
        "sha256": sha256,
    }


def told_of(image: Mapping[str, Any]) -> dict[str, str | int | list[int] | None]:
    """The same of an image that was written down whole."""
    return told_image(image["source"], image["position"], image["crop"], image["sha256"])


def _main(record: ProductRecord, kept: Sequence[KnownImage]) -> list[str]:
    if ProductField.IMAGE in record.given:
        return [image.source for image in record.images[:1]]
    return [image.source for image in kept[:1]]


def _additional(record: ProductRecord, kept: Sequence[KnownImage]) -> list[str]:
    if ProductField.ADDITIONAL_IMAGES not in record.given:
        return [image.source for image in kept[1:]]
    named = record.images[1:] if ProductField.IMAGE in record.given else record.images
    return [image.source for image in named]


def _additional_crop(
    source: str, given: Mapping[str, CropBox | None], stored: Mapping[str, KnownImage]
) -> CropBox | None:
    return given[source] if source in given else _crop_of(stored[source])


def _crop_of(image: KnownImage) -> CropBox | None:
    return None if image.crop is None else CropBox(*image.crop)
