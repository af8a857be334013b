"""The attributes and own fields that a search names, as catalogs have them."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.attributes.normalizer import fashion_normalizer
from catalog.errors import InvalidRequest
from catalog.feeds.own_fields import field_entry, field_name, field_value
from embeddings.taxonomy import normalize_attribute


def normal_form(name: str) -> str:
    """The attribute in normal form.

    Raises:
        InvalidRequest: it has no name or no value.

    >>> normal_form("Color: Dark  Red")
    'color=dark red'
    """
    try:
        return normalize_attribute(name)
    except ValueError as error:
        raise InvalidRequest(
            "This is no attribute", received=name, expected="GROUP=VALUE, for example color=red"
        ) from error


def names_for(*attributes: str) -> tuple[str, ...]:
    """The attributes in normal form, each with the vocabulary's names for it behind it, without repeats.

    >>> names_for("colour=Dunkelblau")
    ('colour=dunkelblau', 'color=navy')
    """
    names: list[str] = []
    for attribute in map(normal_form, attributes):
        names.extend((attribute, *fashion_normalizer().names_of(attribute)))
    return tuple(dict.fromkeys(names))


def alternatives(attribute: str) -> list[tuple[str, ...]]:
    """What an item that has the attribute has: of each of these at least one.

    The attribute as it was asked for is among them, because a catalog may keep the feed's words.

    >>> alternatives("color=Red/White")
    [('color=red/white', 'color=red'), ('color=red/white', 'color=white')]
    """
    asked, *meant = names_for(attribute)
    return [(asked, one) for one in meant] or [(asked,)]


def entries_for(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """What products have of which one of the values of an own field holds, without repeats.

    Raises:
        InvalidRequest: the name or a value is empty.

    >>> entries_for("Season", ["Summer", "spring"])
    ('season=summer', 'season=spring')
    """
    if not field_name(name) or not values or not all(map(field_value, values)):
        raise InvalidRequest(
            "This is no field",
            received=f"{name}={' or '.join(values)}",
            expected="NAME=VALUE, for example season=summer",
        )
    return tuple(dict.fromkeys(field_entry(name, value) for value in values))
