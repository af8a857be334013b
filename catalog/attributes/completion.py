"""Which attributes a few typed letters may be the beginning of, in any of the vocabulary's words and languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

from catalog.attributes.normalizer import AttributeNormalizer, fashion_normalizer
from catalog.attributes.vocabulary import NOUN_PLACE, Vocabulary, fashion_vocabulary
from catalog.attributes.words import fold
from embeddings.taxonomy import split_attribute

MOST_TYPED: Final = 8
"""Words that are looked at; nobody types more of an attribute."""

MOST_REMEMBERED: Final = 20_000

_SHORTEST_MISTYPED: Final = 3
"""Of fewer letters almost everything is one away."""

_SHORTEST_MISTYPED_BEGINNING: Final = 4


class Nearness(IntEnum):
    """How an attribute fits what was typed, the nearest first."""

    VALUE = 0
    """It is the attribute's value."""
    VALUE_BEGINS = 1
    SYNONYM = 2
    """It is what else the value is called."""
    WORD_BEGINS = 3
    """It begins words within the value, or of the group and the value together."""
    GROUP = 4
    SYNONYM_BEGINS = 5
    GROUP_BEGINS = 6
    VALUE_MISTYPED = 7
    """One letter is too many, missing, another or in another place."""
    SYNONYM_MISTYPED = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """How an attribute fits what was typed.

    Args:
        matched: What else the value is called that was typed, or the beginning of; None where its own name or its group
            was.
    """

    nearness: Nearness
    matched: str | None = None


@dataclass(frozen=True, slots=True)
class _Phrase:
    """One name of a value: its words, folded, and the same without what stands between them.

    Args:
        text: As the vocabulary writes it.
    """

    words: tuple[str, ...]
    joined: str
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Texts:
    """What an attribute is called.

    Args:
        group: Words of the names of its group.
        begun: Each of all words, and all that ``joined`` holds, behind a space: what is not in it begins none of them.
    """

    value: _Phrase
    synonyms: tuple[_Phrase, ...]
    group: frozenset[str]
    begun: str


class AttributeCompletion:
    """Finds attributes by the beginnings of their names in one vocabulary. Safe for threads."""

    def __init__(self, vocabulary: Vocabulary, normalizer: AttributeNormalizer) -> None:
        self._vocabulary = vocabulary
        self._normalizer = normalizer
        self._texts = lru_cache(MOST_REMEMBERED)(self._texts_of)

    def find(self, typed: str, attributes: Iterable[str]) -> dict[str, Fit]:
        """The attributes that may be meant. Mistyped ones are only looked for where there are no others.

        Every word that was typed must begin a word of the value, of one and the same synonym, or of the group; spaces
        and hyphens do not matter.

        Args:
            attributes: In normal form.
        """
        words = _words(typed)[:MOST_TYPED]
        if not words:
            return {}
        texts = {name: self._texts(name) for name in attributes}
        found = {name: fit for name, text in texts.items() if (fit := _fit(words, text)) is not None}
        if found or max(map(len, words)) < _SHORTEST_MISTYPED:
            return found
        mistyped = _Mistyped(words)
        return {name: fit for name, text in texts.items() if (fit := mistyped.fit(text)) is not None}

    def group_of(self, name: str) -> str:
        """The name under which a group's attributes are stored, from any of its names."""
        return self._normalizer.group_of(name) or " ".join(name.casefold().split())

    def _texts_of(self, attribute: str) -> _Texts:
        group, value = split_attribute(attribute)
        synonyms: list[str] = []
        names = {group}
        for meant in self._normalizer.names_of(attribute):
            meant_group, meant_value = split_attribute(meant)
            synonyms.append(meant_value)
            names.add(meant_group)
            known = self._vocabulary.groups.get(meant_group)
            if known is not None:
                names.update(known.aliases)
                for phrases in (known.values, known.columns, known.translations):
                    synonyms.extend(phrases.get(meant_value, ()))
        own = _phrase(value)
        others = dict.fromkeys(_phrase(phrase.replace(NOUN_PLACE, " ")) for phrase in synonyms)
        others_named = tuple(one for one in others if one.words and one != own)
        group_words = frozenset(word for name in names for word in _words(name))
        begun = dict.fromkeys(
            (*(text for one in (own, *others_named) for text in (*one.words, one.joined)), *group_words)
        )
        return _Texts(own, others_named, group_words, "".join(f" {text}" for text in begun))


@lru_cache(maxsize=1)
def fashion_completion() -> AttributeCompletion:
    """With the vocabulary that comes with Drape."""
    return AttributeCompletion(fashion_vocabulary(), fashion_normalizer())


