"""What is typed of an attribute finds it in any of its words, in any spelling, and with one letter wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attributes.completion import Fit, Nearness, fashion_completion, is_one_edit_away, most_likely
from catalog.attributes.vocabulary import fashion_vocabulary

KNOWN = sorted(f"{name}={value}" for name, group in fashion_vocabulary().groups.items() for value in group.value_names)
THERE = [
    "brand=Ångström & Söhne".casefold(),
    "color=navy",
    "color=red",
    "fabric=linen",
    "neckline=v-neck",
    "tag=picnic",
]


def _found(typed: str, attributes=THERE) -> list[str]:
    return most_likely(fashion_completion().find(typed, attributes), {})


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("NAV", ["color=navy"]),
        ("color: nav", ["color=navy"]),
        ("Farbe", []),
        ("colour", ["color=navy", "color=red"]),
        ("dunkelb", ["color=navy"]),
        ("bleu marine", ["color=navy"]),
        ("rouge", ["color=red"]),
        ("vneck", ["neckline=v-neck"]),
        ("V Ne", ["neckline=v-neck"]),
        ("sohn", ["brand=ångström & söhne"]),
        ("angstrom&s", ["brand=ångström & söhne"]),
        ("maker angs", []),
        ("brand angs", ["brand=ångström & söhne"]),
        ("linem", ["fabric=linen"]),
        ("lnen", ["fabric=linen"]),
        ("nvay", ["color=navy"]),
        ("picknic", ["tag=picnic"]),
        ("xyzzy", []),
        (" ,. ", []),
        ("qq", []),
    ],
)
def test_beginnings_in_any_words(typed, found):
    assert _found(typed) == found


def test_the_nearest_come_first_and_of_those_the_most_frequent():
    attributes = ["color=red", "color=burgundy", "brand=redwood", "brand=red", "fabric=lace"]
    found = fashion_completion().find("red", attributes)
    assert found["brand=red"] == found["color=red"] == Fit(Nearness.VALUE)
    assert most_likely(found, {"color=red": 5, "brand=red": 2}) == [
        "color=red",
        "brand=red",
        "brand=redwood",
        "color=burgundy",
    ]
    assert fashion_completion().group_of("Colour") == "color"
    assert fashion_completion().group_of("My  Own") == "my own"


@pytest.mark.parametrize(
    ("typed", "attribute", "matched"),
    [
        ("nav", "color=navy", None),
        ("colour", "color=navy", None),
        ("dunkelb", "color=navy", "dunkelblau"),
        ("BLEU-M", "color=navy", "bleu marine"),
        # The whole name before one that only begins so, which the vocabulary has first; and a word within a name.
        ("midnight", "color=navy", "midnight"),
        ("midnight b", "color=navy", "midnight blue"),
        ("marino", "color=navy", "marino"),
        ("oscuro", "color=navy", "azul oscuro"),
        ("colour dunkelblau", "color=navy", "dunkelblau"),
        ("dunkelbalu", "color=navy", "dunkelblau"),
        ("nvay", "color=navy", None),
        # A place for a noun is no word.
        ("plunge", "neckline=v-neck", "plunge"),
        ("vneck", "neckline=v-neck", None),
        # The merchant's own word, found by what it means.
        ("navy", "color=dunkelblau", "navy"),
        ("dunk", "color=dunkelblau", None),
        ("picn", "tag=picnic", None),
    ],
)
def test_the_word_that_matched_is_told_where_it_is_not_the_attributes_own(typed, attribute, matched):
    assert fashion_completion().find(typed, [attribute])[attribute].matched == matched


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KNOWN), st.data())
def test_every_attribute_is_found_by_every_beginning_of_its_value(attribute, data):
    """And in capitals."""
    value = attribute.partition("=")[2]
    typed = value[: data.draw(st.integers(1, len(value)))]
    assert attribute in _found(typed.upper(), KNOWN)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([name for name in KNOWN if len(name.partition("=")[2]) >= 4 and name.isascii()]), st.data())
def test_a_swap_of_two_letters_is_forgiven(attribute, data):
    """Where it makes no beginning of another name."""
    value = attribute.partition("=")[2]
    at = data.draw(st.integers(0, len(value) - 2))
    typed = value[:at] + value[at + 1] + value[at] + value[at + 2 :]
    if not typed.isalpha():
        return
    found = fashion_completion().find(typed, KNOWN)
    assert attribute in found or min(fit.nearness for fit in found.values()) < Nearness.VALUE_MISTYPED


@settings(max_examples=300, deadline=None)
@given(st.text("ab", max_size=4), st.text("ab", max_size=4))
def test_one_edit_is_one_letter_more_less_other_or_swapped(one, other):
    """As found by making all of them."""
    letters = range(len(one) + 1)
    edits = {one}
    edits |= {one[:at] + letter + one[at:] for at in letters for letter in "ab"}
    edits |= {one[:at] + one[at + 1 :] for at in letters}
    edits |= {one[:at] + letter + one[at + 1 :] for at in letters[:-1] for letter in "ab"}
    edits |= {one[:at] + one[at + 1] + one[at] + one[at + 2 :] for at in letters[:-2]}
    assert is_one_edit_away(one, other) == (other in edits)
