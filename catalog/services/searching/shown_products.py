"""The products behind the images of one search, each read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.ports.vector_index import ScoredPoint
from catalog.repositories.products import ShownProduct
from catalog.services.searching.image_products import ImageProducts
from catalog.unit_of_work import UnitOfWorkFactory


class ShownProducts:
    """What a search can show, for all its stages that must know.

    Args:
        products: What is known of images before they are read.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, merchant_id: int, products: ImageProducts) -> None:
        self._unit_of_work = unit_of_work
        self._merchant_id = merchant_id
        self._products = products
        self._read: dict[int, ShownProduct | None] = {}

    def of(self, image_ids: Sequence[int]) -> Mapping[int, ShownProduct]:
        """By image id; what the merchant no longer has is left out."""
        unread = [id for id in image_ids if id not in self._read]
        if unread:
            with self._unit_of_work() as work:
                shown = work.products.shown(unread, self._merchant_id)
            self._products.learn({id: product.product_id for id, product in shown.items()})
            self._read.update({id: shown.get(id) for id in unread})
        return {id: product for id in image_ids if (product := self._read[id]) is not None}

    def hits(
        self, points: Sequence[ScoredPoint], wanted: int, *, per_product: bool
    ) -> list[tuple[ScoredPoint, ShownProduct]]:
        """The first points that can be shown, with what to show; no more products are read than so many need.

        Args:
            wanted: At most so many.
            per_product: Of several images of one product the first alone.
        """
        num = wanted
        while True:
            first = self._first(points, wanted, per_product=per_product)
            shown = [(point, product) for point in first if (product := self._read.get(point.id)) is not None]
            if len(shown) == len(first):
                return shown
            # The more rounds it takes, the less was known, and the more is read at once.
            self.of([point.id for point in self._first(points, num, per_product=per_product)])
            num *= 2

    def _first(self, points: Sequence[ScoredPoint], num: int, *, per_product: bool) -> list[ScoredPoint]:
        """The first that can be hits, as far as is known by now."""
        first: list[ScoredPoint] = []
        seen: set[int] = set()
        for point in points:
            if len(first) == num:
                break
            read = self._read.get(point.id)
            if point.id in self._read and read is None:
                continue
            # What others have learned may be forgotten at any moment; what was read here may not.
            product = self._products.known(point.id) if read is None else read.product_id
            if per_product and product is not None and product in seen:
                continue
            if product is not None:
                seen.add(product)
            first.append(point)
        return first
