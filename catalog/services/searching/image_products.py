"""Which product an image shows, as searches remember it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

MOST_KEPT: Final = 200_000
"""Images whose products are remembered, in some 20 MB."""


class ImageProducts:
    """What searches have learned lately. An image never changes its product, so it may be remembered for good.

    Also of images that have been removed since. Safe for threads.
    """

    def __init__(self) -> None:
        self._product_of: dict[int, int] = {}
        self._lock = threading.Lock()

    def known(self, image_id: int) -> int | None:
        """The product's id; None where it is not known."""
        return self._product_of.get(image_id)

    def all_known(self, image_ids: Iterable[int]) -> list[int | None]:
        """The same of each image."""
        return list(map(self._product_of.get, image_ids))

    def learn(self, product_of: Mapping[int, int]) -> None:
        """Remember products by image id; where they are too many, forget the others."""
        with self._lock:
            if len(self._product_of) + len(product_of) > MOST_KEPT:
                self._product_of = {}
            self._product_of.update(product_of)
