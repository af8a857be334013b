"""Filters are refused exactly where no set of attributes could pass them."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidRequest
from catalog.services.queries.contradictions import refuse_contradictions, require_one_currency
from catalog.services.queries.requested_attributes import split_changes
from catalog.services.queries.search_filter import search_filter
from catalog.types import AttributeChanges, SearchFilters
from embeddings.taxonomy import Taxonomy

MEANS = {
    "color=red": ["color=red"],
    "colour=Rot": ["color=red", "colour=rot"],
    "color=navy": ["color=navy"],
    "fit=odd": ["fit=odd"],
}
"""Every attribute under which an item that has the first may be stored: the vocabulary's name, or the feed's words."""

EVERYTHING = sorted({name for names in MEANS.values() for name in names})
NAMES = st.lists(st.sampled_from(sorted(MEANS)), max_size=3).map(tuple)


def _passes(item: frozenset[str], filters: SearchFilters) -> bool:
    def has(name: str) -> bool:
        return not item.isdisjoint(MEANS[name])

    return (
        all(map(has, filters.all_of))
        and (not filters.any_of or any(map(has, filters.any_of)))
        and not any(map(has, filters.none_of))
    )


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES, NAMES)
def test_refused_exactly_where_nothing_could_pass(all_of, any_of, none_of):
    """By trying every set of attributes: 2^4 items."""
    filters = SearchFilters(all_of=all_of, any_of=any_of, none_of=none_of)
    items = [frozenset(item) for n in range(len(EVERYTHING) + 1) for item in itertools.combinations(EVERYTHING, n)]
    could_pass = any(_passes(item, filters) for item in items)
    event(f"could pass: {could_pass}")
    try:
        search_filter(7, filters)
    except InvalidRequest as error:
        assert not could_pass
        received = error.received or ""
        named = {part.partition("=")[2] for part in received.replace(", and ", " ").split() if "=" in part}
        assert named & {*all_of, *any_of}
        assert named & set(none_of)
    else:
        assert could_pass


@pytest.mark.parametrize(
    ("filters", "received"),
    [
        (SearchFilters(all_of=("color=red",), none_of=("Color: Red",)), "all=color=red, and none=Color: Red"),
        (
            SearchFilters(any_of=("color=red", "color=navy"), none_of=("colour=marineblau", "color=red")),
            "any=color=red or any=color=navy, and none=colour=marineblau and none=color=red",
        ),
        (SearchFilters(min_price=Decimal("9.5"), max_price=Decimal(9)), "from 9.5 to 9"),
    ],
)
def test_the_two_that_contradict_each_other_are_named(filters, received):
    with pytest.raises(InvalidRequest) as raised:
        search_filter(7, filters)
    assert raised.value.received == received


def test_one_of_several_may_be_ruled_out():
    """Red or navy without red is navy; equal price bounds hold that price."""
    refuse_contradictions(SearchFilters(any_of=("color=red", "color=navy"), none_of=("color=red",)))
    refuse_contradictions(SearchFilters(min_price=Decimal(9), max_price=Decimal(9)))


@pytest.mark.parametrize(
    ("filters", "changes", "received"),
    [
        ({"none_of": ("colour=Rot",)}, {"wanted": ("color=red",)}, "but=color=red, and none=colour=Rot"),
        ({"all_of": ("color=red",)}, {"unwanted": ("colour=Rot",)}, "all=color=red, and without=color=red"),
        ({"any_of": ("color=red",)}, {"unwanted": ("color=red",)}, "any=color=red, and without=color=red"),
    ],
)
def test_changes_contradict_filters(filters, changes, received):
    taxonomy = Taxonomy(("color=navy", "color=red"))
    with pytest.raises(InvalidRequest) as raised:
        split_changes(SearchFilters(**filters), AttributeChanges(**changes), taxonomy)
    assert raised.value.received == received


def test_price_bounds_need_a_currency_where_there_are_several():
    bounds = SearchFilters(max_price=Decimal(50))
    with pytest.raises(InvalidRequest, match="several currencies") as raised:
        require_one_currency(bounds, ["EUR", "USD"])
    assert raised.value.received == "max_price 50, no currency"
    require_one_currency(bounds, ["EUR"])
    require_one_currency(SearchFilters(max_price=Decimal(50), currency="usd"), ["EUR", "USD"])
    require_one_currency(SearchFilters(), ["EUR", "USD"])
