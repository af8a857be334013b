"""Parameters of addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from catalog.api_schemas.query import Boost, Filters
from catalog.client.errors import invalid

FiltersGiven = Filters | Mapping[str, Any] | None
"""Filters, or their fields by name."""

BoostGiven = Boost | Mapping[str, float] | None
"""Boosts, or their strengths by name."""

Parameters = list[tuple[str, str]]


def parameters(**values: object) -> Parameters:
    """Those that are given; what is None is left to the server, and each value of several stands by itself.

    >>> parameters(limit=5, exact=True, q=None, count_fields=("season", "line"))
    [('limit', '5'), ('exact', 'true'), ('count_fields', 'season'), ('count_fields', 'line')]
    """
    return [(name, _text(one)) for name, value in values.items() if value is not None for one in _each(value)]


def filter_parameters(given: FiltersGiven) -> Parameters:
    """Filters as parameters.

    Raises:
        RequestRefused: they have no meaning.

    >>> filter_parameters({"all": ["color=red"], "max_price": "80", "fields": {"season": ["summer"]}})
    [('all', 'color=red'), ('max_price', '80'), ('field', 'season=summer')]
    """
    if given is None:
        return []
    try:
        filters = Filters.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from error
    values = {name: getattr(filters, name) for name in Filters.model_fields if name in filters.model_fields_set}
    fields: Mapping[str, tuple[str, ...]] = values.pop("fields", {})
    entries = tuple(f"{name}={value}" for name, some in fields.items() for value in some)
    return parameters(**values, field=entries)


def boost_parameters(given: BoostGiven) -> Parameters:
    """Boosts as parameters.

    Raises:
        RequestRefused: they have no meaning.

    >>> boost_parameters({"in_stock": 0.2})
    [('boost_in_stock', '0.2')]
    """
    if given is None:
        return []
    try:
        boost = Boost.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from error
    return parameters(**{f"boost_{name}": strength for name, strength in boost.model_dump(exclude_unset=True).items()})


def path_segment(text: str) -> str:
    """A text as one segment of a path, whatever it holds.

    >>> path_segment("half/half"), path_segment("..")
    ('half%2Fhalf', '%2E%2E')
    """
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, (tuple, list)) else (value,)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)
