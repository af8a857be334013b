"""What holds for mining whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attributes.mentions import TextReader
from catalog.attributes.mining import AttributeMiner
from catalog.attributes.product_texts import ProductTexts, texts_of_product
from catalog.attributes.vocabulary import NOUN_PLACE, fashion_vocabulary, phrase_words
from catalog.attributes.words import fold, singular, split_words
from catalog.html_text import html_to_text
from catalog.types import AttributeSource

VOCABULARY = fashion_vocabulary()
MINER = AttributeMiner(VOCABULARY)
READER = TextReader(VOCABULARY)
PREFIX_CUES = ("no", "without", "not", "free of", "neither", "lacking", "non-")


def _phrases():
    """Every phrase of the vocabulary as a shop may write it."""
    for group in VOCABULARY.groups.values():
        for value, phrases in group.values.items():
            for phrase in (f"{value} {NOUN_PLACE}" if group.nouns else value, *phrases):
                yield from (phrase.replace(NOUN_PLACE, noun) for noun in group.nouns or ("",))


PHRASES = sorted(set(_phrases()))
phrases = st.sampled_from(PHRASES)
# "Without sleeves" is a value of its own.
deniable = st.sampled_from([phrase for phrase in PHRASES if not phrase.startswith(("no ", "without "))])
# What stands in a list is short, and "for work" begins with a word at which denials end.
listed = st.sampled_from([phrase for phrase in PHRASES if len(phrase_words(phrase, {})) <= 3 and phrase != "for work"])
WITHOUT_PLURAL = ("ecru", "lace", "crochet lace", "tight", "skin tight", "lace up", "lace-up", "laced up")
"""Ecru has none; laces and tights are other things than lace and tight, and lace-ups are shoes."""

fillers = st.sampled_from(["gown", "with a", "and", "or", "made of", "very", "its", "boho", "100%", "in", "no", "not"])
sentences = st.lists(st.one_of(phrases, fillers), min_size=1, max_size=6).map(" ".join)


def named(text):
    return MINER.mine(ProductTexts("", text), AttributeSource.TEXT).names


def plural(phrase):
    """The phrase with its last word in the plural, by the rules of spelling."""
    if phrase.endswith(("s", "x", "ch", "sh")):
        return f"{phrase}es"
    return f"{phrase[:-1]}ies" if phrase.endswith("y") and phrase[-2:-1] not in tuple("aeiou") else f"{phrase}s"


@pytest.mark.parametrize("initial", sorted({phrase[0] for phrase in PHRASES}))
def test_case_hyphens_and_plurals_make_no_difference(initial):
    """Every phrase of the vocabulary names something, and the same in every spelling."""
    for phrase in (phrase for phrase in PHRASES if phrase.startswith(initial)):
        expected = READER.read(READER.words(phrase)).named
        assert expected, phrase
        spellings = {phrase.upper(), phrase.title(), phrase.replace(" ", "-"), phrase.replace("-", " ")}
        # What is a plural already has none: shorts, pockets.
        if not phrase.endswith("s") and phrase not in WITHOUT_PLURAL:
            spellings.add(plural(phrase))
        for spelling in spellings:
            assert READER.read(READER.words(spelling)).named == expected, spelling


@settings(max_examples=400, deadline=None)
@given(st.lists(sentences, max_size=3), deniable, st.sampled_from(PREFIX_CUES))
def test_a_denied_term_adds_nothing(others, phrase, cue):
    """Neither as a sentence of its own, nor with the denial behind it."""
    text = ". ".join(others)
    before = set(named(text))
    assert set(named(f"{text}. {cue} {phrase}.".replace("- ", "-"))) == before
    assert set(named(f"{text}. {phrase} not included.")) == before
    assert set(named(f"{text}. It is {phrase}-free.")) == before


@settings(max_examples=200, deadline=None)
@given(listed, listed, listed)
def test_a_denied_list_adds_nothing(first, second, third):
    """A denial reaches over a whole list."""
    assert set(named(f"No {first}, {second} or {third}.")) == set()
    assert set(named(f"Without {first} or {second}.")) == set()


@settings(max_examples=200, deadline=None)
@given(st.lists(sentences, max_size=5).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_order_of_sentences_makes_no_difference(orders):
    """A thought ends with its sentence."""
    first, second = orders
    assert named(". ".join(first)) == named(". ".join(second))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.sampled_from(["women's", "mens", "scarves", "canvases", "series"])))
def test_normal_forms_are_their_own(text):
    """Folding twice, singular twice, splitting what was split: nothing changes any more."""
    assert fold(fold(text)) == fold(text)
    words = [word.text for word in split_words(text, VOCABULARY.language.spellings)]
    assert [word.text for word in split_words(" ".join(words), VOCABULARY.language.spellings)] == words
    for word in words:
        assert word
        assert singular(singular(f"{word}s")) == singular(f"{word}s")
        assert singular(word) == word


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.dictionaries(st.text(max_size=12), st.text(max_size=12)))
def test_any_text_is_read(description, title, raw):
    """Whatever a feed holds, attributes are in normal form, sorted and from the vocabulary."""
    product = MINER.mine(texts_of_product(title, description, (), raw))
    assert list(product.names) == sorted(set(product.names))
    for name in product.names:
        group, _, value = name.partition("=")
        assert value in VOCABULARY.groups[group].values


@pytest.mark.parametrize(
    "text",
    ["<script>" * 12_000, "<!--" * 25_000, " " * 100_000, "pair with " * 10_000, "team it with " * 7_000,
     "no, " * 25_000, "& " * 50_000,
     "red and " * 12_000 + "free", "a: no " * 16_000, "<" * 100_000, "-" * 100_000, "x" * 100_000],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_long_texts_take_time_in_proportion(text):
    """The longest description that a feed may have, of the worst kind, takes seconds at most."""
    assert isinstance(MINER.mine(texts_of_product("x", html_to_text(text), (), {})).names, tuple)
