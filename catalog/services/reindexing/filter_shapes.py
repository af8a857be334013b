"""Filters of different shapes that one image of a catalog passes: what a search near it could ask for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from catalog.repositories.images import IndexableImage
from catalog.services.galleries.gallery_layout import CATEGORY_SEPARATOR
from catalog.types import SearchFilters

MOST_PER_SHAPE = 6

_PRICE_RANGES = ((Decimal("0.9"), Decimal("1.1")), (Decimal("0.5"), Decimal(2)))
"""Bounds as parts of the image's own price."""


class FilterShape(StrEnum):
    """What kind of conditions a filter has. An index answers each in a way of its own, so each can fail alone."""

    NONE = "no filter"
    CATEGORY = "category"
    ATTRIBUTE = "one attribute"
    TWO_ATTRIBUTES = "two attributes"
    PRICE = "price range"


def filters_like(image: IndexableImage, turn: int) -> Mapping[FilterShape, tuple[SearchFilters, ...]]:
    """Filters that the image itself passes, up to ``MOST_PER_SHAPE`` of each shape, those to try first coming first.

    Categories go from the special to the general, price ranges from the narrow to the wide. A shape that the image has
    nothing for (no price, a single attribute) has no filter.

    Args:
        turn: The attributes begin with another one at every turn, so that images which have the same do not all ask
            for the same.
    """
    start = turn % max(1, len(image.attributes))
    attributes = image.attributes[start:] + image.attributes[:start]
    depths = range(len(image.category), 0, -1)
    prices: list[SearchFilters] = []
    if image.price is not None:
        prices = [
            SearchFilters(min_price=image.price * low, max_price=image.price * high, currency=image.currency)
            for low, high in _PRICE_RANGES
        ]
    found = {
        FilterShape.NONE: [SearchFilters()],
        FilterShape.CATEGORY: [
            SearchFilters(category=CATEGORY_SEPARATOR.join(image.category[:depth])) for depth in depths
        ],
        FilterShape.ATTRIBUTE: [SearchFilters(all_of=(name,)) for name in attributes],
        FilterShape.TWO_ATTRIBUTES: [
            SearchFilters(all_of=pair)
            for pair in itertools.islice(itertools.combinations(attributes, 2), MOST_PER_SHAPE)
        ],
        FilterShape.PRICE: prices,
    }
    return {shape: tuple(filters[:MOST_PER_SHAPE]) for shape, filters in found.items()}
