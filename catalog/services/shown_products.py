"""The products behind the images of one search, each read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
