"""The attributes of one product: what its feed says and what its texts say, with where each came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.attributes.mentions import Mentions, TextReader
from catalog.attributes.product_texts import TAG_GROUP, ProductTexts
from catalog.attributes.vocabulary import Group, Vocabulary
from catalog.attributes.words import without_phrase
from catalog.types import AttributeSource
from embeddings.taxonomy import split_attribute

_NO_GROUP = Group({})


@dataclass(frozen=True, slots=True)
class Conflict:
    """A group in which the feed says one thing and the texts another; the feed's values are kept.

    Args:
        feed, text: Values, sorted.
    """

    group: str
    feed: tuple[str, ...]
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProductAttributes:
    """What is known of one product.

    Args:
        names: In normal form, sorted, without repeats.
        from_feed, from_text: Those of ``names`` that the feed says, and those that the texts say; one may be in both.
        denied: Attributes that some text says the item has not.
        unknown_words, unknown_pairs: Words and pairs of words of the texts that are in no vocabulary.
    """

    names: tuple[str, ...]
    from_feed: frozenset[str]
    from_text: frozenset[str]
    conflicts: tuple[Conflict, ...]
    denied: frozenset[str]
    unknown_words: frozenset[str]
    unknown_pairs: frozenset[str]


class AttributeMiner:
    """Mines products with one vocabulary.

    Of each group the first source that names a value decides: feed, option columns, title, tags, description. A
    description speaks of linings, trimmings and what the item is worn with, too, and is believed last. Groups that
    combine (fabrics, necklines, sleeves) take the values of title, tags and description together, additive ones
    (details, occasions) those of every source.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._reader = TextReader(vocabulary)

    def mine(self, texts: ProductTexts, source: AttributeSource = AttributeSource.BOTH) -> ProductAttributes:
        """The product's attributes.

        ``feed`` gives exactly the feed's own, bare ones included. ``text`` gives what title, description, tags and
        option columns say. ``both`` gives the feed's and, in groups that it leaves open, the texts'; a feed's attribute
        that the vocabulary knows under another name gets the vocabulary's (``colour=navy blue`` becomes
        ``color=navy``), so that one thing has one name, and a bare one that it understands is replaced by its meaning.
        A value with digits that the vocabulary does not know (``length=95 cm``) leaves its group open.
        """
        sources = self._text_sources(texts)
        feed = self._feed_attributes(texts, source)
        text = set() if source is AttributeSource.FEED else self._decide(sources[0], sources[1:])
        conflicts: tuple[Conflict, ...] = ()
        if source is AttributeSource.BOTH:
            deciding = {name for name in feed if self._decides(name)}
            conflicts = tuple(self._conflicts(deciding, text))
            decided = {split_attribute(name)[0] for name in deciding}
            text = {name for name in text if name in feed or self._is_open(name, decided)}
        everything = Mentions()
        for mentions in sources:
            everything.add(mentions)
        return ProductAttributes(
            names=tuple(sorted(feed | text)),
            from_feed=frozenset(feed),
            from_text=frozenset(text),
            conflicts=conflicts,
            denied=frozenset(everything.denied - feed - text),
            unknown_words=frozenset(everything.unknown_words),
            unknown_pairs=frozenset(everything.unknown_pairs),
        )

    def _text_sources(self, texts: ProductTexts) -> list[Mentions]:
        """What the texts say, by source, in the order in which they are believed."""
        brand = self._brand(texts)
        options, tags = Mentions(), Mentions()
        for name, value in texts.options:
            group = self._reader.group_of(name)
            if group is not None:
                options.add(self._reader.read_value(group, self._reader.words(value)))
        for tag in texts.tags:
            tags.add(self._reader.read(without_phrase(self._reader.words(tag), brand)))
        title = self._reader.read(without_phrase(self._reader.words(texts.title), brand))
        description = self._reader.read(without_phrase(self._reader.words(texts.description), brand), tells_parts=True)
        return [options, title, tags, description]

    def _brand(self, texts: ProductTexts) -> tuple[str, ...]:
        return tuple(word.text for word in self._reader.words(texts.brand))

    def _decide(self, options: Mentions, prose: Iterable[Mentions]) -> set[str]:
        """What option columns and prose say together; ``prose`` in the order in which it is believed."""
        found = set(options.named)
        told = {split_attribute(name)[0] for name in options.named}
        decided = set(told)
        for mentions in prose:
            for name in mentions.named:
                combines = self._group(name).combines and split_attribute(name)[0] not in told
                if combines or self._is_open(name, decided):
                    found.add(name)
            decided |= {split_attribute(name)[0] for name in mentions.named}
        return found

    def _is_open(self, name: str, decided: set[str]) -> bool:
        return split_attribute(name)[0] not in decided or self._group(name).additive

    def _group(self, name: str) -> Group:
        # What a vocabulary implies may be of a group that it has no values for.
        return self.vocabulary.groups.get(split_attribute(name)[0], _NO_GROUP)

    def _feed_attributes(self, texts: ProductTexts, source: AttributeSource) -> set[str]:
        if source is AttributeSource.TEXT:
            return set()
        if source is AttributeSource.FEED:
            return set(texts.feed_attributes)
        brand = self._brand(texts)
        return {known for name in texts.feed_attributes if (known := self._known_name(name, brand)) is not None}

    def _known_name(self, name: str, brand: tuple[str, ...]) -> str | None:
        """The vocabulary's name of a feed's attribute, or that name where the vocabulary has none for it.

        None for a bare attribute that the vocabulary understands: what it means is among the texts'. Under an alias a
        shop may mean something else than the vocabulary ("style=casual"): without a value of the group it is kept.
        """
        group_name, value = split_attribute(name)
        if group_name == TAG_GROUP:
            mentions = self._reader.read(without_phrase(self._reader.words(value), brand))
            return None if mentions.named or mentions.denied else name
        group = self._reader.group_of(group_name)
        if group is None:
            return name
        if (whole := self._reader.whole_value(group, value)) is not None:
            return whole
        is_certain = self._reader.is_name_of(group, group_name) or self._mentions_value(group, value)
        return f"{group}={value}" if is_certain else name

    def _mentions_value(self, group: str, value: str) -> bool:
        return bool(self._reader.read_value(group, self._reader.words(value)).named)

    def _decides(self, name: str) -> bool:
        """Whether a feed's attribute answers its group: "length=95 cm" and "color=012" leave the texts' word open."""
        group, value = split_attribute(name)
        if group not in self.vocabulary.groups or not any(letter.isdigit() for letter in value):
            return True
        return self._reader.whole_value(group, value) is not None or self._mentions_value(group, value)

    def _conflicts(self, feed: set[str], text: set[str]) -> Iterable[Conflict]:
        for group, values in sorted(_by_group(text).items()):
            said = _by_group(feed).get(group)
            known = self.vocabulary.groups.get(group)
            if said is None or known is None or known.additive:
                continue
            # "ocean blue" agrees with "blue": what counts is whether the feed's value mentions the texts'.
            meant = set(said)
            for value in said:
                mentioned = self._reader.read_value(group, self._reader.words(value)).named
                meant |= {split_attribute(name)[1] for name in mentioned}
            if not meant & set(values):
                yield Conflict(group, tuple(sorted(said)), tuple(sorted(values)))


def _by_group(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        group, value = split_attribute(name)
        groups.setdefault(group, []).append(value)
    return groups
