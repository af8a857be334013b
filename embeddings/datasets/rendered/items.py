"""The rendered catalog's items: who they are, what is said of them, what is true of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from embeddings.datasets.rendered.looks import Look, draw_look
from embeddings.datasets.rendered.vocabulary import CATEGORY_PATHS
from embeddings.datasets.rendered.wording import draw_price, write_description, write_title

CURRENCY = "EUR"
_AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")
_AVAILABILITY_SHARES = (0.82, 0.1, 0.05, 0.03)

# Independent streams of randomness of one item, so that a change of the wording never changes a picture.
_LOOK_STREAM, _TEXT_STREAM = 0, 1


@dataclass(frozen=True, slots=True)
class RenderedItem:
    """One sellable item of the rendered catalog.

    Args:
        item_id: Unique in the catalog, the same for the same seed and position.
        category: Path of level names, e.g. ``("Women", "Dresses")``.
        attributes: What is true of the item, in normal form (``color=red``), sorted, without repeats.
        price: In ``currency``, an ISO 4217 code.
        availability: ``in_stock``, ``out_of_stock``, ``preorder`` or ``backorder``.
        look: What its pictures are drawn from.
    """

    item_id: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    title: str
    description: str
    price: Decimal
    currency: str
    availability: str
    look: Look


def items(num_items: int, seed: int) -> Iterator[RenderedItem]:
    """The first items of the catalog that ``seed`` stands for; a longer catalog begins with the shorter one.

    Raises:
        ValueError: ``num_items`` or ``seed`` is negative.
    """
    if num_items < 0 or seed < 0:
        raise ValueError(f"num_items and seed must not be negative, received {num_items} and {seed}")
    return (_item(position, seed) for position in range(num_items))


def _item(position: int, seed: int) -> RenderedItem:
    look = draw_look(np.random.default_rng([seed, position, _LOOK_STREAM]))
    text_random = np.random.default_rng([seed, position, _TEXT_STREAM])
    return RenderedItem(
        item_id=f"R{seed}-{position:05d}",
        category=CATEGORY_PATHS[look.kind],
        attributes=look.attributes,
        title=write_title(look, text_random),
        description=write_description(look, text_random),
        price=draw_price(look, text_random),
        currency=CURRENCY,
        availability=str(text_random.choice(_AVAILABILITIES, p=_AVAILABILITY_SHARES)),
        look=look,
    )
