"""What is mined from one product's texts, and how feed and texts are put together."""

from __future__ import annotations

import pytest

from catalog.attributes.mining import AttributeMiner, Conflict
from catalog.attributes.product_texts import ProductTexts, texts_of_product
from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.types import AttributeSource

MINER = AttributeMiner(fashion_vocabulary())


def mined(description, **texts):
    """Attributes that the texts of a product without a telling title give."""
    product = ProductTexts(title=texts.pop("title", "No. 7"), description=description, **texts)
    return set(MINER.mine(product, AttributeSource.TEXT).names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("polka dots", {"pattern=dotted"}),
        ("Dotted", {"pattern=dotted"}),
        ("a RED dress, red all over", {"color=red"}),
        ("off-the-shoulder", {"neckline=off-the-shoulder"}),
        ("off the shoulder", {"neckline=off-the-shoulder"}),
        ("colorblock", {"pattern=color-block"}),
        ("Vneck or V-neck or v neck", {"neckline=v-neck"}),
        ("gray colour", {"color=grey"}),
        ("plissé skirt", {"silhouette=pleated"}),
        ("¾ sleeves", {"sleeve=three-quarter"}),
        ("3/4-length sleeves", {"sleeve=three-quarter"}),
        ("women's jeans", {"fabric=denim"}),
        ("fit & flare", {"silhouette=fit-and-flare"}),
        ("maxi dress", {"length=maxi"}),
    ],
)
def test_spellings_of_one_thing(text, expected):
    """Case, plurals, hyphens, accents, joined words and synonyms make no difference."""
    assert mined(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Not rose (pink) and gold.
        ("rose gold", {"color=rose-gold"}),
        # Its noun may stand one word further.
        ("long buttoned sleeves", {"sleeve=long", "detail=buttons"}),
        ("long drop-shoulder sleeves", {"sleeve=long"}),
        ("long and straight sleeves", set()),
        # Not green.
        ("olive green", {"color=olive"}),
        # Not wide-leg, not long: the noun decides.
        ("wide sleeves", {"sleeve=bell"}),
        ("a long, round story", set()),
        ("shorts with a short sleeve", {"length=shorts", "sleeve=short"}),
        # The stripe's direction implies the stripes.
        ("horizontal stripes", {"stripes=horizontal", "pattern=striped"}),
        ("tied with laces", set()),
        ("lace-up front", {"detail=lace-up"}),
        ("walk down the red carpet at Navy Pier", set()),
        # No phrase reaches over punctuation.
        ("Rose. Gold", {"color=pink", "color=gold"}),
    ],
)
def test_longest_phrase_wins_and_false_friends_are_none(text, expected):
    """The longest phrase takes its words, so that its parts mean nothing of their own."""
    assert mined(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no pockets", set()),
        ("without lace", set()),
        ("not lined", set()),
        ("isn’t lined", set()),
        ("free of sequins", set()),
        ("non-denim", set()),
        ("floral-free", set()),
        ("lace free", set()),
        ("belt not included", set()),
        ("belt and bow are not included", set()),
        ("Pockets: no", set()),
        # The scope goes over lists …
        ("no pockets or buttons", set()),
        ("no pockets, buttons or belts", set()),
        ("neither pockets nor buttons", set()),
        ("without pockets and buttons", set()),
        # … and ends with the thought.
        ("no pockets. Buttons", {"detail=buttons"}),
        ("no pockets but buttons", {"detail=buttons"}),
        ("long sleeves, no collar and a belt", {"sleeve=long", "detail=belt"}),
        ("no collar, long sleeves", {"sleeve=long"}),
        ("without pockets, with buttons", {"detail=buttons"}),
        # Sleeveless is a value of its own.
        ("sleeveless", {"sleeve=sleeveless"}),
        ("without sleeves", {"sleeve=sleeveless"}),
        # No denials.
        ("not only floral", {"pattern=floral"}),
        ("no-iron cotton", {"fabric=cotton"}),
        ("no-show pockets", {"detail=pockets"}),
        ("free shipping on lace", {"fabric=lace"}),
    ],
)
def test_denials(text, expected):
    """What a text says an item has not is no attribute of it."""
    assert mined(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Neckline: round", {"neckline=round"}),
        ("Sleeve length: long. Round", {"sleeve=long"}),
        ("<ul><li>Material: 60% Cotton, 40% Linen</li><li>Long</li></ul>", {"fabric=cotton", "fabric=linen"}),
        ("<p>Red &amp; <b>b</b>lack</p><script>var color = 'blue'</script>", {"color=red", "color=black"}),
        ("Red. Pairs well with white boots and a blue belt. Pockets.", {"color=red", "detail=pockets"}),
        (
            "Team this linen blazer with a white shirt. A pair of trousers with pockets.",
            {"fabric=linen", "detail=pockets"},
        ),
        (
            "Red, with black buttons, a white collar and fleece lining",
            {"color=red", "detail=buttons", "neckline=collar", "detail=lining"},
        ),
    ],
)
def test_pages_of_shops(text, expected):
    """Headings give their group, HTML is read as a page, and what an item is worn with is another item."""
    product = texts_of_product("No. 7", text, (), {})
    assert set(MINER.mine(product, AttributeSource.TEXT).names) == expected


