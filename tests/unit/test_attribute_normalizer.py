"""From a merchant's words for attributes to the vocabulary's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes.normalizer import AttributeNormalizer, fashion_normalizer
from catalog.attributes.vocabulary import fashion_vocabulary, parse_vocabulary
from catalog.errors import VocabularyUnusable
from embeddings.taxonomy import normalize_attribute

NORMALIZER = fashion_normalizer()
VOCABULARY = fashion_vocabulary()


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("color=navy", "color=navy"),
        ("color=navy blue", "color=navy"),
        ("color=navy-blue", "color=navy"),
        ("Colour: Dunkelblau/Weiß", "color=navy color=white"),
        ("color=midnight", "color=navy"),
        ("color=midnight/stone", "color=beige color=navy"),
        ("colour=Heather Grey", "color=grey"),
        ("main colour=oxblood", "color=burgundy"),
        ("color=red & white", "color=red color=white"),
        ("color=rot und weiss", "color=red color=white"),
        ("color=black white", "color=black color=white"),
        ("color=schwarz-weiß", "color=black color=white"),
        ("color=ocean mist blue", "color=blue"),
        ("color=verde bosco", "color=green"),
        ("color=rose gold", "color=rose-gold"),
        ("color=bronze", "color=bronze"),
        ("material=100% cotton", "fabric=cotton"),
        ("material=60% Baumwolle, 40% Polyester", "fabric=cotton fabric=polyester"),
        ("material=cotton 95% elastane 5%", "fabric=cotton fabric=elastane"),
        ("material=Outer: 100% Leder", "fabric=leather"),
        ("material=100 % Filz", "fabric=felt"),
        ("material=wool felt", "fabric=felt"),
        ("material=90% Daunen, 10% Federn", "fabric=down fabric=feather"),
        ("material=Brokat/Taft", "fabric=jacquard fabric=taffeta"),
        ("sleeve length=3/4", "sleeve=three-quarter"),
        ("sleeves=Langarm", "sleeve=long"),
        ("neckline=V-Ausschnitt", "neckline=v-neck"),
        ("neck=crew", "neckline=round"),
        ("length=knielang", "length=knee"),
        ("length=7/8", "length=cropped"),
        ("print=à carreaux", "pattern=checked"),
        ("lace", "fabric=lace"),
        # Nothing of these is the vocabulary's.
        ("brand=Red Label", "brand=red label"),
        ("size=XL", "size=xl"),
        ("limited", "tag=limited"),
        ("length=95 cm", "length=95 cm"),
    ],
)
def test_words_of_shops(attribute, expected):
    """What is said in other words, languages and spellings is one attribute; all of it is understood."""
    found = NORMALIZER.normalize([normalize_attribute(attribute)])
    assert " ".join(found.attributes) == expected
    assert found.given == (normalize_attribute(attribute),)
    assert found.unmapped == ()


@pytest.mark.parametrize(
    ("attribute", "expected", "unmapped"),
    [
        ("colour=flurp", {"color=flurp"}, ("color", "flurp")),
        ("color=red/flurp", {"color=red", "color=flurp"}, ("color", "flurp")),
        ("color=flurp and blarg", {"color=flurp and blarg"}, ("color", "flurp and blarg")),
        ("color=012", {"color=012"}, ("color", "012")),
        # Under an alias a shop may mean something else: it keeps its name.
        ("style=casual", {"style=casual"}, ("style", "casual")),
        ("shade=ocean mist", {"shade=ocean mist"}, ("shade", "ocean mist")),
        ("material=5% unobtainium, 95% wool", {"fabric=wool", "material=unobtainium"}, ("material", "unobtainium")),
    ],
)
def test_words_without_a_meaning_stay_and_are_told(attribute, expected, unmapped):
    found = NORMALIZER.normalize([attribute])
    assert (set(found.attributes), found.unmapped) == (expected, (unmapped,))


def test_several_attributes_of_one_product():
    """Two words for one thing are one attribute; the merchant's own are kept."""
    found = NORMALIZER.normalize(["size=m", "color=navy", "colour=navy blue", "material=silk"])
    assert found.attributes == ("color=navy", "fabric=silk", "size=m")
    assert found.given == ("color=navy", "colour=navy blue", "material=silk", "size=m")


