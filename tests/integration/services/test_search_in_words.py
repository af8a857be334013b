"""Searches by words, and by photos and products with other attributes, on the real engine."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.errors import InvalidRequest
from catalog.types import AttributeChanges, SearchFilters, SearchMode, SearchOptions
from tests.integration.services.conftest import MERCHANT, picture

BANDS = {
    "R4": ("red", "red", "red", "red"),
    "R3B1": ("red", "red", "red", "blue"),
    "R1B3": ("red", "blue", "blue", "blue"),
    "B4": ("blue", "blue", "blue", "blue"),
    "G4": ("green", "green", "green", "green"),
}
NOT_BY_LOOKS_ALONE = [mode for mode in SearchMode if mode is not SearchMode.VISUAL]
FABRICS = ("fabric=cotton", "fabric=lace")


@pytest.fixture
def gallery(shop):
    """Five products between red, blue and green, at 10 to 50 EUR; every other one a dress, of cotton."""
    shop.take(
        [
            {
                "id": name,
                "title": f"Item {name}",
                "image": shop.photo(f"{name}.png", *colors),
                "category": ["Women", "Dresses"] if number % 2 == 0 else ["Women", "Skirts"],
                "attributes": [f"color={color}" for color in sorted(set(colors))] + [FABRICS[number % 2]],
                "price": f"{10 * (number + 1)} EUR",
                "availability": "in stock",
            }
            for number, (name, colors) in enumerate(BANDS.items())
        ]
    )
    return shop


def _ids(answer) -> list[str]:
    return [hit.external_id for hit in answer.hits]


@pytest.mark.parametrize("mode", NOT_BY_LOOKS_ALONE)
def test_words_rank_by_what_the_model_knows_and_filter_by_the_rest(gallery, mode):
    """Colours are in the taxonomy, fabrics are not; category, price and denial filter."""
    answer = gallery.search.by_words(MERCHANT, "blue", options=SearchOptions(mode=mode))
    assert _ids(answer)[:3] == ["B4", "R1B3", "R3B1"]
    assert answer.hits[0].why[0].attribute == "color=blue"
    filtered = gallery.search.by_words(
        MERCHANT, "blue cotton dresses up to 40 euros, not green, xyzzy", options=SearchOptions(mode=mode)
    )
    assert _ids(filtered) == ["R1B3", "R4"]
    understood = filtered.understood
    assert understood is not None
    assert (understood.all_of, understood.none_of) == (("color=blue", "fabric=cotton"), ("color=green",))
    assert (understood.category, understood.max_price, understood.currency) == ("Dresses", Decimal(40), "EUR")
    assert understood.ignored == ("xyzzy",)


@pytest.mark.parametrize("mode", NOT_BY_LOOKS_ALONE)
def test_words_that_only_filter_find_what_passes(gallery, mode):
    """Each with nothing to score, and still page by page in one order."""
    answer = gallery.search.by_words(MERCHANT, "skirts over 15", options=SearchOptions(mode=mode))
    assert sorted(_ids(answer)) == ["B4", "R3B1"]
    pages = [
        gallery.search.by_words(MERCHANT, "skirts over 15", options=SearchOptions(mode=mode, limit=1, page=page))
        for page in range(2)
    ]
    assert [_ids(page)[0] for page in pages] == _ids(answer)
    assert [hit.score for hit in answer.hits] == [pytest.approx(0, abs=1e-5)] * 2


def test_words_hold_beside_filters(gallery):
    """Both must hold."""
    answer = gallery.search.by_words(MERCHANT, "red", SearchFilters(category="Dresses", max_price=Decimal(10)))
    assert _ids(answer) == ["R4"]


def test_words_that_say_nothing_are_refused(gallery):
    """The same as words for looks alone."""
    with pytest.raises(InvalidRequest, match="Nothing in these words"):
        gallery.search.by_words(MERCHANT, "xyzzy")
    with pytest.raises(InvalidRequest, match="Looks alone"):
        gallery.search.by_words(MERCHANT, "red", options=SearchOptions(mode=SearchMode.VISUAL))


@pytest.mark.parametrize("mode", NOT_BY_LOOKS_ALONE)
def test_a_product_and_a_photo_but_in_another_colour(gallery, mode):
    """Blue comes first, though everything red is nearer; the hits' reasons are those of the changed query."""
    changes, options = AttributeChanges(wanted=("colour=blue",)), SearchOptions(mode=mode)
    by_product = gallery.search.by_product(MERCHANT, "R4", options=options, changes=changes)
    assert _ids(by_product) == ["B4", "R1B3", "R3B1", "G4"]
    assert [reason.attribute for reason in by_product.hits[0].why] == ["color=blue"]
    by_photo = gallery.search.by_image(MERCHANT, picture("red"), options=options, changes=changes)
    assert _ids(by_photo)[:2] == ["B4", "R1B3"]
    scores = [hit.score for hit in by_photo.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_pages_of_a_changed_search_are_parts_of_one_ranking(gallery):
    """Page by page the same as all at once; a threshold leaves out what scores lower."""
    changes = AttributeChanges(wanted=("color=blue",))
    whole = gallery.search.by_product(MERCHANT, "R4", changes=changes)
    pages = [
        gallery.search.by_product(MERCHANT, "R4", options=SearchOptions(limit=1, page=page), changes=changes).hits[0]
        for page in range(4)
    ]
    assert [hit.external_id for hit in pages] == _ids(whole)
    assert [hit.rank for hit in pages] == [1, 2, 3, 4]
    enough = SearchOptions(score_threshold=whole.hits[1].score - 1e-6)
    assert _ids(gallery.search.by_product(MERCHANT, "R4", options=enough, changes=changes)) == ["B4", "R1B3"]


def test_without_an_attribute(gallery):
    """What is known to have it is left out, and what the model cannot see filters."""
    unwanted = gallery.search.by_product(MERCHANT, "R1B3", changes=AttributeChanges(unwanted=("color=red",)))
    assert _ids(unwanted) == ["B4", "G4"]
    cotton = gallery.search.by_product(MERCHANT, "R3B1", changes=AttributeChanges(wanted=("material=cotton",)))
    assert set(_ids(cotton)) == {"R4", "R1B3", "G4"}
    with pytest.raises(InvalidRequest, match="Looks alone"):
        gallery.search.by_product(
            MERCHANT,
            "R4",
            options=SearchOptions(mode=SearchMode.VISUAL),
            changes=AttributeChanges(unwanted=("color=red",)),
        )


def test_what_stays_of_a_changed_product_is_what_feeds_say_before_what_the_network_sees(shop):
    """Without its red, Q is white by its feed, as A is; by its photo it is blue, as B is."""
    photos = {"Q": ("red", "blue"), "A": ("blue", "green"), "B": ("blue",)}
    told = {"Q": ["color=red", "color=white"], "A": ["color=white"], "B": []}
    shop.take(
        [
            {"id": id, "title": f"Item {id}", "image": shop.photo(f"{id}.png", *colors), "attributes": told[id]}
            for id, colors in photos.items()
        ]
    )
    changes = AttributeChanges(unwanted=("color=red",))
    assert _ids(shop.search.by_product(MERCHANT, "Q", changes=changes)) == ["A", "B"]
    # Of a photo no feed says anything.
    by_photo = shop.search.by_image(MERCHANT, picture(*photos["Q"]), changes=changes)
    assert [hit.external_id for hit in by_photo.hits] == ["B", "A"]


def test_words_believe_what_a_feed_says_before_what_the_network_sees(shop):
    """Of two photos of the same blue, the one that its feed calls red is red."""
    shop.take(
        [
            {"id": "A", "title": "Item A", "image": shop.photo("a.png", "blue"), "attributes": ["color=blue"]},
            {"id": "B", "title": "Item B", "image": shop.photo("b.png", "blue", "blue"), "attributes": ["color=red"]},
            {"id": "C", "title": "Item C", "image": shop.photo("c.png", "green"), "attributes": ["color=green"]},
        ]
    )
    first = shop.search.by_words(MERCHANT, "red", options=SearchOptions(limit=1))
    assert _ids(first) == ["B"]
    assert _ids(shop.search.by_words(MERCHANT, "blue", options=SearchOptions(limit=1))) == ["A"]
