"""What a text says of attributes: which it names, which it denies, and which of its words are in no vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from catalog.attributes.phrases import Phrase, Role, phrases_of, phrases_of_group, whole_values_of_group
from catalog.attributes.vocabulary import Vocabulary, fashion_vocabulary, phrase_words
from catalog.attributes.words import Gap, Word, normal_word, split_words
from embeddings.taxonomy import split_attribute

_MAX_REACH = 12
"""Words after a denial that it can reach; a thought that goes on for longer is about something else."""

_MAX_LIST_ITEM = 3
"""Words that an item of a denied list may have: "no pockets, side zips or contrast buttons"."""

_CHOICES = frozenset(["or", "nor"])
_LINKS = frozenset(["and", "or", "nor"])
_ARTICLES = frozenset(["a", "an", "the", "its", "it", "this"])
_COPULAS = frozenset(["is", "are"])
_COMPANION_LINKS = frozenset(["with", "over", "under"])
_POINTERS = frozenset(["it", "this", "that", "these", "those", "them", "yours", "your", "the"])
_MAX_COMPANION_REACH = 8
"""Words from "team" in "team this slim-fit linen blazer with" to its "with"."""

_NOTHING = frozenset(["no", "none", "not", "false"])
"""Answers after a colon: "Pockets: no"."""

_TOKENS_REMEMBERED = 20_000

_MIN_LEARNED_LENGTH, _MAX_LEARNED_LENGTH = 3, 40


@dataclass
class Mentions:
    """What one text says.

    Args:
        named: Attributes it says the item has, in normal form.
        denied: Attributes it says the item has not; may name the same one elsewhere.
        unknown_words: Words in normal form that are in no vocabulary and no stop words.
        unknown_pairs: Two of them side by side, joined by a space.
    """

    named: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    unknown_words: set[str] = field(default_factory=set)
    unknown_pairs: set[str] = field(default_factory=set)

    def add(self, other: Mentions) -> None:
        """Take up what another text says."""
        self.named |= other.named
        self.denied |= other.denied
        self.unknown_words |= other.unknown_words
        self.unknown_pairs |= other.unknown_pairs


@dataclass(frozen=True, slots=True)
class Span:
    """What ``words[start:end]`` are in a text: one phrase of the vocabulary, or a word of none.

    Args:
        attributes: What the phrase means; empty for a phrase that names none, and for a word of none.
        is_denied: A denial reaches it.
        is_elsewhere: It is said of another item.
        is_unknown: It is a word of no phrase, and not one too common to mean anything.
    """

    start: int
    end: int
    attributes: tuple[str, ...]
    is_denied: bool
    is_elsewhere: bool
    is_unknown: bool


@dataclass(slots=True)
class _Item:
    """A phrase found at words[start:end], or a word of no phrase."""

    start: int
    end: int
    phrase: Phrase | None
    is_denied: bool = False
    is_elsewhere: bool = False

    @property
    def role(self) -> Role | None:
        return None if self.phrase is None else self.phrase.role


class TextReader:
    """Reads texts with one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        language = vocabulary.language
        self._spellings = language.spellings
        self._words_of_token = lru_cache(_TOKENS_REMEMBERED)(self._plain_words)
        self._table = phrases_of(vocabulary)
        self._group_tables = {name: phrases_of_group(vocabulary, name) for name in vocabulary.groups}
        self._column_tables = {name: whole_values_of_group(vocabulary, name) for name in vocabulary.groups}
        self._headings = _headings(vocabulary)
        self._value_names = {
            name: frozenset(
                phrase_words(phrase, language.spellings)
                for phrase in (*group.value_names, *(text for texts in group.translations.values() for text in texts))
            )
            for name, group in vocabulary.groups.items()
        }
        self._of_parts = frozenset(name for name, group in vocabulary.groups.items() if group.of_parts)
        self._parts = frozenset(phrase_words(part, language.spellings) for part in language.parts)
        self._noun_values = _noun_values(vocabulary)
        self._companion_verbs = _normal_set(language.companion_verbs)
        self._turns = _normal_set(language.turns)
        self._suffix_denials = _normal_set(language.suffix_denials)
        # The words of group names and nouns are no news: "neck" is left over where no value stands before it.
        nouns = [noun for group in vocabulary.groups.values() for noun in group.nouns]
        known = {word.text for noun in nouns for word in self.words(noun)}
        known |= {word for heading in self._headings for word in heading}
        self._stop_words = _normal_set(language.stop_words) | self._turns | _LINKS | _ARTICLES | _COPULAS | known

    def group_of(self, name: str) -> str | None:
        """The vocabulary's name of a group, from that name or an alias of it in any spelling; None if there is none."""
        return self._headings.get(tuple(word.text for word in split_words(name, self._spellings)))

    def is_name_of(self, group: str, name: str) -> bool:
        """Whether a name is the group's own in some spelling, and no alias of it."""
        return [word.text for word in self.words(name)] == [word.text for word in self.words(group)]

    def words(self, text: str) -> list[Word]:
        """The text's words as this vocabulary spells them."""
        return split_words(text, self._spellings)

    def read(self, words: Sequence[Word], *, tells_parts: bool = False) -> Mentions:
        """What running text says.

        Args:
            tells_parts: "Black buttons" are said of the buttons alone, as in descriptions. In titles they are not:
                "black button-down shirt".
        """
        items = self._items(words)
        self._mark_denials(words, items)
        if tells_parts:
            self._mark_parts(words, items)
        return self._mentions(words, items)

    def spans(self, words: Sequence[Word]) -> list[Span]:
        """What running text says, piece by piece, in order and without gaps."""
        items = self._items(words)
        self._mark_denials(words, items)
        return [
            Span(
                item.start,
                item.end,
                _names(item) if item.role is Role.ATTRIBUTE else (),
                item.is_denied,
                item.is_elsewhere,
                item.phrase is None and words[item.start].text not in self._stop_words,
            )
            for item in items
        ]

    def may_name(self, text: str) -> set[str] | None:
        """What running text names at most, found many times faster than what it names; None where that is anything."""
        if ":" in text or "=" in text or "：" in text:
            # Behind a heading, more words name something.
            return None
        words = {word for token in text.split() for word in self._words_of_token(token)}
        return {name for phrase in self._table.within(words) for name in phrase.attributes}

    def _plain_words(self, token: str) -> tuple[str, ...]:
        return tuple(word.text for word in self.words(token))

    def read_value(self, group: str, words: Sequence[Word]) -> Mentions:
        """What a value says whose group is known (an option column's, a feed attribute's), of that group alone."""
        if (whole := self._column_tables[group].whole(words)) is not None:
            return Mentions(set(whole.attributes))
        items = self._items(words, group)
        self._mark_denials(words, items)
        found = self._mentions(words, items)
        prefix = f"{group}="
        # What the values imply is kept: a stripe's direction says that there are stripes.
        named = {name for item in items if _speaks(item) for name in _names(item) if _first(item).startswith(prefix)}
        return Mentions(named, {name for name in found.denied if name.startswith(prefix)})

    def whole_value(self, group: str, text: str) -> str | None:
        """The attribute that a value means as a whole ("navy blue" in the group color), or None."""
        phrase = self._column_tables[group].whole(self.words(text))
        return None if phrase is None else _of_group(phrase, group)

    def values_named(self, group: str, text: str) -> list[tuple[str, bool]]:
        """The attributes of the group that a value names, in their order.

        Beside each, whether it is named by a value's own name or a translation of it.
        """
        names = self._value_names[group]
        words = self.words(text)
        items = self._items(words, group)
        self._mark_denials(words, items)
        return [
            (name, item.phrase.words in names)
            for item in items
            if item.phrase is not None and _speaks(item) and (name := _of_group(item.phrase, group)) is not None
        ]

    def whole_phrase(self, text: str) -> tuple[str, ...]:
        """What a text means that is one phrase of the vocabulary: ``lace``; nothing where it is none."""
        phrase = self._table.whole(self.words(text))
        return phrase.attributes if phrase is not None and phrase.role is Role.ATTRIBUTE else ()

    def _items(self, words: Sequence[Word], group: str | None = None) -> list[_Item]:
        items: list[_Item] = []
        position = 0
        heading: str | None = None
        clause = 0
        while position < len(words):
            gap = words[position].gap
            if gap is Gap.COLON:
                heading = self._headings.get(tuple(word.text for word in words[clause:position]))
            if gap is Gap.STOP:
                heading = None
            if gap >= Gap.COLON:
                clause = position
            phrase = self._phrase_at(words, position, group or heading) or self._before_noun(words, position)
            end = position + (1 if phrase is None else len(phrase.words))
            items.append(_Item(position, end, phrase))
            position = end
        return items

    def _phrase_at(self, words: Sequence[Word], position: int, group: str | None) -> Phrase | None:
        phrase = self._table.at(words, position)
        if group is None:
            return phrase
        own = self._group_tables[group].at(words, position)
        # Of the same words, what the heading speaks of is meant.
        longer = own is not None and (phrase is None or len(own.words) >= len(phrase.words))
        return own if longer else phrase

    def _before_noun(self, words: Sequence[Word], position: int) -> Phrase | None:
        """The value that stands one word before its noun: long in "long buttoned sleeves"."""
        values = self._noun_values.get(words[position].text)
        if values is None or position + 2 >= len(words):
            return None
        between = words[position + 1]
        if between.text in _LINKS | _ARTICLES | self._turns or between.gap > Gap.COMMA:
            return None
        # What a hyphen joins is one word: long drop-shoulder sleeves.
        last = position + 2 + (words[position + 2].gap is Gap.HYPHEN and position + 3 < len(words))
        return values.get(words[last].text) if words[last].gap <= Gap.HYPHEN else None

    def _mark_denials(self, words: Sequence[Word], items: list[_Item]) -> None:
        for number, item in enumerate(items):
            if item.role is Role.OTHER_ITEM:
                _mark_elsewhere(words, items, number, item.end)
            elif (start := self._companion_start(words, item)) is not None:
                _mark_elsewhere(words, items, number, start)
            elif item.role is Role.DENIAL:
                self._deny_following(words, items, number)
            elif item.role is Role.PREFIX_DENIAL:
                for later in items[number + 1 : number + 2]:
                    later.is_denied = words[later.start].gap <= Gap.HYPHEN
            elif item.role is Role.DENIAL_AFTER or self._is_suffix_denial(words, item):
                _deny_preceding(words, items, number)
            if words[item.start].text in _NOTHING and words[item.start].gap is Gap.COLON:
                _deny_heading(words, items, number)

    def _mark_parts(self, words: Sequence[Word], items: Sequence[_Item]) -> None:
        for item in items:
            if item.role is not Role.ATTRIBUTE or split_attribute(_first(item))[0] not in self._of_parts:
                continue
            for length in (1, 2):
                part = words[item.end : item.end + length]
                if all(word.gap <= Gap.HYPHEN for word in part) and tuple(word.text for word in part) in self._parts:
                    item.is_elsewhere = True

    def _companion_start(self, words: Sequence[Word], item: _Item) -> int | None:
        """Where the other items begin that "team this tee with" announces, or None if the item announces none."""
        if words[item.start].text not in self._companion_verbs or item.end >= len(words):
            return None
        if words[item.end].text not in _POINTERS or words[item.end].gap > Gap.HYPHEN:
            return None
        for position in range(item.end, min(len(words), item.end + _MAX_COMPANION_REACH)):
            if words[position].gap > Gap.COMMA:
                return None
            if words[position].text in _COMPANION_LINKS:
                return position + 1
        return None

    def _is_suffix_denial(self, words: Sequence[Word], item: _Item) -> bool:
        if item.phrase is not None or words[item.start].text not in self._suffix_denials:
            return False
        gap = words[item.start].gap
        ends_thought = item.end == len(words) or words[item.end].gap >= Gap.COMMA
        return gap is Gap.HYPHEN or (gap is Gap.SPACE and ends_thought)

    def _deny_following(self, words: Sequence[Word], items: list[_Item], number: int) -> None:
        start = items[number].end
        end = self._reach(words, start)
        for later in items[number + 1 :]:
            if later.start >= end:
                break
            later.is_denied = True

    def _reach(self, words: Sequence[Word], start: int) -> int:
        """Where the denial before ``start`` ends."""
        limit = min(len(words), start + _MAX_REACH)
        # In "no-show" and "non-iron" the denial is part of a word and says nothing of what follows it.
        if start < limit and words[start].gap is Gap.HYPHEN:
            end = start + 1
            while end < limit and words[end].gap is Gap.HYPHEN:
                end += 1
            return end
        has_begun = False
        for position in range(start, limit):
            word = words[position]
            if word.gap >= Gap.COLON:
                return position
            if word.gap is Gap.COMMA and not self._goes_on(words, position, limit):
                return position
            turns = word.text in self._turns
            if turns and has_begun:
                return position
            if word.text == "and" and position + 1 < len(words):
                following = words[position + 1].text
                if following in _ARTICLES or following in self._turns:
                    return position
            has_begun = has_begun or not (turns or word.text in _ARTICLES)
        return limit

    def _goes_on(self, words: Sequence[Word], comma: int, limit: int) -> bool:
        """Whether the list that the word at ``comma`` belongs to ends with "or": then the whole of it is denied.

        "no pockets, buttons or belts" goes on after its comma, "no collar, long sleeves" does not.
        """
        length = 0
        for position in range(comma, limit):
            word = words[position]
            if word.gap >= Gap.COLON or word.text in self._turns:
                return False
            if word.text in _CHOICES:
                return True
            length = 1 if word.gap is Gap.COMMA else length + 1
            if length > _MAX_LIST_ITEM:
                return False
        return False

    def _mentions(self, words: Sequence[Word], items: Sequence[_Item]) -> Mentions:
        mentions = Mentions()
        before: str | None = None
        for item in items:
            unknown = None
            if item.role is Role.ATTRIBUTE and not item.is_elsewhere:
                if item.is_denied:
                    mentions.denied.add(_first(item))
                else:
                    mentions.named.update(_names(item))
            elif item.phrase is None and not item.is_denied and not item.is_elsewhere:
                unknown = self._unknown(words[item.start].text)
            if unknown is not None:
                mentions.unknown_words.add(unknown)
                if before is not None and words[item.start].gap <= Gap.HYPHEN:
                    mentions.unknown_pairs.add(f"{before} {unknown}")
            before = unknown
        return mentions

    def _unknown(self, word: str) -> str | None:
        if not _MIN_LEARNED_LENGTH <= len(word) <= _MAX_LEARNED_LENGTH or word in self._stop_words:
            return None
        return None if any(letter.isdigit() for letter in word) else word