words = st.sampled_from(
    [phrase for group in VOCABULARY.groups.values() for table in (group.values, group.columns, group.translations)
     for value, phrases in table.items() for phrase in (value, *phrases) if "*" not in phrase]
)  # fmt: skip
texts = st.lists(
    words | st.text(max_size=8) | st.sampled_from(["/", " & ", " und ", " y ", "3/4", "60%", ", ", "-", ":", "("]),
    min_size=1,
    max_size=5,
).map(" ".join)
names = st.sampled_from([*VOCABULARY.groups, "colour", "material", "sleeve length", "style", "brand", "tag"]) | st.text(
    "abc =:", min_size=1, max_size=4
)


@st.composite
def feed_attributes(draw):
    """Attributes in normal form: groups and values as shops may have them, and any text."""
    try:
        return normalize_attribute(f"{draw(names)}={draw(texts)}")
    except ValueError:
        return "tag=empty"


@given(st.lists(feed_attributes(), max_size=4))
def test_normalising_again_changes_nothing(attributes):
    found = NORMALIZER.normalize(attributes)
    again = NORMALIZER.normalize(found.attributes)
    assert again.attributes == found.attributes
    assert again.unmapped == found.unmapped


@given(st.lists(feed_attributes(), max_size=4).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_order_makes_no_difference(orders):
    first, second = orders
    assert NORMALIZER.normalize(first) == NORMALIZER.normalize(second)


@given(st.lists(feed_attributes(), max_size=4))
def test_no_attribute_is_lost(attributes):
    """Each gives at least one, in its own group or the one that it is another name of, in normal form."""
    found = NORMALIZER.normalize(attributes)
    for attribute in attributes:
        names_of_one = set(NORMALIZER.names_of(attribute))
        assert names_of_one
        assert names_of_one <= set(found.attributes)
    assert all(normalize_attribute(name) == name for name in found.attributes)
    assert found.attributes == tuple(sorted(set(found.attributes)))
    assert set(found.unmapped) <= {tuple(name.split("=", 1)) for name in found.attributes}


def test_every_value_means_itself():
    for name, group in VOCABULARY.groups.items():
        for value in group.value_names:
            assert NORMALIZER.normalize([f"{name}={value}"]).attributes == (f"{name}={value}",)


def test_words_of_columns_alone_are_none_in_texts():
    """A dress that somebody felt good in, with a button-down front, is neither of felt nor of down."""
    assert "fabric" not in NORMALIZER.values_in_text("She felt good in a button down dress")


def test_own_words_for_columns():
    """A merchant's file gives a column's word another value, or a value of its own, which takes it from the others."""
    own = parse_vocabulary(
        """
        [groups.color.values]
        sage = []
        [groups.color.columns]
        black = ["midnight"]
        [groups.color.translations]
        red = ["punainen"]
        """,
        "own.toml",
        base=VOCABULARY,
    )
    normalizer = AttributeNormalizer(own)
    found = normalizer.normalize(["color=midnight", "color=sage", "color=tumma punainen"])
    assert found.attributes == ("color=black", "color=red", "color=sage")
    assert NORMALIZER.normalize(["color=midnight", "color=sage"]).attributes == ("color=green", "color=navy")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[groups.color.columns]\nnavy = ["black"]', "black"),
        ('[groups.neckline.columns]\nround = ["crew *"]', "crew"),
        ("[groups.color.conflicts]\nfamilies = 3", "families"),
        ("[groups.color.conflicts]\nkin = []", "kin"),
        ('[groups.color.columns]\nnavy = ["ink"]\nblack = ["ink"]', "ink"),
    ],
)
def test_wrong_entries_for_columns_are_named(text, where):
    with pytest.raises(VocabularyUnusable, match=where):
        parse_vocabulary(text, "own.toml", base=VOCABULARY)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("red", "red", True), ("navy", "blue", True), ("red", "multicolor", True), ("red", "blue", False),
        ("black", "white", False), ("gold", "bronze", True),
    ],
)  # fmt: skip
def test_shades_of_one_family_agree(one, other, agree):
    comparison = VOCABULARY.groups["color"].comparison
    assert comparison.agree(one, other) is comparison.agree(other, one) is agree


def test_families_name_values():
    """A family with a misspelt value would hold nothing together."""
    compared = {name: group for name, group in VOCABULARY.groups.items() if group.comparison is not None}
    assert set(compared) == {"color", "pattern", "neckline", "sleeve", "length"}
    for group in compared.values():
        named = group.comparison.unspecific.union(*group.comparison.families)
        assert named <= group.value_names
