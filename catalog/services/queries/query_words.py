"""From free words to a search: attributes, a category, price bounds and what is ruled out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from catalog.attributes.mentions import Span, TextReader
from catalog.attributes.words import Gap, Word, split_words
from catalog.services.galleries.gallery_layout import CATEGORY_SEPARATOR
from catalog.services.queries.price_words import take_price_bounds
from catalog.types import UnderstoodWords

_REQUEST_WORDS: Final = frozenset(
    ["i", "am", "want", "wanted", "need", "looking", "show", "something", "please", "search", "searching", "price",
     "priced", "cost", "costing", "similar", "same", "though"]
)  # fmt: skip
"""How one asks, not for what."""

_TOKEN: Final = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_LINKED_NAMES: Final = re.compile(r"\s*(?:&|/|,|\band\b)\s*", re.IGNORECASE)
_LEVELS_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class _NamedLevel:
    """A category level that words[start:end] name; ``name`` is case folded."""

    start: int
    end: int
    name: str


def understand(
    text: str, reader: TextReader, categories: Sequence[tuple[str, ...]], currency: str | None
) -> UnderstoodWords:
    """What a text asks for.

    Args:
        reader: Of the vocabulary that the text is read with.
        categories: Every category path of the catalog. Its levels are known in singular and plural; several in one
            text count where one path has them all, and else the last, which in English is what the others describe.
        currency: ISO 4217 code of prices that are named without one; None where there is no one such currency.
    """
    bounds, rest = take_price_bounds(text, currency)
    words = reader.words(rest)
    spans = reader.spans(words)
    denied = _denied_words(spans)
    levels = [one for one in _named_levels(words, categories) if one.start not in denied]
    category, used = _category(levels, categories)
    said = [one for one in spans if not one.is_elsewhere]
    none_of = _distinct(one.attributes[0] for one in said if one.attributes and one.is_denied)
    wanted = _distinct(name for one in said if not one.is_denied for name in one.attributes)
    covered = {position for level in used for position in range(level.start, level.end)}
    left = [
        words[position].text
        for one in spans
        if one.is_unknown or (one.is_elsewhere and one.attributes)
        for position in range(one.start, one.end)
        if position not in covered and words[position].text not in _REQUEST_WORDS
    ]
    # A level that does not count, such as one that is denied, may consist of words that are no news.
    left += [words[one.start].text for one in _named_levels(words, categories) if one.start not in covered]
    return UnderstoodWords(
        all_of=tuple(name for name in wanted if name not in none_of),
        none_of=none_of,
        category=category,
        min_price=bounds.lowest,
        max_price=bounds.highest,
        currency=bounds.currency,
        ignored=_as_written(rest, reader, _distinct(left)),
    )


def _denied_words(spans: Sequence[Span]) -> set[int]:
    """Positions that a denial is about.

    In "no floral dresses" the dresses are wanted, in "no dresses" they are not: what follows a denied attribute is what
    the attribute is denied of.
    """
    positions: set[int] = set()
    follows_attribute = False
    for span in spans:
        if span.is_denied and not follows_attribute:
            positions.update(range(span.start, span.end))
        follows_attribute = span.is_denied and (follows_attribute or bool(span.attributes))
    return positions


def _named_levels(words: Sequence[Word], categories: Sequence[tuple[str, ...]]) -> list[_NamedLevel]:
    """The category levels that the words name, in order, the longest names first."""
    names: dict[tuple[str, ...], str] = {}
    for level in dict.fromkeys(level for path in categories for level in path):
        for phrase in _phrases_of_level(level):
            names.setdefault(phrase, level.casefold())
    longest = max(map(len, names), default=0)
    found: list[_NamedLevel] = []
    position = 0
    while position < len(words):
        for length in range(min(longest, len(words) - position), 0, -1):
            part = words[position : position + length]
            name = names.get(tuple(word.text for word in part))
            if name is not None and all(word.gap <= Gap.HYPHEN for word in part[1:]):
                found.append(_NamedLevel(position, position + length, name))
                position += length
                break
        else:
            position += 1
    return found


@lru_cache(maxsize=_LEVELS_REMEMBERED)
def _phrases_of_level(level: str) -> tuple[tuple[str, ...], ...]:
    """The words by which a level may be named: its name, and each part of one such as "Tops & Tees"."""
    parts = [level, *_LINKED_NAMES.split(level)]
    phrases = (tuple(word.text for word in split_words(part)) for part in parts)
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))


def _category(
    levels: Sequence[_NamedLevel], categories: Sequence[tuple[str, ...]]
) -> tuple[str | None, Sequence[_NamedLevel]]:
    """The category that the levels stand for, as the catalog writes it, and which of the levels it accounts for."""
    if not levels:
        return None, ()
    named = {one.name for one in levels}
    if len(named) > 1:
        prefixes = set[tuple[str, ...]]()
        for path in categories:
            folded = [level.casefold() for level in path]
            if named <= set(folded):
                prefixes.add(path[: max(folded.index(name) for name in named) + 1])
        if len(prefixes) == 1:
            return CATEGORY_SEPARATOR.join(prefixes.pop()), levels
    last = levels[-1].name
    written = next(level for path in categories for level in path if level.casefold() == last)
    return written, [one for one in levels if one.name == last]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _as_written(text: str, reader: TextReader, words: Sequence[str]) -> tuple[str, ...]:
    """The words as the text has them, instead of in their normal form."""
    written: dict[str, str] = {}
    for token in _TOKEN.findall(text):
        for word in reader.words(token):
            written.setdefault(word.text, token)
    return _distinct(written.get(word, word) for word in words)
