"""The products behind the images of one search, each read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.ports.vector_index import ScoredPoint
from catalog.repositories.products import ShownProduct
from catalog.unit_of_work import UnitOfWorkFactory


class ShownProducts:
    """What a search can show, for all its stages that must know."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, merchant_id: int) -> None:
        self._unit_of_work = unit_of_work
        self._merchant_id = merchant_id
        self._read: dict[int, ShownProduct | None] = {}

    def of(self, image_ids: Sequence[int]) -> Mapping[int, ShownProduct]:
        """By image id; what the merchant no longer has is left out."""
        unread = [id for id in image_ids if id not in self._read]
        if unread:
            with self._unit_of_work() as work:
                shown = work.products.shown(unread, self._merchant_id)
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
        found: list[tuple[ScoredPoint, ShownProduct]] = []
        seen: set[int] = set()
        done, num = 0, 2 * wanted
        while done < len(points) and len(found) < wanted:
            part = points[done : done + num]
            products = self.of([point.id for point in part])
            for point in part:
                product = products.get(point.id)
                if product is None or (per_product and product.product_id in seen):
                    continue
                seen.add(product.product_id)
                found.append((point, product))
            done += len(part)
            num *= 2
        return found