def test_title_decides_over_description_except_for_details():
    """A description speaks of more than the item; details add up."""
    found = mined("Blue buttons, mini lining.", title="Red maxi dress with pockets")
    assert found == {"color=red", "length=maxi", "detail=pockets", "detail=buttons", "detail=lining"}


def test_fabrics_of_all_texts_combine_unless_the_feed_decides():
    """Cotton denim is both, and a satin lining neither."""
    product = ProductTexts("Denim dress", "Of pure cotton, with a satin lining.", feed_attributes=("fabric=linen",))
    assert "fabric=cotton fabric=denim" in " ".join(MINER.mine(product, AttributeSource.TEXT).names)
    both = MINER.mine(product, AttributeSource.BOTH)
    assert both.names == ("detail=lining", "fabric=linen")
    assert both.conflicts == (Conflict("fabric", ("linen",), ("cotton", "denim")),)


def test_makers_say_nothing_of_the_item():
    """Neither behind "by" nor in a column of their own."""
    named = texts_of_product("Red dress by Oat & Ivory", "", (), {})
    assert set(MINER.mine(named, AttributeSource.TEXT).names) == {"color=red"}
    texts = texts_of_product("Velvet Moon red dress", "Velvet Moon makes it of cotton.", (), {"Vendor": "Velvet Moon"})
    assert set(MINER.mine(texts, AttributeSource.TEXT).names) == {"color=red", "fabric=cotton"}


@pytest.mark.parametrize(
    ("title", "brand", "expected"),
    [
        # A maker's name ends where the item goes on.
        ("Floral maxi dress by Vila in navy blue", "", "color=navy length=maxi pattern=floral"),
        ("Dress by Rose & Lace with pockets", "", "detail=pockets"),
        ("Dress by & Other Stories - black lace midi", "", "color=black fabric=lace length=midi"),
        ("Dress by Rose – black", "", "color=black"),
        ("Trainers by Golden Hour: red leather", "", "color=red fabric=leather"),
        ("Dress by Rose / Navy / M", "", "color=navy"),
        # Not everything behind "by" is a maker.
        ("Side by side striped shirt in red", "", "color=red pattern=striped"),
        ("Trainers made by hand: red leather", "", "color=red fabric=leather"),
        ("Red by night, striped by day", "", "color=red pattern=striped"),
        ("Scarf, 70 by 180 cm red silk", "", "color=red fabric=silk"),
        ("Sewn by  hand in red", "", "color=red"),
        # Where the maker is known, nothing else is left out.
        ("Maxi dress by Golden  Rose navy lace", "Golden Rose", "color=navy fabric=lace length=maxi"),
        ("Maxi dress BY golden rose", "Golden Rose", "length=maxi"),
        # The shop's own column may name another, or a part of the name.
        ("Maxi dress by Golden Rose", "Atelier", "length=maxi"),
        ("Maxi dress by Oat & Ivory", "Oat", "length=maxi"),
        ("Maxi dress by Rosewood + Ivory in red", "Rosewood", "color=red length=maxi"),
    ],
)
def test_a_makers_name_in_the_title_ends(title, brand, expected):
    """What stands behind it is said of the item."""
    texts = texts_of_product(title, "", (), {"Brand": brand})
    assert MINER.mine(texts, AttributeSource.TEXT).names == tuple(expected.split())


def test_tags_with_the_brand_say_nothing_of_the_item():
    """Shops tag products with their maker; the bare attribute stays what it is."""
    raw = {"Vendor": "Lace & Beads", "Tags": "Lace & Beads, Lace & Beads dresses, Summer, satin"}
    texts = texts_of_product("Dress", "", ("tag=lace & beads", "tag=satin"), raw)
    assert MINER.mine(texts, AttributeSource.TEXT).names == ("fabric=satin",)
    assert MINER.mine(texts, AttributeSource.BOTH).names == ("fabric=satin", "tag=lace & beads")


