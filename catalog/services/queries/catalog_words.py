"""Words that are searched with, read as a merchant's catalog has them."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.attributes.mentions import fashion_reader
from catalog.errors import InvalidRequest
from catalog.services.queries.query_words import understand
from catalog.types import UnderstoodWords
from catalog.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class ReadWords:
    """What words say, and the currencies of the catalog's prices that they may speak of."""

    understood: UnderstoodWords
    currencies: tuple[str, ...]


class CatalogWords:
    """Reads words with the categories and currencies of catalogs."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def read(self, merchant_id: int, text: str) -> ReadWords:
        """What the words ask for.

        Raises:
            InvalidRequest: nothing of them was understood.
        """
        with self._unit_of_work() as work:
            categories = work.facets.categories(merchant_id)
            currencies = tuple(work.facets.currencies(merchant_id))
        currency = currencies[0] if len(currencies) == 1 else None
        understood = understand(text, fashion_reader(), categories, currency)
        if not understood.asks_for_something:
            raise InvalidRequest(
                "Nothing in these words can be searched for",
                received=text,
                expected="attributes, categories or prices, such as: red lace maxi dress under 50 EUR",
                remedy="use words of the catalog's attributes and categories, or search by a photo",
            )
        return ReadWords(understood, currencies)
