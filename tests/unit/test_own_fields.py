"""What a merchant's own columns become to be filtered by, and what of it stays when a feed says less."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidRequest
from catalog.feeds.own_fields import (
    MAX_FIELDS,
    MAX_VALUES,
    field_entry,
    field_name,
    kept_fields,
    own_fields,
)
from catalog.ports.vector_index import Match
from catalog.services.queries.asked_attributes import entries_for
from catalog.services.queries.search_filter import search_filter
from catalog.types import MAX_FIELD_VALUE_LENGTH, SearchFilters

NAMES = st.text("aB -_=", max_size=4)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("aB ;|=", max_size=6)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("Summer", ["n=summer"]),
        (" Late  SUMMER ; spring|", ["n=late summer", "n=spring"]),
        (["Summer", 7, None, True, ["deep"], {"a": "b"}], ["n=7", "n=summer", "n=true"]),
        (4.5, ["n=4.5"]),
        ({"a": "b"}, []),
        (None, []),
        ("", []),
        ("x" * MAX_FIELD_VALUE_LENGTH, ["n=" + "x" * MAX_FIELD_VALUE_LENGTH]),
        ("x" * (MAX_FIELD_VALUE_LENGTH + 1), []),
        ("short; " + "x" * (MAX_FIELD_VALUE_LENGTH + 1), []),
        (";".join(map(str, range(MAX_VALUES + 1))), []),
    ],
)
def test_values_of_a_column(value, entries):
    assert own_fields([("N", value)]) == tuple(entries)


def test_columns_of_one_name_belong_together_and_only_the_first_names_count():
    assert own_fields([("Made in", "PT"), ("made_in", "IT"), ("=", "x"), ("a" * 61, "x")]) == (
        "made_in=it",
        "made_in=pt",
    )
    many = own_fields((f"column {number:02}", "x") for number in range(MAX_FIELDS + 1))
    assert many == tuple(f"column_{number:02}=x" for number in range(MAX_FIELDS))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_every_entry_is_found_by_its_name_and_value(columns):
    """Sorted, each once, and in the form that filters are brought into."""
    entries = own_fields(columns)
    assert list(entries) == sorted(set(entries))
    for entry in entries:
        name, _, value = entry.partition("=")
        assert field_entry(name, value) == entry
        assert entries_for(name.upper(), [f" {value.upper()}"]) == (entry,)


ENTRIES = st.lists(st.sampled_from(["a=1", "a=2", "b=1", "c=1"]), unique=True).map(sorted)


@settings(max_examples=100, deadline=None)
@given(ENTRIES, ENTRIES, st.sets(st.sampled_from(["A", "b", "C"])))
def test_a_feed_decides_of_its_own_columns_alone(stored, given_, names):
    told = {field_name(name) for name in names} | {entry[0] for entry in given_}
    kept = kept_fields(stored, given_, names)
    assert [entry for entry in kept if entry[0] in told] == given_
    assert [entry for entry in kept if entry[0] not in told] == [entry for entry in stored if entry[0] not in told]
    assert kept_fields(kept, given_, names) == kept


def test_all_names_must_hold_with_any_of_their_values():
    filters = SearchFilters(fields=(("Season", ("Summer", "spring", "SUMMER")), ("supplier", ("x",))))
    assert search_filter(7, filters).must[1:] == (
        Match("fields", ("season=summer", "season=spring")),
        Match("fields", ("supplier=x",)),
    )


def test_a_name_spelled_in_several_ways_is_one_name():
    """As of ``field=Season=summer&field=season=winter``: one value must hold, not both."""
    filters = SearchFilters(fields=(("Season", ("Summer",)), ("supplier", ("x",)), (" season", ("winter", "summer"))))
    assert search_filter(7, filters).must[1:] == (
        Match("fields", ("season=summer", "season=winter")),
        Match("fields", ("supplier=x",)),
    )


@pytest.mark.parametrize("fields", [(("season", ()),), (("season", ("",)),), (("=", ("x",)),)])
def test_fields_without_a_name_or_value_are_refused(fields):
    with pytest.raises(InvalidRequest, match="no field"):
        search_filter(7, SearchFilters(fields=fields))
