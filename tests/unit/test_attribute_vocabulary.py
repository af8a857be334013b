"""Vocabulary files: what they may say, how they are laid over one another, and what is told of wrong ones."""

from __future__ import annotations

import pytest

from catalog.attributes.mining import AttributeMiner
from catalog.attributes.product_texts import ProductTexts
from catalog.attributes.vocabulary import fashion_vocabulary, parse_vocabulary, read_vocabulary
from catalog.errors import VocabularyUnusable
from catalog.types import AttributeSource

GROUPS = "color pattern stripes fabric neckline sleeve length silhouette fit waist detail occasion"


def names(vocabulary, text):
    return AttributeMiner(vocabulary).mine(ProductTexts("", text), AttributeSource.TEXT).names


def overlaid(text):
    return parse_vocabulary(text, "own.toml", base=fashion_vocabulary())


def test_the_vocabulary_that_comes_with_drape():
    """It is valid by the rules for merchants' files, and covers what a garment is described by."""
    vocabulary = fashion_vocabulary()
    assert " ".join(vocabulary.groups) == GROUPS
    assert all(group.values for group in vocabulary.groups.values())
    for name, others in vocabulary.implied.items():
        for attribute in (name, *others):
            group, _, value = attribute.partition("=")
            assert value in vocabulary.groups[group].values


def test_own_words_lie_over_the_others():
    """A new phrase, a new value, a new group; what was there stays."""
    vocabulary = overlaid(
        """
        [groups.color.values]
        navy = ["midnight sky"]
        saffron = []
        [groups.heel]
        nouns = ["heel"]
        values = { block = [], stiletto = ["spike *", "stiletto"] }
        """
    )
    text = "midnight sky, saffron, blue, block heels, spike heel"
    assert names(vocabulary, text) == (
        "color=blue", "color=navy", "color=saffron", "heel=block", "heel=stiletto",
    )  # fmt: skip
    assert names(vocabulary, "a block") == ()


def test_a_phrase_of_both_means_what_the_merchant_says():
    """Sage was a green; now it is a value of its own, and nude no longer beige."""
    vocabulary = overlaid('[groups.color.values]\nsage = []\nnude = ["skin tone"]\n')
    assert names(vocabulary, "sage") == ("color=sage",)
    assert names(vocabulary, "sage green, nude") == ("color=green", "color=nude")
    assert names(fashion_vocabulary(), "sage, nude") == ("color=beige", "color=green")


def test_replacing_a_group_or_everything():
    """A replaced group has its own values alone; replacing everything keeps how the language denies."""
    group = overlaid('[groups.color]\nreplaces = true\nvalues = { red = ["scarlet"] }\n')
    assert names(group, "scarlet, blue, lace") == ("color=red", "fabric=lace")
    everything = overlaid('replaces = true\n[groups.cut.values]\nboxy = ["square"]\n')
    assert names(everything, "square, blue, no boxy shape") == ("cut=boxy",)
    assert names(everything, "no boxy shape") == ()


def test_words_of_another_language():
    """Denials and spellings can be added to."""
    vocabulary = overlaid('[language]\ndenials = ["ohne"]\n[language.spellings]\nrot = "red"\n')
    assert names(vocabulary, "rot, ohne Pockets") == ("color=red",)


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("[groups", "own.toml is no TOML", "groups.color.values"),
        ("", "own.toml has no values", "groups.color.values"),
        ("[grups.color.values]\nred = []", "grups", "one of replaces, groups"),
        ("[groups.color]\nvalue = {}", "groups.color.value", "one of aliases"),
        ("groups = 3", "groups", "a table"),
        ("[groups]\ncolor = ['red']", "groups.color", "a table"),
        ("[groups.color.values]\nred = 'scarlet'", 'groups.color.values."red"', "a list of phrases"),
        ("[groups.color.values]\nred = ['']", 'groups.color.values."red"', "a list of phrases"),
        ("[groups.color.values]\nred = ['a, b']", 'groups.color.values."red"', "without punctuation"),
        ("[groups.color.values]\nred = ['wine']\nburgundy = ['Wines']", 'values."burgundy"', "'red' has it too"),
        ("[groups.color.values]\nred = ['* red']", 'groups.color.values."red"', "nouns"),
        ("[groups.Color.values]\nred = []", "groups.Color", "lower case"),
        ("[groups.color.values]\n'dark  red' = []", "dark  red", "lower case"),
        ("[groups.color]\nadditive = 1\nvalues = {red = []}", "groups.color.additive", "true or false"),
        ("[groups.color.values]\nred = []\n[implied]\nred = ['color=red']", "implied", "a name"),
        ("[groups.color.values]\nred = []\n[language]\ndenial = ['no']", "language.denial", "one of"),
        ("[groups.color.values]\nred = []\n[language.spellings]\nrot = 'dark red'", "spellings.rot", "one word"),
        ("[groups.color.values]\nred = []\n[language.spellings]\na = 'b'\nb = 'a'", "spellings", "circles"),
    ],
)
def test_wrong_entries_are_named(text, where, expected):
    """The error names the file, the entry, and what was expected there."""
    with pytest.raises(VocabularyUnusable) as raised:
        parse_vocabulary(text, "own.toml")
    assert "own.toml" in str(raised.value)
    assert where in str(raised.value)
    assert expected in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    """No file, no text; a byte order mark is no matter."""
    with pytest.raises(VocabularyUnusable, match=r"none\.toml: No such file"):
        read_vocabulary(tmp_path / "none.toml")
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b"\xef\xbb\xbf[groups.heel.values]\nblock = []\n")
    assert "block" in read_vocabulary(marked).groups["heel"].values
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(VocabularyUnusable, match=r"binary\.toml: .*decode"):
        read_vocabulary(binary)