def _mark_elsewhere(words: Sequence[Word], items: Sequence[_Item], number: int, start: int) -> None:
    """Mark what follows word ``start`` as said of other items, to the end of the sentence."""
    for position in range(number + 1, len(items)):
        later = items[position]
        if words[later.start].gap is Gap.STOP:
            return
        if later.start >= start:
            if later.is_elsewhere:
                # An earlier remark has marked all the rest, so that a long text is gone over once.
                return
            later.is_elsewhere = True


def _deny_preceding(words: Sequence[Word], items: list[_Item], number: int) -> None:
    """Deny the attributes right before an item, and those that "and" and "or" link to them."""
    may_be_denied = True
    for position in range(number - 1, -1, -1):
        if words[items[position + 1].start].gap > Gap.HYPHEN:
            return
        item = items[position]
        if item.role is Role.ATTRIBUTE and may_be_denied:
            item.is_denied = True
            may_be_denied = False
            continue
        text = words[item.start].text
        if item.phrase is None and text in _LINKS:
            may_be_denied = True
        elif not (item.phrase is None and text in _COPULAS | _ARTICLES):
            return


def _deny_heading(words: Sequence[Word], items: list[_Item], number: int) -> None:
    """Deny what stands before the colon, where the answer after it is no more than "no"."""
    answer = items[number]
    if answer.end < len(words) and words[answer.end].gap < Gap.COMMA:
        return
    for position in range(number - 1, -1, -1):
        items[position].is_denied = True
        if words[items[position].start].gap >= Gap.COLON:
            return


