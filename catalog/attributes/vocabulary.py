"""The closed vocabulary of mining: groups, their values and the phrases that mean them, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from catalog.attributes.words import Gap, Word, normal_word, split_words
from catalog.errors import VocabularyUnusable
from embeddings.taxonomy import normalize_attribute

LEARNED_GROUP = "word"
"""The group of words that are in no vocabulary and were learned from a catalog."""

NOUN_PLACE = "*"
"""Stands in a phrase for any of its group's nouns."""

_EXAMPLE = 'a table such as [groups.color.values] with lines such as red = ["scarlet", "cherry red"]'
_GROUP_KEYS = (
    "aliases", "nouns", "additive", "combines", "of_parts", "replaces", "values", "columns", "translations",
    "conflicts",
)  # fmt: skip
_CONFLICT_KEYS = ("families", "unspecific")
_TOP_KEYS = ("replaces", "groups", "implied", "language")


@dataclass(frozen=True, slots=True)
class Comparison:
    """When two values of a group contradict each other: where they are none of one family, and both specific.

    Args:
        families: Values that shops do not tell apart alike, such as navy and blue; one may be in several families.
        unspecific: Values that leave open which of the others it is, such as multicolor.
    """

    families: tuple[frozenset[str], ...] = ()
    unspecific: frozenset[str] = frozenset()

    def agree(self, one: str, other: str) -> bool:
        """Whether both may be said of one item.

        >>> Comparison((frozenset({"navy", "blue"}),)).agree("blue", "navy")
        True
        """
        if one == other or one in self.unspecific or other in self.unspecific:
            return True
        return any(one in family and other in family for family in self.families)


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of attribute and its values.

    Args:
        values: Phrases by value, beside the value itself. ``*`` in a phrase stands for any of ``nouns``.
        nouns: Where there are any, a value counts only with one of them behind it: "round neck".
        aliases: Other names of the group, as option columns and headings have them.
        additive: Values of every source count.
        combines: Values of title, tags and description count together, but where the feed or an option column names
            any, that decides. With neither, the first source that names one decides.
        of_parts: Parts of an item may have the values, too: what stands right before a part in a description is the
            part's.
        columns: Phrases by value that mean it as the whole value of a column of the group: "midnight" as a colour. A
            value may be here alone.
        translations: Phrases by value in other languages, which mean it wherever it is known that the group is spoken
            of; a value may be here alone, too.
        comparison: Of a group of which an item has one value as a rule, so that title and column can contradict each
            other; None for the others.
    """

    values: Mapping[str, tuple[str, ...]]
    nouns: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    additive: bool = False
    combines: bool = False
    of_parts: bool = False
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def value_names(self) -> frozenset[str]:
        """Every value that the group knows, be it in columns alone."""
        return frozenset((*self.values, *self.columns, *self.translations))


@dataclass(frozen=True, slots=True)
class Language:
    """What a language's texts do with attributes beside naming them; see the vocabulary's file for each list.

    Args:
        spellings: Normal spelling by variant, both in the singular.
    """

    ignored: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    prefix_denials: tuple[str, ...] = ()
    denials_after: tuple[str, ...] = ()
    suffix_denials: tuple[str, ...] = ()
    no_denials: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    other_items: tuple[str, ...] = ()
    companion_verbs: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that mining knows.

    Args:
        groups: By name.
        implied: What is true of everything that has the first, in normal form.
    """

    groups: Mapping[str, Group]
    implied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    language: Language = field(default_factory=Language)

    def with_learned(self, phrases: Iterable[str]) -> Vocabulary:
        """This vocabulary with more phrases, each the value ``word=phrase``."""
        group = self.groups.get(LEARNED_GROUP, Group({}, additive=True))
        values = {**group.values, **dict.fromkeys(phrases, ())}
        return replace(self, groups={**self.groups, LEARNED_GROUP: replace(group, values=values)})


@lru_cache(maxsize=1)
def fashion_vocabulary() -> Vocabulary:
    """The vocabulary that comes with Drape: what fashion shops say in English, in columns in other languages, too."""
    vocabulary: Vocabulary | None = None
    for name in ("fashion.toml", "fashion_columns.toml"):
        text = files("catalog.attributes").joinpath(name).read_text(encoding="utf-8")
        vocabulary = parse_vocabulary(text, name, base=vocabulary)
    assert vocabulary is not None
    return vocabulary


def read_vocabulary(path: Path) -> Vocabulary:
    """A vocabulary of a merchant's own, laid over the one that comes with Drape, or in its place.

    Args:
        path: A TOML file in the form of ``fashion.toml``. ``replaces = true`` at its top takes nothing from that one
            but how its language denies, in a group nothing from that group. Lists of words are added to; a phrase
            that both have means what this file says.

    Raises:
        VocabularyUnusable: the file cannot be read or is no vocabulary; names the file and the entry.
    """
    try:
        # Some editors begin a UTF-8 file with a byte order mark, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise VocabularyUnusable(
            "The vocabulary cannot be read", received=f"{path}: {reason}", expected="a TOML file in UTF-8"
        ) from error
    return parse_vocabulary(text, str(path), base=fashion_vocabulary())


