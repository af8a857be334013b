"""What a product says of itself, by the places where it says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog.html_text import html_to_text
from embeddings.taxonomy import split_attribute

TAG_GROUP = "tag"
"""The group of the feed's bare attributes."""

_OPTION = re.compile(r"option ?(\d+) (name|value)")
_TAG_COLUMNS = frozenset(["tag", "tags", "keyword", "keywords", "label", "labels"])
_BRAND_COLUMNS = frozenset(["brand", "vendor", "manufacturer", "designer", "maker"])
_SEPARATORS = re.compile(r"[\s_\-]+")
_NO_MAKERS = (
    r"the|a|an|side|hands?|machine|night|day|nature|design|default|request|order|popular|piece|pair|step|yard|meter|metre|"
    r"us|you"
)
"""What follows "by" where it names no maker: side by side, sewn by hand, 70 by 180 cm."""

_END_OF_MAKER = r"\s(?:in|with)\s|\s[-‐‑]|[-‐‑]\s|[,;:|/(\[–—•·]"
_MAKER = re.compile(rf"\sby\s+(?!\s|(?:{_NO_MAKERS})\b|\d)(?:(?!{_END_OF_MAKER}).)*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ProductTexts:
    """A product's texts, readable (no HTML).

    Args:
        title: Without the maker's name behind "by" ("… by Oat & Ivory in navy").
        tags: One thought each.
        options: (name, value) of everything the feed says in columns of its own, such as ("Colour", "Navy"); the names
            are the feed's.
        brand: The maker's name, which says nothing of the item; empty where unknown.
        feed_attributes: The feed's, in normal form; the values of its bare ones are among ``tags``, too.
    """

    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    brand: str = ""
    feed_attributes: tuple[str, ...] = ()


def texts_of_product(
    title: str, description: str, attributes: Sequence[str], raw: Mapping[str, object]
) -> ProductTexts:
    """The texts of a product as the feed gave it.

    Args:
        attributes: The feed's, in normal form; those of the group ``tag`` are the bare ones.
        raw: The feed's row: texts by column, or any JSON value.
    """
    tags = [value for group, value in map(split_attribute, attributes) if group == TAG_GROUP]
    options: list[tuple[str, str]] = []
    brand = ""
    numbered: dict[str, dict[str, list[str]]] = {}
    for column, value in raw.items():
        name = _SEPARATORS.sub(" ", column.rpartition("/")[2].strip().casefold())
        if name in _TAG_COLUMNS:
            tags.extend(part for text in _texts(value) for part in re.split(r"[,;|]", text))
        elif name in _BRAND_COLUMNS:
            brand = next(_texts(value), "")
        elif match := _OPTION.fullmatch(name):
            numbered.setdefault(match[1], {})[match[2]] = list(_texts(value))
        else:
            options.extend((name, text) for text in _texts(value))
    for option in numbered.values():
        options.extend((name, text) for name in option.get("name", []) for text in option.get("value", []))
    return ProductTexts(
        title=_without_maker(html_to_text(title), brand),
        description=html_to_text(description),
        tags=tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip())),
        options=tuple(options),
        brand=brand.strip(),
        feed_attributes=tuple(attributes),
    )


def _without_maker(title: str, brand: str) -> str:
    """The title without the maker behind "by": the brand where it stands there, else what looks like a name."""
    names = brand.split()
    if names and names[0].casefold() in title.casefold():
        # Of "Oat & Ivory" the brand Oat would be a part only.
        known = r"\sby\s+" + r"\s+".join(map(re.escape, names)) + r"(?!\w|\s*[&+]|\s+and\s)"
        rest, count = re.subn(known, "", title, flags=re.IGNORECASE)
        if count:
            return rest
    return _MAKER.sub("", title)


def _texts(value: object) -> Iterator[str]:
    """The texts in a value of the feed's row: itself, or those of a list."""
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str) and inner.strip():
                yield inner
