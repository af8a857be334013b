"""What the rows of one product, each of them a variant, say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from catalog.types import Availability, Price

VARIANTS = "variants"
"""The name under which ``raw_of_variants`` keeps what differs."""

_BEST_FIRST = (Availability.IN_STOCK, Availability.PREORDER, Availability.BACKORDER, Availability.OUT_OF_STOCK)


def raw_of_variants(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The values that all rows share, by name, and under ``variants`` for each row what is its own; nothing empty.

    >>> raw_of_variants([{"id": "7-s", "brand": "Acme", "size": "S"}, {"id": "7-m", "brand": "Acme", "size": ""}])
    {'brand': 'Acme', 'variants': [{'id': '7-s', 'size': 'S'}, {'id': '7-m'}]}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    shared = {name: rows[0][name] for name in names if all(name in row and row[name] == rows[0][name] for row in rows)}
    told: dict[str, object] = {name: value for name, value in shared.items() if not _is_empty(value)}
    if len(rows) > 1:
        told[VARIANTS] = [
            {name: value for name, value in row.items() if name not in shared and not _is_empty(value)} for row in rows
        ]
    return told


def best_availability(variants: Iterable[Availability]) -> Availability:
    """In stock where one of the variants is; else the next best."""
    return min(variants, key=_BEST_FIRST.index, default=Availability.OUT_OF_STOCK)


def lowest_price(prices: Iterable[Price]) -> Price | None:
    """The lowest in the currency of the first; None of none."""
    known = list(prices)
    comparable = (price for price in known if price.currency == known[0].currency)
    return min(comparable, key=lambda price: price.amount, default=None)


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value == []