def is_one_edit_away(one: str, other: str) -> bool:
    """Whether one letter is too many, missing or another one, or two neighbours are swapped; or nothing is.

    >>> [is_one_edit_away("navy", word) for word in ("navy", "nvy", "navyy", "mavy", "nayv", "navi blue")]
    [True, True, True, True, True, False]
    """
    if abs(len(one) - len(other)) > 1:
        return False
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if at is None:
        return True
    rest, other_rest = one[at:], other[at:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )


def most_likely(found: Mapping[str, Fit], counts: Mapping[str, int]) -> list[str]:
    """Names by their nearness, those of one nearness by how many products have them."""
    return sorted(found, key=lambda name: (found[name].nearness, -counts.get(name, 0), name))


def _words(text: str) -> tuple[str, ...]:
    return tuple("".join(letter if letter.isalnum() else " " for letter in fold(text)).split())


def _phrase(text: str) -> _Phrase:
    words = _words(text)
    return _Phrase(words, "".join(words), " ".join(text.split()))


def _fit(typed: tuple[str, ...], texts: _Texts) -> Fit | None:
    joined = "".join(typed)
    if f" {joined}" not in texts.begun and not all(f" {word}" in texts.begun for word in typed):
        return None
    if joined == texts.value.joined:
        return Fit(Nearness.VALUE)
    if texts.value.joined.startswith(joined):
        return Fit(Nearness.VALUE_BEGINS)
    if (synonym := _first(one for one in texts.synonyms if one.joined == joined)) is not None:
        return Fit(Nearness.SYNONYM, synonym)
    if _all_begin(typed, texts.value.words, texts.group):
        return Fit(Nearness.WORD_BEGINS)
    if texts.group.issuperset(typed):
        return Fit(Nearness.GROUP)
    begun = _first(one for one in texts.synonyms if one.joined.startswith(joined))
    if begun is None:
        begun = _first(one for one in texts.synonyms if _all_begin(typed, one.words, texts.group))
    if begun is not None:
        return Fit(Nearness.SYNONYM_BEGINS, begun)
    if all(_begins_one(word, texts.group) for word in typed):
        return Fit(Nearness.GROUP_BEGINS)
    return None


def _first(phrases: Iterable[_Phrase]) -> str | None:
    """The first of them as the vocabulary writes it, which has the usual names first; None where there are none."""
    return next((one.text for one in phrases), None)


def _all_begin(typed: tuple[str, ...], words: tuple[str, ...], group: frozenset[str]) -> bool:
    """Whether each typed word begins one of the words or of the group's names, and one of them one of the words."""
    own = [_begins_one(one, words) for one in typed]
    return any(own) and all(begins or _begins_one(one, group) for begins, one in zip(own, typed, strict=True))


def _begins_one(typed: str, words: Iterable[str]) -> bool:
    return any(word.startswith(typed) for word in words)


class _Mistyped:
    """Compares typed words with others, each pair of them once."""

    def __init__(self, typed: tuple[str, ...]) -> None:
        self._typed = typed
        self._is_near: dict[tuple[str, str], bool] = {}

    def fit(self, texts: _Texts) -> Fit | None:
        """How the attribute fits, if at all."""
        if self._fits(texts.value, texts.group):
            return Fit(Nearness.VALUE_MISTYPED)
        meant = _first(one for one in texts.synonyms if self._fits(one, texts.group))
        return None if meant is None else Fit(Nearness.SYNONYM_MISTYPED, meant)

    def _fits(self, phrase: _Phrase, group: frozenset[str]) -> bool:
        own = [any(self._near(one, word) for word in phrase.words) for one in self._typed]
        return any(own) and all(near or _begins_one(one, group) for near, one in zip(own, self._typed, strict=True))

    def _near(self, typed: str, word: str) -> bool:
        known = self._is_near.get((typed, word))
        if known is None:
            known = self._is_near[typed, word] = _is_nearly(typed, word)
        return known


def _is_nearly(typed: str, word: str) -> bool:
    """Whether it is the word or its beginning with one mistake; the first letter of a beginning is right."""
    if len(typed) < _SHORTEST_MISTYPED:
        return word.startswith(typed)
    if is_one_edit_away(typed, word):
        return True
    if len(typed) < _SHORTEST_MISTYPED_BEGINNING or word[:1] != typed[:1]:
        return False
    return any(is_one_edit_away(typed, word[: len(typed) + more]) for more in (-1, 0, 1))
