"""A data set's images, to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from embeddings.datasets.photos import BROKEN_FILE_REMEDY, DatasetPhotos
from embeddings.datasets.records import DatasetImage, UnusableDataset
from embeddings.training.labelled_images import LabelledImages


def dataset_images(images: Sequence[DatasetImage], input_size: int, *, max_cached_bytes: int = 0) -> LabelledImages:
    """The images with their attributes and labels; those whose item is unknown each stand for an item of their own.

    Every file is read once, so that equal pictures are known as such by whatever names they go.

    Args:
        images: At least one.
        input_size: Edge of the square they are prepared to, in pixels.
        max_cached_bytes: How much of the prepared pixels is kept for the next epoch.

    Raises:
        UnusableDataset: a file cannot be read, or the first is no image. The others are decoded when asked for.
    """
    return LabelledImages(
        images=DatasetPhotos(images, input_size, max_cached_bytes=max_cached_bytes),
        attributes=[image.attributes for image in images],
        item_ids=[
            # No item is called so: what a data set calls its items holds no line break.
            image.item if image.item is not None else f"{position}\n"
            for position, image in enumerate(images)
        ]
        if any(image.item is not None for image in images)
        else None,
        labels={level: [image.labels[level] for image in images] for level in images[0].labels},
        pictures=[_picture(image) for image in images],
    )


def _picture(image: DatasetImage) -> str:
    """Equal for equal bytes and boxes."""
    try:
        with image.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusableDataset(
            "An image of the data set cannot be read",
            received=f"{image.path}: {error.strerror}",
            expected="a readable file",
            remedy=BROKEN_FILE_REMEDY,
        ) from error
    return f"{content} {image.crop}"
