"""Attributes are stored under the vocabulary's names, found under the merchant's, and the merchant's are kept."""

from __future__ import annotations

import pytest

from catalog.services.models.attribute_mining import AttributeMiningService, MiningOptions
from catalog.types import AttributeSource, SearchFilters
from tests.integration.services.conftest import MERCHANT, picture


@pytest.fixture
def rows(shop):
    """A navy and a red item, each in the shop's own words; the second one's title says otherwise."""
    return [
        {"id": "P1", "title": "Evening dress", "image": shop.photo("blue.png", "blue"),
         "attributes": "colour=Dunkelblau; material=100% Seide; lace"},
        {"id": "P2", "title": "Green dress", "image": shop.photo("red.png", "red"),
         "attributes": "colour=Rot; print=flurp"},
    ]  # fmt: skip


def ids(shop, **filters):
    answer = shop.search.by_image(MERCHANT, picture("red"), SearchFilters(**filters))
    return {hit.external_id: hit for hit in answer.hits}


def test_attributes_are_normalised_and_the_given_ones_kept(shop, rows):
    summary, _ = shop.take(rows)
    assert shop.rows("SELECT external_id, attributes, given_attributes FROM product ORDER BY external_id") == [
        ("P1", ["color=navy", "fabric=lace", "fabric=silk"], ["colour=dunkelblau", "material=100% seide", "tag=lace"]),
        ("P2", ["color=red", "print=flurp"], ["colour=rot", "print=flurp"]),
    ]
    assert summary.counts == {
        "products_new": 2, "images_new": 2, "attributes_unmapped": 1, "products_conflicting": 1,
    }  # fmt: skip
    assert [(one.group, one.word, one.count) for one in summary.words.unmapped] == [("print", "flurp", 1)]
    (conflict,) = summary.words.conflicts
    assert (conflict.column, conflict.title, conflict.ids) == (("red",), ("green",), ("P2",))


@pytest.mark.parametrize("asked", ["color=navy", "colour=Navy Blue", "color=navy-blue", "colour=Dunkelblau"])
def test_filters_ask_in_any_words(shop, rows, asked):
    """All, any and none of."""
    shop.take(rows)
    found = ids(shop, all_of=(asked,))
    assert set(found) == {"P1"}
    assert found["P1"].attributes == ("color=navy", "fabric=lace", "fabric=silk")
    assert "colour=dunkelblau" in found["P1"].given_attributes
    assert set(ids(shop, any_of=(asked, "color=yellow"))) == {"P1"}
    assert set(ids(shop, none_of=(asked,))) == {"P2"}
    assert set(ids(shop, all_of=("lace",))) == {"P1"}
    assert set(ids(shop, all_of=("print=flurp",))) == {"P2"}


def test_a_catalog_may_keep_the_feeds_words(shop, rows):
    """They are found as they are; the next ingest may change them, without embedding anything again."""
    shop.take(rows[:1])
    summary, indexing = shop.take(rows[:1], attributes_as_given=True)
    assert summary.counts["products_changed"] == 1
    assert shop.rows("SELECT attributes = given_attributes FROM product") == [(True,)]
    assert (indexing.embedded, indexing.refreshed) == (0, 1)
    assert set(ids(shop, all_of=("colour=Dunkelblau",))) == {"P1"}


def test_mining_reads_what_was_given(shop, rows):
    """Bare attributes stay one text among others; the rest means what the vocabulary says."""
    shop.take(rows)
    mining = AttributeMiningService(shop.unit_of_work)
    both = mining.mine(MERCHANT, options=MiningOptions(AttributeSource.BOTH)).by_product
    assert sorted(both.values()) == [("color=navy", "fabric=silk", "occasion=evening"), ("color=red", "print=flurp")]
    feed = mining.mine(MERCHANT, options=MiningOptions(AttributeSource.FEED)).by_product
    assert sorted(feed.values()) == [("color=navy", "fabric=lace", "fabric=silk"), ("color=red", "print=flurp")]
