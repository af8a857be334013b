"""Which images of a data set a choice of category leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.records import UnusableDataset

Part = Literal["training", "queries", "gallery"]


@dataclass(frozen=True, slots=True)
class CategoryChoice:
    """A category of a data set, or all of them.

    Args:
        category: As the data set writes it; None is all.
        is_whole_gallery: Whether other categories stay in the gallery.
    """

    category: str | None
    is_whole_gallery: bool

    def takes(self, category: str, part: Part) -> bool:
        """Whether an image of a category stays in a part of the data set."""
        if self.category is None or category == self.category:
            return True
        return part == "gallery" and self.is_whole_gallery

    def describe(self, name: str) -> str:
        """The data set's name with its subset."""
        if self.category is None:
            return name
        return f"{name}, {self.category}, gallery of {'all categories' if self.is_whole_gallery else 'the same'}"


def choose_category(name: str, categories: Collection[str], options: DatasetOptions) -> CategoryChoice:
    """The category that the options ask for, as the data set writes it.

    Args:
        name: The data set's name, for the error.
        categories: Those it has; empty ones do not count.

    Raises:
        UnusableDataset: the data set has no such category, or no categories.
    """
    is_whole_gallery = options.gallery == "all"
    if options.category is None:
        return CategoryChoice(None, is_whole_gallery)
    known = sorted({category for category in categories if category})
    wanted = " ".join(options.category.split()).casefold()
    found = [category for category in known if category.casefold() == wanted]
    if len(found) == 1:
        return CategoryChoice(found[0], is_whole_gallery)
    raise UnusableDataset(
        f"{name} has no category {options.category!r}" if not found else f"Categories of {name} differ in case alone",
        received=options.category,
        expected=("one of " + ", ".join(known)) if known else "no category: the data set has none",
    )
