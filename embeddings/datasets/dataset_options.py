"""What may be chosen when a data set is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

GalleryScope = Literal["same", "all"]


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """Choices for any kind of data set; those of another kind are left alone.

    Args:
        category: Train on images of this category alone, and search with them; None is all. Upper and lower case are
            the same.
        gallery: Search images of the same category (``same``), or all (``all``). Means nothing without a category.
        min_certainty: Of CUB's attributes of single images: an attribute counts as present if its annotator was this
            certain or more: 1 not visible, 2 guessing, 3 probably, 4 definitely. 1 takes every label as published.
        min_class_percent: Of CUB's attributes of classes: an attribute counts as present in every image of a class if
            this many percent of the annotators, or more, saw it.
        rendered_items, rendered_views, rendered_seed, rendered_height: Which rendered catalog; where None, what the
            folder already holds, else 600 items in 3 views of 320 pixels by seed 0.
        rendered_held_out: Share of the rendered items that are held out as queries and gallery, in (0, 1).

    Raises:
        ValueError: a value is outside its range.
    """

    category: str | None = None
    gallery: GalleryScope = "same"
    min_certainty: int = 1
    min_class_percent: float = 50.0
    rendered_items: int | None = None
    rendered_views: int | None = None
    rendered_seed: int | None = None
    rendered_height: int | None = None
    rendered_held_out: float = 0.3

    def __post_init__(self) -> None:
        if self.gallery not in ("same", "all"):
            raise ValueError(f"gallery must be 'same' or 'all', received {self.gallery!r}")
        if not 1 <= self.min_certainty <= 4:
            raise ValueError(f"min_certainty must be 1, 2, 3 or 4, received {self.min_certainty}")
        # At 0 every attribute would be present everywhere.
        if not (math.isfinite(self.min_class_percent) and 0 < self.min_class_percent <= 100):
            raise ValueError(f"min_class_percent must lie above 0 and up to 100, received {self.min_class_percent}")
        if not 0 < self.rendered_held_out < 1:
            raise ValueError(f"rendered_held_out must lie between 0 and 1, received {self.rendered_held_out}")
        for name, value, least in (
            ("rendered_items", self.rendered_items, 2),
            ("rendered_views", self.rendered_views, 1),
            ("rendered_seed", self.rendered_seed, 0),
            ("rendered_height", self.rendered_height, 32),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, received {value}")
