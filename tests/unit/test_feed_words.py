"""What a feed's words for attributes leave open: words without a meaning, and titles that contradict columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes.feed_words import ColumnConflict, FeedWords, UnmappedWord
from catalog.attributes.normalizer import fashion_normalizer
from catalog.attributes.vocabulary import fashion_vocabulary
from cli.feed_words import word_lines, words_as_json
from embeddings.datasets.rendered.items import items

NORMALIZER = fashion_normalizer()


def conflicts_of(title, *attributes, **raw):
    words = FeedWords(NORMALIZER)
    words.add("P1", title, attributes, raw)
    return [(one.group, one.column, one.title) for one in words.report().conflicts]


def test_unmapped_words_are_counted_by_product():
    """Most frequent first; of the same number, in alphabetical order. Sizes and brands are no words for anything."""
    words = FeedWords(NORMALIZER)
    assert words.add("P1", "", ("brand=acme", "colour=flurp", "size=xl"), {}) == (1, False)
    words.add("P2", "", ("color=flurp", "pattern=wavelets"), {})
    words.add("P3", "", ("color=blarg/red",), {})
    assert words.report().unmapped == (
        UnmappedWord("color", "flurp", 2),
        UnmappedWord("color", "blarg", 1),
        UnmappedWord("pattern", "wavelets", 1),
    )
    assert list(word_lines(words.report())) == [
        'Words of the feed that no attribute is known for: color "flurp" (2), color "blarg" (1), '
        'pattern "wavelets" (1).'
    ]


def test_memory_for_words_is_bounded():
    """Of 30 words, of which one is frequent, 10 may be counted: the frequent one stays."""
    words = FeedWords(NORMALIZER, max_counted=10)
    for number in range(30):
        words.add(f"P{number}", "", ("color=flurp", f"color=flurp{number}"), {})
    report = words.report()
    assert report.unmapped[0] == UnmappedWord("color", "flurp", 30)
    assert len(report.unmapped) <= 10


def test_conflicts_are_counted_with_the_first_ids():
    words = FeedWords(NORMALIZER)
    for number in range(25):
        assert words.add(f"P{number}", "Red dress", ("color=blue",), {}) == (0, True)
    words.add("Q1", "Striped shirt", ("pattern=plain", "color=red"), {})
    words.add("Q2", "Red dress", ("color=red",), {})
    report = words.report()
    assert report.num_conflicting == 26
    ids = tuple(f"P{number}" for number in range(20))
    assert report.conflicts == (
        ColumnConflict("color", ("blue",), ("red",), 25, ids),
        ColumnConflict("pattern", ("plain",), ("striped",), 1, ("Q1",)),
    )
    assert list(word_lines(report)) == [
        "In 26 products the title says otherwise than the column: color blue / red (id P0, P1, P2, …); "
        "pattern plain / striped (id Q1)."
    ]
    told = words_as_json(report)
    assert told["products_conflicting"] == 26
    assert told["conflicts"][1] == {
        "group": "pattern", "column": ("plain",), "title": ("striped",), "count": 1, "ids": ("Q1",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("title", "attributes"),
    [
        ("Red dress", ("color=red",)),
        ("Navy dress", ("color=royal blue",)),
        ("Red and blue dress", ("color=blue",)),
        ("Red dress", ("color=red/blue",)),
        ("Red floral dress", ("color=multi",)),
        # What nobody knows the meaning of may be the title's.
        ("Red dress", ("color=flurp",)),
        ("Red dress", ("color=flurp/blue",)),
        ("Dress", ("color=blue",)),
        # An item may have several fabrics, details and occasions.
        ("Silk dress", ("material=cotton",)),
        ("Puff sleeve top", ("sleeve length=short",)),
        ("Little dress, not black", ("color=red",)),
    ],
)
def test_no_conflicts(title, attributes):
    assert conflicts_of(title, *attributes) == []


def test_a_makers_name_contradicts_nothing():
    assert conflicts_of("Red Tape shoes", "color=black", Brand="Red Tape") == []
    assert conflicts_of("Red Tape shoes", "brand=red tape", "color=black") == []
    assert conflicts_of("Red Tape shoes", "color=black") == [("color", ("black",), ("red",))]


def test_headings_in_titles_are_read():
    """Behind "Color:" a word of other languages is a colour, too."""
    assert conflicts_of("Kleid | Color: rot", "color=blue") == [("color", ("blue",), ("red",))]


def test_a_garments_own_names_are_normal():
    """What the rendered catalog says of its garments stays as it is, and its titles agree with it."""
    words = FeedWords(NORMALIZER)
    known = set(fashion_vocabulary().groups)
    for item in items(200, 7):
        assert words.normalize(item.attributes).attributes == tuple(sorted(item.attributes))
        words.add(item.title, item.title, tuple(item.attributes), {})
    report = words.report()
    assert report.num_conflicting == 0
    assert not [one for one in report.unmapped if one.group in known]


TITLE_WORDS = (
    "red", "Navy", "blue", "long", "buttoned", "sleeves", "striped", "v-neck", "V", "neck,", "no", "not", "pockets",
    "midi/maxi", "|", "color:", "rot", "&", "3/4", "isn't", "without", "-", "polka", "dots", "sky", "rose", "gold",
)  # fmt: skip


@given(st.lists(st.sampled_from(TITLE_WORDS), max_size=9).map(" ".join))
def test_a_title_says_no_more_than_it_may(title):
    """The fast look at a title leaves out nothing that the slow one finds."""
    possible = NORMALIZER.possible_values_in_text(title)
    found = NORMALIZER.values_in_text(title)
    assert possible is None or all(values <= possible.get(group, set()) for group, values in found.items())