def parse_vocabulary(text: str, name: str, base: Vocabulary | None = None) -> Vocabulary:
    """The vocabulary that a TOML text describes, laid over ``base``.

    Args:
        name: Of the text's file, for errors.

    Raises:
        VocabularyUnusable: names the file, the entry and what was expected there.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VocabularyUnusable(f"{name} is no TOML", received=str(error), expected=_EXAMPLE) from error
    entries = _Entries(name, document)
    entries.check_keys("", document, _TOP_KEYS)
    if base is None or entries.flag("", document, "replaces"):
        # The language is not the merchant's to say again: a vocabulary of other values is still written in English,
        # unless it brings lists of its own.
        base = Vocabulary({}, language=Language() if base is None else base.language)
    language = entries.language(document, base.language)
    groups = entries.groups(document, base.groups, language.spellings)
    if not any(group.values for group in groups.values()):
        raise VocabularyUnusable(f"{name} has no values", received="no groups.NAME.values", expected=_EXAMPLE)
    return Vocabulary(groups, {**base.implied, **entries.implied(document)}, language)


class _Entries:
    """Reads the entries of one file and tells what is wrong with them."""

    def __init__(self, name: str, document: Mapping[str, object]) -> None:
        self._name = name
        self._document = document

    def groups(
        self, document: Mapping[str, object], base: Mapping[str, Group], spellings: Mapping[str, str]
    ) -> dict[str, Group]:
        groups = dict(base)
        for name, table in self.table("", document, "groups").items():
            where = f"groups.{name}"
            if not isinstance(table, dict):
                raise self.unusable(where, table, "a table with values")
            self._check_name(where, name, f"{name}=value")
            self.check_keys(where, table, _GROUP_KEYS)
            known = Group({}) if self.flag(where, table, "replaces") else groups.get(name, Group({}))
            own = self._phrases(where, "values", table, spellings)
            own_columns = self._phrases(where, "columns", table, spellings)
            own_translations = self._phrases(where, "translations", table, spellings)
            told = _merged(own, own_columns, own_translations)
            groups[name] = Group(
                values=_overlaid(known.values, own, spellings),
                nouns=_added(known.nouns, self.texts(where, table, "nouns")),
                aliases=_added(known.aliases, self.texts(where, table, "aliases")),
                additive=self.flag(where, table, "additive", known.additive),
                combines=self.flag(where, table, "combines", known.combines),
                of_parts=self.flag(where, table, "of_parts", known.of_parts),
                columns=_merged(_without(known.columns, told, spellings), own_columns),
                translations=_merged(_without(known.translations, told, spellings), own_translations),
                comparison=self._comparison(where, table, known.comparison),
            )
            self._check_nouns(where, groups[name])
            self._check_columns(where, groups[name], spellings)
        return groups

    def language(self, document: Mapping[str, object], base: Language) -> Language:
        table = self.table("", document, "language")
        lists = [name for name in Language.__dataclass_fields__ if name != "spellings"]
        self.check_keys("language", table, (*lists, "spellings"))
        added = {name: _added(getattr(base, name), self.texts("language", table, name)) for name in lists}
        spellings = dict(base.spellings)
        for variant, normal in self.table("language", table, "spellings").items():
            where = f"language.spellings.{variant}"
            words = split_words(normal) if isinstance(normal, str) else []
            if len(words) != 1 or len(split_words(variant)) != 1:
                raise self.unusable(where, normal, "one word for another word")
            spellings[normal_word(variant)] = words[0].text
        # Chains are followed here, so that a normal spelling has no other one.
        for variant in spellings:
            seen = {variant}
            while (normal := spellings[variant]) in spellings:
                if normal in seen:
                    raise self.unusable(f"language.spellings.{variant}", normal, "spellings that do not go in circles")
                seen.add(normal)
                spellings[variant] = spellings[normal]
        return Language(spellings=spellings, **added)

    def implied(self, document: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
        table = self.table("", document, "implied")
        implied = {name: self.texts("implied", table, name) for name in table}
        for name, others in implied.items():
            for attribute in (name, *others):
                self._check_name(f'implied."{name}"', attribute, attribute)
        return implied

    def _phrases(
        self, where: str, key: str, table: Mapping[str, object], spellings: Mapping[str, str]
    ) -> dict[str, tuple[str, ...]]:
        """The phrases of the group's ``values``, ``columns`` or ``translations``, by value."""
        meanings: dict[tuple[str, ...], str] = {}
        values: dict[str, tuple[str, ...]] = {}
        inner = self.table(where, table, key)
        for value in inner:
            place = f'{where}.{key}."{value}"'
            self._check_name(place, value, f"group={value}")
            values[value] = self.texts(f"{where}.{key}", inner, value)
            for phrase in (value, *values[value]):
                words = phrase_words(phrase, spellings)
                if not words:
                    raise self.unusable(place, phrase, "words without punctuation between them")
                other = meanings.setdefault(words, value)
                if other != value:
                    raise self.unusable(place, phrase, f"a phrase of one value; {other!r} has it too")
        return values

    def _comparison(self, where: str, table: Mapping[str, object], known: Comparison | None) -> Comparison | None:
        if "conflicts" not in table:
            return known
        known = known or Comparison()
        inner = self.table(where, table, "conflicts")
        place = f"{where}.conflicts"
        self.check_keys(place, inner, _CONFLICT_KEYS)
        families = inner.get("families", [])
        if not isinstance(families, list):
            raise self.unusable(f"{place}.families", families, 'a list of lists of values: [["navy", "blue"]]')
        own = [frozenset(self.texts(f"{place}.families", {"family": family}, "family")) for family in families]
        unspecific = self.texts(place, inner, "unspecific")
        return Comparison((*known.families, *own), known.unspecific | set(unspecific))

    def _check_nouns(self, where: str, group: Group) -> None:
        if group.nouns:
            return
        for value, phrases in group.values.items():
            for phrase in phrases:
                if NOUN_PLACE in phrase:
                    raise self.unusable(f'{where}.values."{value}"', phrase, "nouns = [...] in a group that uses *")

    def _check_columns(self, where: str, group: Group, spellings: Mapping[str, str]) -> None:
        """A value's own name means that value in a column, too."""
        names = {phrase_words(value, spellings): value for value in group.value_names}
        for key, table in (("columns", group.columns), ("translations", group.translations)):
            for value, phrases in table.items():
                for phrase in phrases:
                    place = f'{where}.{key}."{value}"'
                    if NOUN_PLACE in phrase:
                        raise self.unusable(place, phrase, "words without *: in a column no noun is needed")
                    if (other := names.get(phrase_words(phrase, spellings), value)) != value:
                        raise self.unusable(place, phrase, f"a phrase of one value; {other!r} is a value of its own")

    def _check_name(self, where: str, found: str, attribute: str) -> None:
        try:
            normal = normalize_attribute(attribute)
        except ValueError:
            normal = ""
        if normal != attribute or attribute.count("=") != 1:
            raise self.unusable(where, found, "a name in lower case, without = and : and without doubled spaces")

    def check_keys(self, where: str, table: Mapping[str, object], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                place = f"{where}.{key}" if where else key
                raise self.unusable(place, key, "one of " + ", ".join(known))

    def table(self, where: str, table: Mapping[str, object], key: str) -> Mapping[str, object]:
        inner = table.get(key, {})
        if not isinstance(inner, dict):
            raise self.unusable(f"{where}.{key}" if where else key, inner, _EXAMPLE)
        return inner

    def texts(self, where: str, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(text, str) and split_words(text) for text in found):
            raise self.unusable(f'{where}."{key}"', found, 'a list of phrases: ["scarlet", "cherry red"]')
        return tuple(found)

    def flag(self, where: str, table: Mapping[str, object], key: str, otherwise: bool = False) -> bool:
        found = table.get(key, otherwise)
        if not isinstance(found, bool):
            raise self.unusable(f"{where}.{key}" if where else key, found, "true or false")
        return found

    def unusable(self, where: str, received: object, expected: str) -> VocabularyUnusable:
        return VocabularyUnusable(
            f"{self._name}: the entry {where} cannot be used", received=repr(received), expected=expected
        )


def phrase_words(phrase: str, spellings: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a phrase in normal form, ``*`` as it is; none where punctuation stands between them."""
    words: list[Word] = []
    for position, part in enumerate(phrase.split(NOUN_PLACE)):
        if position:
            words.append(Word(NOUN_PLACE, Gap.SPACE))
        found = split_words(part, spellings)
        if any(word.gap > Gap.HYPHEN for word in found[1:]):
            return ()
        words.extend(found)
    return tuple(word.text for word in words)


def _overlaid(
    known: Mapping[str, tuple[str, ...]], own: Mapping[str, tuple[str, ...]], spellings: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Values of both; where both have a phrase, it belongs to the value that ``own`` gives it."""
    return _merged(_without(known, own, spellings), own)


def _without(
    known: Mapping[str, tuple[str, ...]], own: Mapping[str, tuple[str, ...]], spellings: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The known values without the phrases to which ``own`` gives another value."""
    taken = {phrase_words(phrase, spellings): value for value, phrases in own.items() for phrase in (value, *phrases)}
    return {
        value: tuple(phrase for phrase in phrases if taken.get(phrase_words(phrase, spellings), value) == value)
        for value, phrases in known.items()
        # A value that is another one's phrase now is none of its own any more.
        if taken.get(phrase_words(value, spellings), value) == value
    }


def _merged(*tables: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Every value of the tables with its phrases in all of them."""
    values: dict[str, tuple[str, ...]] = {}
    for table in tables:
        for value, phrases in table.items():
            values[value] = _added(values.get(value, ()), phrases)
    return values


def _added(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))
