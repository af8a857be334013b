"""Mining a stored catalog: attributes by product and what the report says of them."""

from __future__ import annotations

import pytest

from catalog.attributes.mining import Conflict
from catalog.attributes.report import AttributeCount, ConflictCount, GroupCoverage
from catalog.errors import InvalidRequest, MerchantNotFound, VocabularyUnusable
from catalog.services.models.attribute_mining import AttributeMiningService, MiningOptions
from catalog.types import AttributeSource
from tests.integration.services.conftest import MERCHANT


@pytest.fixture
def stocked(shop):
    """Four products: feed and texts agree, contradict each other, texts alone, nothing said."""
    photo = shop.photo("one.png", "red")

    def row(id, title, description, category, attributes):
        return {
            "id": id, "title": title, "description": description, "category": category, "attributes": attributes,
            "image": photo,
        }  # fmt: skip

    shop.ingest(
        [
            row("p11", "Red lace gown", "With pockets, not lined.", "Women > Dresses", "color=red"),
            row("p12", "Red gown", "", "Women > Dresses", "color=blue; detail=belt"),
            row("p13", "Striped linen shirt", "Boho.", "Women > Shirts", ""),
            row("p14", "Nr. 14", "", "Women > Shirts", ""),
        ]
    )
    return shop


@pytest.fixture
def mining(stocked):
    return AttributeMiningService(stocked.unit_of_work)


def by_external_id(stocked, mined):
    external = dict(stocked.rows("SELECT id, external_id FROM product"))
    return {external[id]: names for id, names in mined.by_product.items()}


def test_feed_and_texts_together(stocked, mining, monkeypatch):
    """Every product once, page by page, with the feed's word where it has one."""
    monkeypatch.setattr("catalog.services.models.attribute_mining.PAGE", 3)
    mined = mining.mine(MERCHANT)
    assert by_external_id(stocked, mined) == {
        "p11": ("color=red", "detail=pockets", "fabric=lace"),
        "p12": ("color=blue", "detail=belt"),
        "p13": ("fabric=linen", "pattern=striped"),
        "p14": (),
    }
    report = mined.report
    # 3 of 4 products have attributes, 3 + 2 + 2 of them.
    assert (report.num_products, report.num_covered, report.num_assigned) == (4, 3, 7)
    assert (report.coverage, report.mean_attributes) == (0.75, 1.75)
    assert report.attributes[0] == AttributeCount("color=blue", num_products=1, from_feed=1, from_text=0)
    assert AttributeCount("color=red", num_products=1, from_feed=1, from_text=1) in report.attributes
    assert report.groups[0] == GroupCoverage("color", num_products=2, num_values=2)
    assert (report.num_conflicts, report.conflicts) == (1, (ConflictCount(Conflict("color", ("blue",), ("red",)), 1),))
    assert report.denied == (("detail=lining", 1),)
    assert report.left_out == (("gown", 2), ("boho", 1), ("shirt", 1))
    assert mining.report(MERCHANT) == report


def test_rare_attributes_are_left_out_and_told(stocked, mining):
    """Below the minimum an attribute is no product's, and coverage counts what is left."""
    mined = mining.mine(MERCHANT, options=MiningOptions(source=AttributeSource.TEXT, min_count=2))
    assert by_external_id(stocked, mined) == {"p11": ("color=red",), "p12": ("color=red",), "p13": (), "p14": ()}
    assert [one.name for one in mined.report.attributes] == ["color=red"]
    assert [one.name for one in mined.report.rare] == [
        "detail=pockets", "fabric=lace", "fabric=linen", "pattern=striped",
    ]  # fmt: skip
    assert mined.report.coverage == 0.5


def test_frequent_words_are_learned(stocked, mining):
    """The one word that two of the four products have, and the pair of words that none has twice."""
    mined = mining.mine(MERCHANT, options=MiningOptions(source=AttributeSource.TEXT, learn_words=5))
    assert mined.report.learned == ("gown",)
    assert by_external_id(stocked, mined)["p12"] == ("color=red", "word=gown")
    assert dict(mined.report.left_out) == {"boho": 1, "shirt": 1}


def test_one_category(stocked, mining):
    """A level's name in any case; a category without products is refused."""
    assert by_external_id(stocked, mining.mine(MERCHANT, "shirts")).keys() == {"p13", "p14"}
    with pytest.raises(InvalidRequest, match="Hats"):
        mining.mine(MERCHANT, "Hats")


def test_what_cannot_be_asked(mining, tmp_path):
    """Unknown merchants, options without meaning, and vocabularies that are none."""
    with pytest.raises(MerchantNotFound):
        mining.report("nobody")
    with pytest.raises(InvalidRequest, match="min_count"):
        MiningOptions(min_count=0)
    with pytest.raises(VocabularyUnusable, match=r"absent\.toml"):
        mining.report(MERCHANT, options=MiningOptions(vocabulary=tmp_path / "absent.toml"))


def test_a_vocabulary_of_the_merchants_own(stocked, mining, tmp_path):
    """Its values are found beside the others."""
    own = tmp_path / "own.toml"
    own.write_text('[groups.style.values]\nboho = ["bohemian"]\n')
    mined = mining.mine(MERCHANT, options=MiningOptions(vocabulary=own))
    assert by_external_id(stocked, mined)["p13"] == ("fabric=linen", "pattern=striped", "style=boho")