def _speaks(item: _Item) -> bool:
    return item.role is Role.ATTRIBUTE and not item.is_denied and not item.is_elsewhere


def _names(item: _Item) -> tuple[str, ...]:
    return () if item.phrase is None else item.phrase.attributes


def _first(item: _Item) -> str:
    names = _names(item)
    return names[0] if names else ""


def _headings(vocabulary: Vocabulary) -> Mapping[tuple[str, ...], str]:
    """Groups by the words of their names and aliases; a name counts before another group's alias."""
    texts = [(name, name) for name in vocabulary.groups]
    texts += [(alias, name) for name, group in vocabulary.groups.items() for alias in group.aliases]
    headings: dict[tuple[str, ...], str] = {}
    for text, name in texts:
        headings.setdefault(tuple(word.text for word in split_words(text, vocabulary.language.spellings)), name)
    return headings


def _noun_values(vocabulary: Vocabulary) -> Mapping[str, Mapping[str, Phrase]]:
    """Values of one word by that word and by each noun of one word that may follow: ``["long"]["sleeve"]``."""
    found: dict[str, dict[str, Phrase]] = {}
    spellings = vocabulary.language.spellings
    for name, group in vocabulary.groups.items():
        nouns = [words[0] for noun in group.nouns if len(words := phrase_words(noun, spellings)) == 1]
        for value in group.values:
            words = phrase_words(value, spellings)
            if len(words) == 1:
                attribute = f"{name}={value}"
                attributes = (attribute, *vocabulary.implied.get(attribute, ()))
                for noun in nouns:
                    found.setdefault(words[0], {})[noun] = Phrase(words, Role.ATTRIBUTE, attributes)
    return found


def _normal_set(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(normal_word(text) for text in texts)


def _of_group(phrase: Phrase, group: str) -> str | None:
    """The first of the phrase's attributes that is the group's."""
    return next((name for name in phrase.attributes if name.startswith(f"{group}=")), None)


@lru_cache(maxsize=1)
def fashion_reader() -> TextReader:
    """A reader with the vocabulary that comes with Drape."""
    return TextReader(fashion_vocabulary())
