"""A data set's images, to train on."""

from __future__ import annotations

from collections.abc import Sequence

from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import DatasetImage
from embeddings.training.labelled_images import LabelledImages


def dataset_images(images: Sequence[DatasetImage], input_size: int, *, max_cached_bytes: int = 0) -> LabelledImages:
    """The images with their attributes and labels; those whose item is unknown each stand for an item of their own.

    Args:
        images: At least one.
        input_size: Edge of the square they are prepared to, in pixels.
        max_cached_bytes: How much of the prepared pixels is kept for the next epoch.

    Raises:
        UnusableDataset: the first image cannot be read. The others are read when they are asked for.
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
    )
