"""A product's columns: what a feed says of them, what is kept of the others, and what that changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from catalog.feeds.own_fields import kept_fields
from catalog.types import WHOLE_RAW, ProductField, ProductRecord

_FIELDS: Final[Mapping[str, ProductField]] = {
    "title": ProductField.TITLE,
    "description": ProductField.DESCRIPTION,
    "category": ProductField.CATEGORY,
    "attributes": ProductField.ATTRIBUTES,
    "given_attributes": ProductField.ATTRIBUTES,
    "price": ProductField.PRICE,
    "currency": ProductField.PRICE,
    "availability": ProductField.AVAILABILITY,
    "link": ProductField.LINK,
    "item_group": ProductField.ITEM_GROUP,
}
"""Which field of the feed gives a column; columns that are not here every feed gives."""

_SEPARATORS: Final = re.compile(r"[\s\-_]+")


def new_columns(record: ProductRecord, attributes: Sequence[str]) -> dict[str, Any]:
    """The columns of a product that is new, with defaults for what the feed does not give, and its fingerprint.

    Args:
        attributes: Those under which the product is found.
    """
    return {**_columns(record, attributes), "fingerprint": fingerprint(record, attributes)}


def fingerprint(record: ProductRecord, attributes: Sequence[str]) -> str:
    """The SHA-256 of all that the feed says of the product: who says the same again changes nothing."""
    said = _said(record, attributes)
    if record.raw_names is not None:
        said["raw_names"] = _sorted(record.raw_names)
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def merged_columns(stored: Mapping[str, Any], record: ProductRecord, attributes: Sequence[str]) -> dict[str, Any]:
    """The columns of a known product: what the feed gives, over what is stored.

    Args:
        stored: The product's columns as they are.
        attributes: Those under which the product is found, where the feed gives attributes.
    """
    said = _said(record, attributes)
    names = {normal_name(name) for name in {*said["raw"], *(record.raw_names or ())}}
    held = {} if record.raw_names == WHOLE_RAW else stored["raw"]
    kept = {name: value for name, value in held.items() if normal_name(name) not in names}
    stored_fields = () if record.raw_names == WHOLE_RAW else stored["fields"]
    return {
        **{name: stored[name] for name in _columns(record, attributes)},
        **said,
        "fields": kept_fields(stored_fields, record.fields, names),
        "raw": {**kept, **said["raw"]},
    }


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the columns differs, as it was and as it is, as JSON-serialisable values.

    Of ``raw``, which is a dictionary, only the keys that differ: those that are no longer there are in the first
    result alone, those that were not there in the second alone. With a price comes its currency, also where that is
    the same: without it a price means nothing.

    >>> difference({"link": None, "raw": {"a": 1, "b": 2}}, {"link": "https://shop.example", "raw": {"b": 3}})
    ({'link': None, 'raw': {'a': 1, 'b': 2}}, {'link': 'https://shop.example', 'raw': {'b': 3}})
    >>> difference({"price": Decimal("9"), "currency": "EUR"}, {"price": Decimal("9.50"), "currency": "EUR"})
    ({'price': '9', 'currency': 'EUR'}, {'price': '9.5', 'currency': 'EUR'})
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in new.items():
        if old[name] == value:
            continue
        if name == "raw":
            before[name] = {key: held for key, held in old[name].items() if key not in value or value[key] != held}
            after[name] = {key: held for key, held in value.items() if key not in old[name] or old[name][key] != held}
        else:
            before[name], after[name] = as_json(old[name]), as_json(value)
    if "price" in after:
        before["currency"], after["currency"] = old["currency"], new["currency"]
    return before, after


def put_back(current: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """The columns as they were before a change, JSON-serialisable; None where they are not as the change left them.

    Args:
        current: The product's columns as they are.
        before, after: Of the change, as ``difference`` has them.
    """
    held = {name: as_json(value) for name, value in current.items()}
    raw = held["raw"]
    old_raw, new_raw = before.get("raw", {}), after.get("raw", {})
    is_as_left = all(held[name] == value for name, value in after.items() if name != "raw") and (
        {key: raw[key] for key in {**old_raw, **new_raw} if key in raw} == new_raw
    )
    if not is_as_left:
        return None
    return {**held, **before, "raw": {**{key: raw[key] for key in raw if key not in new_raw}, **old_raw}}


def as_json(value: Any) -> Any:  # noqa: ANN401 - a column's value, of whichever type.
    """The value as JSON holds it. Equal values are equal as JSON.

    >>> as_json(Decimal("10.50")), as_json(Decimal("100"))
    ('10.5', '100')
    """
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _said(record: ProductRecord, attributes: Sequence[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in _columns(record, attributes).items()
        if name not in _FIELDS or _FIELDS[name] in record.given
    }


def _columns(record: ProductRecord, attributes: Sequence[str]) -> dict[str, Any]:
    return {
        "external_id": record.external_id,
        "title": record.title,
        "description": record.description,
        "category": list(record.category),
        "attributes": list(attributes),
        "given_attributes": list(record.attributes),
        "price": None if record.price is None else record.price.amount,
        "currency": None if record.price is None else record.price.currency,
        "availability": str(record.availability),
        "link": record.link,
        "item_group": record.item_group,
        "fields": list(record.fields),
        "raw": {name: value for name, value in record.raw.items() if value is not None},
    }


@lru_cache(maxsize=8)
def _sorted(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def normal_name(name: str) -> str:
    """Feeds that spell a column differently mean the same column."""
    return _SEPARATORS.sub("_", name.strip().casefold())
