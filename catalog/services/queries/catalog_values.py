"""What the products of a merchant have that can be filtered by, as it was a few seconds ago."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from catalog.repositories.facets import ProductConditions, ProductCounts
from catalog.services.remembered import Remembered
from catalog.unit_of_work import UnitOfWorkFactory

SECONDS: Final = 20.0
"""How old it may be. The currencies of a catalog and most of its attributes stay for months."""

SECONDS_OF_DENIALS: Final = 2.0
"""How old it may be where it says that there is no such thing: an ingest may just have brought it."""

MOST_FIELD_VALUES: Final = 200
_MOST_MERCHANTS: Final = 200


class CatalogValues:
    """Reads them once for many requests."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work
        self._currencies = Remembered(self._read_currencies, seconds=SECONDS, most=_MOST_MERCHANTS)
        self._fields = Remembered(self._read_fields, seconds=SECONDS, most=_MOST_MERCHANTS)
        self._counts = Remembered(self._read_counts, seconds=SECONDS, most=_MOST_MERCHANTS)

    def currencies(self, merchant_id: int, seconds: float = SECONDS) -> tuple[str, ...]:
        """Of the merchant's prices, in alphabetical order.

        Args:
            seconds: How old they may be.
        """
        return self._currencies.get(merchant_id, seconds)

    def counts(self, merchant_id: int, seconds: float = SECONDS) -> ProductCounts:
        """Of all products that searches can find.

        Args:
            seconds: How old they may be.
        """
        return self._counts.get(merchant_id, seconds)

    def has_attribute(self, merchant_id: int, names: tuple[str, ...]) -> bool:
        """Whether a product has one of them."""
        if any(name in self.counts(merchant_id).attributes for name in names):
            return True
        now = self.counts(merchant_id, SECONDS_OF_DENIALS)
        return any(name in now.attributes for name in names)

    def fields(self, merchant_id: int, seconds: float = SECONDS) -> Mapping[str, int]:
        """Numbers of products by own field, ``name=value``, at most ``MOST_FIELD_VALUES`` of a name.

        Args:
            seconds: How old they may be.
        """
        return self._fields.get(merchant_id, seconds)

    def _read_fields(self, merchant_id: int) -> Mapping[str, int]:
        with self._unit_of_work() as work:
            return work.facets.fields(merchant_id, ProductConditions(), most=MOST_FIELD_VALUES)

    def _read_currencies(self, merchant_id: int) -> tuple[str, ...]:
        with self._unit_of_work() as work:
            return tuple(work.facets.currencies(merchant_id))

    def _read_counts(self, merchant_id: int) -> ProductCounts:
        with self._unit_of_work() as work:
            return work.facets.counts(merchant_id, ProductConditions())
