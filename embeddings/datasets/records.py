"""What a data set is, however it was published: images to train on, queries, and the gallery they search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from embeddings.crop_box import CropBox
from embeddings.errors import EmbeddingsError


class UnusableDataset(EmbeddingsError):
    """A data set's folder lacks a file, or a file of it is malformed. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class DatasetImage:
    """One picture of a data set, not yet read.

    Args:
        path: The file.
        labels: What a result is judged by, by level, such as ``{"item": "id_00000008"}`` or, from fine to coarse,
            ``{"species": "Downy Woodpecker", "family": "Woodpecker"}``. A result is relevant at a level if its label
            there equals the query's. Every image of a data set has the same levels in the same order.
        attributes: In normal form, sorted.
        item: What must not be split between training and held-out images; None where the data set knows no items.
        category: The garment's kind, such as ``Dresses``; empty where the data set does not say.
        crop: The item's box in pixels of the upright image; None is the whole image.
        text: What the data set says of the item in words, from which attributes may be mined; often empty.
    """

    path: Path
    labels: Mapping[str, str]
    attributes: tuple[str, ...] = ()
    item: str | None = None
    category: str = ""
    crop: CropBox | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as its protocol splits it.

    A query is never a result of its own: of a gallery that holds it, the equal ``DatasetImage`` is left out.

    Args:
        name: As a person would call it, its subset included.
        training: Images to train on; empty where the data set came without them, as for an evaluation alone.
        queries: Images to search with; each may also be in the gallery.
        gallery: Images to search.
        notes: What the reader noticed and a person should know, such as "attributes are those of the class".

    Raises:
        ValueError: the images do not all have the same levels of labels.
    """

    name: str
    training: tuple[DatasetImage, ...]
    queries: tuple[DatasetImage, ...]
    gallery: tuple[DatasetImage, ...]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        levels = {tuple(image.labels) for part in (self.training, self.queries, self.gallery) for image in part}
        if len(levels) > 1:
            raise ValueError(f"every image needs the same levels of labels, received {sorted(levels)}")

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of relevance, from fine to coarse; empty where there are no images."""
        for part in (self.queries, self.gallery, self.training):
            for image in part:
                return tuple(image.labels)
        return ()
