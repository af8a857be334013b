"""Which phrase of the vocabulary starts at a word: the longest one, found by its first word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum

from catalog.attributes.vocabulary import NOUN_PLACE, Vocabulary, phrase_words
from catalog.attributes.words import Gap, Word, normal_word


class Role(Enum):
    """What a phrase does in a text."""

    ATTRIBUTE = "names attributes"
    IGNORED = "names nothing"
    DENIAL = "denies what follows"
    PREFIX_DENIAL = "denies the next attribute"
    DENIAL_AFTER = "denies the attribute before"
    OTHER_ITEM = "speaks of other items from here on"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in normal form and what they mean; ``attributes`` only where the role is ``ATTRIBUTE``."""

    words: tuple[str, ...]
    role: Role
    attributes: tuple[str, ...] = ()


class PhraseTable:
    """Phrases by their first word, longest first."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        by_words: dict[tuple[str, ...], Phrase] = {}
        for phrase in phrases:
            other = by_words.get(phrase.words)
            if other is not None and other.role is phrase.role is Role.ATTRIBUTE:
                # Two groups may share a phrase; then it means both.
                merged = tuple(dict.fromkeys((*other.attributes, *phrase.attributes)))
                by_words[phrase.words] = Phrase(phrase.words, phrase.role, merged)
            elif other is None:
                by_words[phrase.words] = phrase
        self._starting: dict[str, list[Phrase]] = {}
        for phrase in sorted(by_words.values(), key=lambda phrase: -len(phrase.words)):
            self._starting.setdefault(phrase.words[0], []).append(phrase)

    def at(self, words: Sequence[Word], position: int) -> Phrase | None:
        """The longest phrase that starts at the position. A phrase does not reach over punctuation."""
        for phrase in self._starting.get(words[position].text, ()):
            end = position + len(phrase.words)
            if end <= len(words) and all(
                words[place].text == text and words[place].gap <= Gap.HYPHEN
                for place, text in enumerate(phrase.words[1:], position + 1)
            ):
                return phrase
        return None

    def within(self, words: AbstractSet[str]) -> Iterator[Phrase]:
        """The phrases all of whose words are among these, in whatever order these stand."""
        for word in words:
            for phrase in self._starting.get(word, ()):
                if all(part in words for part in phrase.words):
                    yield phrase

    def whole(self, words: Sequence[Word]) -> Phrase | None:
        """The phrase that these words are, all of them."""
        phrase = self.at(words, 0) if words else None
        return phrase if phrase is not None and len(phrase.words) == len(words) else None


def phrases_of(vocabulary: Vocabulary) -> PhraseTable:
    """Everything that the vocabulary finds in running text."""
    language = vocabulary.language
    named = [phrase for name in vocabulary.groups for phrase in _phrases_of_values(vocabulary, name, bare=False)]
    # Where several lists have the same phrase, the first one counts, and what names an attribute before all of them.
    cues = (
        (language.no_denials, Role.IGNORED),
        (language.ignored, Role.IGNORED),
        (language.denials, Role.DENIAL),
        (language.prefix_denials, Role.PREFIX_DENIAL),
        (language.denials_after, Role.DENIAL_AFTER),
        (language.other_items, Role.OTHER_ITEM),
    )
    spoken = [Phrase(phrase_words(text, language.spellings), role) for texts, role in cues for text in texts]
    return PhraseTable([*_with_joined(named), *spoken])


def phrases_of_group(vocabulary: Vocabulary, name: str) -> PhraseTable:
    """What the vocabulary finds where the group is known already: there "round" needs no "neck" behind it."""
    return PhraseTable(_with_joined(_phrases_behind_heading(vocabulary, name)))


def whole_values_of_group(vocabulary: Vocabulary, name: str) -> PhraseTable:
    """What whole values of the group's columns mean. Where others have such a phrase, too, the column's is meant."""
    in_columns = list(_plain_phrases(vocabulary, name, vocabulary.groups[name].columns))
    taken = {phrase.words for phrase in in_columns}
    others = [phrase for phrase in _phrases_behind_heading(vocabulary, name) if phrase.words not in taken]
    return PhraseTable(_with_joined([*in_columns, *others]))


def _phrases_behind_heading(vocabulary: Vocabulary, name: str) -> list[Phrase]:
    values = [*_phrases_of_values(vocabulary, name, bare=False), *_phrases_of_values(vocabulary, name, bare=True)]
    return [*values, *_plain_phrases(vocabulary, name, vocabulary.groups[name].translations)]


def _plain_phrases(
    vocabulary: Vocabulary, name: str, phrases_by_value: Mapping[str, tuple[str, ...]]
) -> Iterator[Phrase]:
    for value, phrases in phrases_by_value.items():
        attribute = f"{name}={value}"
        attributes = (attribute, *vocabulary.implied.get(attribute, ()))
        for phrase in (value, *phrases):
            yield Phrase(phrase_words(phrase, vocabulary.language.spellings), Role.ATTRIBUTE, attributes)


def _phrases_of_values(vocabulary: Vocabulary, name: str, *, bare: bool) -> Iterator[Phrase]:
    """The phrases of a group's values, with each noun in the place of ``*``, or without any (``bare``)."""
    group = vocabulary.groups[name]
    spellings = vocabulary.language.spellings
    nouns = [()] if bare else [phrase_words(noun, spellings) for noun in group.nouns]
    for value, phrases in group.values.items():
        attribute = f"{name}={value}"
        attributes = (attribute, *vocabulary.implied.get(attribute, ()))
        for phrase in (f"{value} {NOUN_PLACE}" if group.nouns else value, *phrases):
            words = phrase_words(phrase, spellings)
            for noun in nouns if NOUN_PLACE in words else [()]:
                filled = [part for word in words for part in (noun if word == NOUN_PLACE else (word,))]
                if filled:
                    yield Phrase(tuple(filled), Role.ATTRIBUTE, attributes)


def _with_joined(phrases: Sequence[Phrase]) -> list[Phrase]:
    """The phrases, and each one of two words written as one, unless that means something already."""
    written = {phrase.words for phrase in phrases}
    joined = [
        Phrase((normal_word("".join(phrase.words)),), phrase.role, phrase.attributes)
        for phrase in phrases
        if len(phrase.words) == 2
    ]
    return [*phrases, *(phrase for phrase in joined if phrase.words not in written)]