def test_option_columns_name_their_group():
    """Columns by the group's name or alias, and pairs of option name and value; sizes and others say nothing."""
    raw = {"Colour": "Navy Blue", "Google Shopping / Material": ["silk", "Satin"], "Option1 Name": "Neck type",
           "Option1 Value": "Round", "Size": "Long", "Tags": "belted, summer; lace"}  # fmt: skip
    texts = texts_of_product("Red dress", "", ("tag=pockets",), raw)
    assert set(MINER.mine(texts, AttributeSource.TEXT).names) == {
        "color=navy", "fabric=silk", "fabric=satin", "neckline=round", "detail=belt", "detail=pockets",
    }  # fmt: skip


def test_feed_wins_over_texts():
    """Blue of the feed stays where the title says red, and the contradiction is told."""
    texts = texts_of_product("Red dress with pockets", "", ("color=blue", "detail=belt"), {})
    product = MINER.mine(texts, AttributeSource.BOTH)
    assert product.names == ("color=blue", "detail=belt", "detail=pockets")
    assert product.conflicts == (Conflict("color", ("blue",), ("red",)),)
    assert (product.from_feed, product.from_text) == ({"color=blue", "detail=belt"}, {"detail=pockets"})


def test_one_thing_gets_one_name():
    """The feed's own word and the text's agree; what the vocabulary does not know keeps the feed's name."""
    attributes = ("brand=halden", "colour=navy blue", "colour=ocean mist", "tag=lace", "tag=limited")
    texts = texts_of_product("Navy dress", "", attributes, {})
    product = MINER.mine(texts, AttributeSource.BOTH)
    assert product.names == ("brand=halden", "color=navy", "color=ocean mist", "fabric=lace", "tag=limited")
    assert product.conflicts == ()
    assert product.from_text == {"color=navy", "fabric=lace"}


@pytest.mark.parametrize(
    ("attribute", "title", "expected"),
    [
        # Under an alias, only what the group has a value for: the shop's style is another thing than a silhouette.
        ("style=casual", "A-line dress", {"silhouette=a-line", "style=casual"}),
        ("design=ss24", "Floral dress", {"design=ss24", "pattern=floral"}),
        ("shade=ocean mist", "Red dress", {"color=red", "shade=ocean mist"}),
        ("print=floral", "Striped dress", {"pattern=floral"}),
        ("print=large floral", "Striped dress", {"pattern=large floral"}),
        # Another spelling of the group's own name is no alias.
        ("colours=ocean mist", "Red dress", {"color=ocean mist"}),
        # Numbers and codes answer no question that the vocabulary knows.
        ("shade=012", "Red dress", {"color=red", "shade=012"}),
        ("color=012", "Red dress", {"color=012", "color=red"}),
        ("length=95 cm", "Maxi dress", {"length=95 cm", "length=maxi"}),
        ("color=navy 012", "Red dress", {"color=navy 012"}),
        ("length=7/8", "Maxi dress", {"length=cropped"}),
    ],
)
def test_a_value_that_means_nothing_to_a_group_leaves_it_open(attribute, title, expected):
    """It keeps the shop's own name, the texts are believed, and nothing contradicts them."""
    product = MINER.mine(texts_of_product(title, "", (attribute,), {}), AttributeSource.BOTH)
    assert set(product.names) == expected
    assert bool(product.conflicts) == (len(expected) == 1)


def test_feed_alone_is_the_feed_as_it_is():
    """Nothing is renamed and nothing added."""
    texts = texts_of_product("Red dress", "", ("colour=navy blue", "tag=lace"), {"Material": "silk", "Tags": "bow"})
    assert MINER.mine(texts, AttributeSource.FEED).names == ("colour=navy blue", "tag=lace")


def test_a_value_that_mentions_the_texts_value_is_no_conflict():
    """Ocean-mist blue of the feed agrees with blue of the title."""
    texts = texts_of_product("Blue dress", "", ("color=ocean mist blue",), {})
    product = MINER.mine(texts, AttributeSource.BOTH)
    assert (product.names, product.conflicts) == (("color=ocean mist blue",), ())


def test_learned_words_are_attributes():
    """Words and pairs that were learned are found like all others, denials included."""
    miner = AttributeMiner(fashion_vocabulary().with_learned(["gown", "tiered hem"]))
    names = miner.mine(ProductTexts("Gowns", "With tiered hems, red."), AttributeSource.TEXT).names
    assert names == ("color=red", "word=gown", "word=tiered hem")
    assert miner.mine(ProductTexts("x", "no gown"), AttributeSource.TEXT).names == ()


def test_unknown_words_are_told():
    """Neither stop words, nor known or denied ones, nor numbers; pairs only of neighbours."""
    product = MINER.mine(ProductTexts("Boho gown", "The red gown has no peplum. Godets, gores of 100 percale."))
    assert product.unknown_words == {"boho", "gown", "godet", "gore", "percale"}
    assert product.unknown_pairs == {"boho gown"}
