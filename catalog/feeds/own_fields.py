"""A merchant's own columns as what products can be filtered by: ``season=summer``. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from catalog.types import MAX_FIELD_NAME_LENGTH, MAX_FIELD_VALUE_LENGTH

MAX_FIELDS: Final = 30
"""Names per product; those that come first in the feed count."""

MAX_VALUES: Final = 20
"""Values per name; who has more lists something else."""

_SEPARATORS: Final = re.compile(r"[\s\-_]+")
_BETWEEN_VALUES: Final = re.compile(r"[;|]")


def field_name(text: str) -> str:
    """The name under which a column is asked for, whatever its case and what stands between its words.

    >>> field_name(" Custom-Label 0"), field_name("a=b")
    ('custom_label_0', 'a_b')
    """
    return _SEPARATORS.sub("_", text.replace("=", "_").strip().casefold()).strip("_")


def field_value(text: str) -> str:
    """The value without regard to case and spaces.

    >>> field_value(" Spring  2026 ")
    'spring 2026'
    """
    return " ".join(text.split()).casefold()


def field_entry(name: str, value: str) -> str:
    """A name and a value in normal form, as products are stored and found by.

    >>> field_entry("Season", "Summer")
    'season=summer'
    """
    return f"{field_name(name)}={field_value(value)}"


def own_fields(columns: Iterable[tuple[str, object]]) -> tuple[str, ...]:
    """The entries of a product's own columns, sorted, without repeats.

    A text may hold several values, separated by ``;`` or ``|``; so may a list. Numbers and truth values count as JSON
    writes them; objects do not count, and neither does a column with a value that is too long or with too many.

    Args:
        columns: Names with the values that the feed gave them; a name may be there several times.

    >>> own_fields([("Season", "Summer; Spring"), ("rating", 4), ("is_new", True), ("story", "x" * 101), ("size", "")])
    ('is_new=true', 'rating=4', 'season=spring', 'season=summer')
    """
    values: dict[str, dict[str, None]] = {}
    for column, given in columns:
        name = field_name(column)
        if not 0 < len(name) <= MAX_FIELD_NAME_LENGTH:
            continue
        found = [value for value in map(field_value, _texts(given)) if value]
        if found and max(map(len, found)) <= MAX_FIELD_VALUE_LENGTH and (name in values or len(values) < MAX_FIELDS):
            values.setdefault(name, {}).update(dict.fromkeys(found))
    return tuple(sorted(f"{name}={one}" for name, some in values.items() if len(some) <= MAX_VALUES for one in some))


def kept_fields(stored: Iterable[str], given: Iterable[str], names: Iterable[str]) -> list[str]:
    """The entries of a known product: those that the feed gives, and of columns that it does not have, those stored.

    Args:
        names: The feed's columns.

    >>> kept_fields(["season=summer", "supplier=x"], ["season=winter"], ["Season"])
    ['season=winter', 'supplier=x']
    """
    new = set(given)
    told = {field_name(name) for name in names} | {entry.partition("=")[0] for entry in new}
    return sorted(new | {entry for entry in stored if entry.partition("=")[0] not in told})


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield from _BETWEEN_VALUES.split(value)
        case bool():
            yield "true" if value else "false"
        case int() | float():
            yield str(value)
        case list():
            for one in value:
                if not isinstance(one, list):
                    yield from _texts(one)
