"""What may be chosen when a data set is opened."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

GalleryScope = Literal["same", "all"]

NAMED_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "cub": {"certainty": "min_certainty", "class-percent": "min_class_percent"},
    "rendered": {
        "items": "rendered_items",
        "views": "rendered_views",
        "seed": "rendered_seed",
        "height": "rendered_height",
        "held-out": "rendered_held_out",
    },
}
"""Kinds of data sets that have choices of their own, and the field of each choice by its name on a command line."""

_FRACTIONS: Final = frozenset({"min_class_percent", "rendered_held_out"})


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


def named_options(kind: str, texts: Sequence[str]) -> dict[str, int | float]:
    """Fields of ``DatasetOptions`` from texts such as ``certainty=3``, for a data set of a kind (``cub``).

    Raises:
        ValueError: the kind has no such choice, the value is no number, or a choice is made twice.

    >>> named_options("cub", ["certainty=3", "class-percent=62.5"])
    {'min_certainty': 3, 'min_class_percent': 62.5}
    """
    fields = NAMED_OPTIONS.get(kind, {})
    chosen: dict[str, int | float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        field = fields.get(name)
        if field is None or not equals:
            known = ", ".join(f"{one}=NUMBER" for one in fields) or "no choice: it has none"
            raise ValueError(f"received {text!r} for a data set of kind {kind!r}, expected {known}")
        if field in chosen:
            raise ValueError(f"received {name} twice, expected one value")
        try:
            chosen[field] = float(value) if field in _FRACTIONS else int(value)
        except ValueError as error:
            number = "a number" if field in _FRACTIONS else "a whole number"
            raise ValueError(f"received {text!r}, expected {name} to be {number}") from error
    return chosen
