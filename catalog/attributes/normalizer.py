"""From a merchant's words for attributes to the vocabulary's: ``colour=Dunkelblau/Weiß`` is navy and white."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from catalog.attributes.mentions import TextReader
from catalog.attributes.product_texts import TAG_GROUP
from catalog.attributes.vocabulary import Comparison, Vocabulary, fashion_vocabulary
from catalog.attributes.words import without_phrase
from embeddings.taxonomy import split_attribute

MAX_REMEMBERED = 50_000
"""Attributes of feeds that a normaliser remembers, so that each is worked out once."""

MAX_REMEMBERED_LENGTH = 200

_SEPARATOR = re.compile(
    r"""
    \s* (?: (?<!\d)/ | /(?!\d) | [,;|\\&+\n] ) \s*      # not in 3/4
    | \s+ (?: and | und | et | y | e | en ) \s+
    | \s* \d+ (?:[.,]\d+)? \s* % \s*                    # 60% cotton 40% linen
    """,
    re.VERBOSE,
)
_MEASURE = re.compile(r'[\d.,/x×\s–-]+(?:mm|cm|m|in|inch|inches|ft|"|”)', re.IGNORECASE)
"""Lengths in numbers, which are no words for anything."""


@dataclass(frozen=True, slots=True)
class Normalized:
    """What attributes of a feed mean.

    Args:
        attributes: In normal form, sorted, without repeats.
        given: The merchant's own, in normal form, sorted, without repeats.
        unmapped: (group, word) of what has no value in a group of the vocabulary, sorted; it is among ``attributes``.
    """

    attributes: tuple[str, ...]
    given: tuple[str, ...]
    unmapped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What one attribute means: its normal names, at least one, and those of its words that have none."""

    names: tuple[str, ...]
    unmapped: tuple[tuple[str, str], ...] = ()


class AttributeNormalizer:
    """Maps attributes with one vocabulary. What it gives, it maps to itself.

    A value means what it says as a whole ("navy blue", "3/4"), or else what its parts say, between separators, "and"
    and percentages. A part means what it names last ("ocean mist blue" is blue), or every value that it names by its
    own name or a translation of it ("black white", "schwarz-weiß"). Parts without a meaning stay as they are, and so do
    groups that the vocabulary does not know. A bare attribute (``tag=lace``) becomes what it means as a whole.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._reader = TextReader(vocabulary)
        self._values = {name: group.value_names for name, group in vocabulary.groups.items()}
        self._remembered = lru_cache(MAX_REMEMBERED)(self._meaning_of)
        self.compared_groups: Mapping[str, Comparison] = {
            name: group.comparison for name, group in vocabulary.groups.items() if group.comparison is not None
        }
        """Groups of which an item has one value as a rule, and when two of their values agree."""

    def normalize(self, attributes: Iterable[str]) -> Normalized:
        """What a product's attributes mean.

        Args:
            attributes: In the form of ``normalize_attribute``, in any order.
        """
        given = sorted(set(attributes))
        meanings = [self._meaning(name) for name in given]
        return Normalized(
            attributes=tuple(sorted({name for meaning in meanings for name in meaning.names})),
            given=tuple(given),
            unmapped=tuple(sorted({pair for meaning in meanings for pair in meaning.unmapped})),
        )

    def names_of(self, attribute: str) -> tuple[str, ...]:
        """The normal names of one attribute, at least one, sorted."""
        return self._meaning(attribute).names

    def group_of(self, name: str) -> str | None:
        """The vocabulary's name of a group, by any of its names; None for a group that it does not know."""
        return self._reader.group_of(name)

    def values_in_text(self, text: str, brand: str = "") -> dict[str, set[str]]:
        """What running text says of the groups that are compared: values by group.

        Args:
            brand: The maker's name, which says nothing of the item.
        """
        words = self._reader.words(text)
        if brand:
            words = without_phrase(words, tuple(word.text for word in self._reader.words(brand)))
        return self._compared(self._reader.read(words).named)

    def possible_values_in_text(self, text: str) -> dict[str, set[str]] | None:
        """What running text says of them at most, found many times faster; None where that is anything."""
        names = self._reader.may_name(text)
        return None if names is None else self._compared(names)

    def _compared(self, names: Iterable[str]) -> dict[str, set[str]]:
        said: dict[str, set[str]] = {}
        for name in names:
            group, value = split_attribute(name)
            if group in self.compared_groups:
                said.setdefault(group, set()).add(value)
        return said

    def _meaning(self, attribute: str) -> _Meaning:
        # Nothing long is remembered: what a search asks for may be of any length.
        return (self._remembered if len(attribute) <= MAX_REMEMBERED_LENGTH else self._meaning_of)(attribute)

    def _meaning_of(self, attribute: str) -> _Meaning:
        group_name, value = split_attribute(attribute)
        if group_name == TAG_GROUP:
            whole = self._reader.whole_phrase(value)
            return _Meaning((attribute,) if len(whole) != 1 else whole)
        group = self._reader.group_of(group_name)
        if group is None:
            return _Meaning((attribute,))
        # Another spelling of the group's own name is its name; under an alias a shop may mean something else
        # ("style=casual"), which keeps its name unless the group has a value for it.
        own_name = group if self._reader.is_name_of(group, group_name) else group_name
        if whole_value := self._names_of_part(group, value):
            return _Meaning(whole_value)
        names, unmapped = set[str](), set[str]()
        for part in self._parts(value):
            found = self._names_of_part(group, part)
            names.update(found)
            if not found:
                unmapped.add(part)
        if not names:
            unmapped = {value}
        return _Meaning(
            tuple(sorted({*names, *(f"{own_name}={word}" for word in unmapped)})),
            tuple(sorted((own_name, word) for word in unmapped if not _MEASURE.fullmatch(word))),
        )

    @staticmethod
    def _parts(value: str) -> Iterator[str]:
        for part in _SEPARATOR.split(value):
            stripped = part.strip(" .-()[]")
            # What ends in a colon is a heading: "outer: 100% cotton".
            if stripped and not stripped.endswith(":"):
                yield stripped

    def _names_of_part(self, group: str, part: str) -> tuple[str, ...]:
        """The group's values that a part of a value means, as attributes; none where it has no meaning."""
        if part in self._values[group]:
            return (f"{group}={part}",)
        if (whole := self._reader.whole_value(group, part)) is not None:
            return (whole,)
        if _SEPARATOR.search(part):
            return ()
        named = self._reader.values_named(group, part)
        by_own_name = {name for name, is_own_name in named if is_own_name}
        return tuple(sorted(by_own_name)) if len(by_own_name) > 1 else tuple(name for name, _ in named[-1:])


@lru_cache(maxsize=1)
def fashion_normalizer() -> AttributeNormalizer:
    """The normaliser of the vocabulary that comes with Drape."""
    return AttributeNormalizer(fashion_vocabulary())
