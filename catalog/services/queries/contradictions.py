"""Filters that nothing could pass, whatever the catalog holds, are mistakes: they are told instead of answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from catalog.errors import InvalidRequest
from catalog.services.queries.asked_attributes import alternatives, names_for
from catalog.types import AttributeChanges, SearchFilters


def refuse_contradictions(filters: SearchFilters, changes: AttributeChanges | None = None) -> None:
    """Pass filters that an item could pass.

    Args:
        changes: What is asked for beside them, as ``but`` and ``without``.

    Raises:
        InvalidRequest: no item could: its facts name the two that contradict each other.
    """
    low, high = filters.min_price, filters.max_price
    if low is not None and high is not None and low > high:
        raise InvalidRequest(
            "The price range is empty", received=f"from {low} to {high}", expected="a lower bound below the upper"
        )
    changes = changes or AttributeChanges()
    refusals = [("none", name) for name in filters.none_of] + [("without", name) for name in changes.unwanted]
    if not refusals:
        return
    refused = set(names_for(*(name for _, name in refusals)))
    for asked, choice in _demands(filters, changes):
        if refused.issuperset(choice):
            refusing = _those_refusing(choice, refusals)
            raise InvalidRequest(
                "The filters contradict each other",
                received=f"{asked}, and {' and '.join(refusing)}",
                expected="attributes that are either asked for or ruled out",
                remedy=f"leave out {asked}, or {refusing[0]}",
            )


def require_one_currency(filters: SearchFilters, currencies: Sequence[str]) -> None:
    """Pass filters whose price bounds mean something.

    Args:
        currencies: Those of the merchant's prices.

    Raises:
        InvalidRequest: there are bounds without a currency, and prices in several.
    """
    if filters.currency is None and has_price_bounds(filters) and len(currencies) > 1:
        bounds = (("min_price", filters.min_price), ("max_price", filters.max_price))
        raise InvalidRequest(
            "Prices in several currencies cannot be compared",
            received=" and ".join(f"{name} {bound}" for name, bound in bounds if bound is not None) + ", no currency",
            expected="one of the catalog's currencies: " + ", ".join(currencies),
            remedy=f"say which, such as currency {currencies[0]}",
        )


def has_price_bounds(filters: SearchFilters) -> bool:
    """Whether prices matter."""
    return filters.min_price is not None or filters.max_price is not None


def _demands(filters: SearchFilters, changes: AttributeChanges) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is asked for, as it was written, and the attributes of which an item must have one."""
    for place, names in (("all", filters.all_of), ("but", changes.wanted)):
        for name in names:
            for choice in alternatives(name):
                yield f"{place}={name}", choice
    if filters.any_of:
        yield " or ".join(f"any={name}" for name in filters.any_of), names_for(*filters.any_of)


def _those_refusing(choice: Iterable[str], refusals: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{place}={name}" for place, name in refusals if not set(names_for(name)).isdisjoint(choice)]
