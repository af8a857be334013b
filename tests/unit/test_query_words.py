"""From free words to a search."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes.mentions import fashion_reader
from catalog.services.queries.query_words import understand
from catalog.types import UnderstoodWords
from embeddings.taxonomy import normalize_attribute

CATEGORIES = [
    ("Women", "Dresses"),
    ("Women", "Tops & Tees"),
    ("Men", "T-Shirts"),
    ("Women", "Skirts"),
    ("Men", "Jackets"),
]


def _understood(text: str, currency: str | None = "EUR") -> UnderstoodWords:
    return understand(text, fashion_reader(), CATEGORIES, currency)


def test_words_become_attributes_category_bounds_and_negations():
    """Everything of one request, and nothing is left over."""
    assert _understood("red lace maxi dress under 50 €, without floral") == UnderstoodWords(
        all_of=("color=red", "fabric=lace", "length=maxi"),
        none_of=("pattern=floral",),
        category="Dresses",
        max_price=Decimal(50),
        currency="EUR",
    )


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("navy-blue", "color=navy", ""),
        ("in a scarlet colour", "color=red", ""),
        ("floral-free, blue", "color=blue", "pattern=floral"),
        ("no belt or pockets", "", "detail=belt detail=pockets"),
        ("non striped but dotted", "pattern=dotted", "pattern=striped"),
        ("not a red dress", "", "color=red"),
        ("red but not red", "", "color=red"),
        ("breton", "pattern=striped stripes=horizontal", ""),
        ("color: blue", "color=blue", ""),
        # As one asks beside a photo.
        ("but in blue, without floral", "color=blue", "pattern=floral"),
        ("the same in blue, though", "color=blue", ""),
        ("like this one, but with a belt and not striped", "detail=belt", "pattern=striped"),
        ("in blue instead of red", "color=blue", "color=red"),
        ("a dress in anything but red", "", "color=red"),
        ("any colour other than red, except striped", "", "color=red pattern=striped"),
    ],
)
def test_attributes_and_their_denials(text, wanted, unwanted):
    """As the vocabulary names them; what is denied is never wanted."""
    understood = _understood(text)
    assert sorted(understood.all_of) == wanted.split()
    assert sorted(understood.none_of) == unwanted.split()
    assert understood.ignored == ()


@pytest.mark.parametrize(
    ("text", "category", "ignored"),
    [
        ("dress", "Dresses", ()),
        ("DRESSES", "Dresses", ()),
        ("a tee", "Tops & Tees", ()),
        ("women's dresses", "Women > Dresses", ()),
        ("t-shirts for men", "Men > T-Shirts", ()),
        # No path has both, so what the last names counts.
        ("men dress", "Dresses", ("men",)),
        ("no dresses", None, ("dresses",)),
        ("no floral dresses", "Dresses", ()),
        ("gown", None, ("gown",)),
    ],
)
def test_categories_of_the_catalog(text, category, ignored):
    """In singular and plural, several where one path has them; what does not count is told."""
    understood = _understood(text)
    assert (understood.category, understood.ignored) == (category, ignored)


@pytest.mark.parametrize(
    ("text", "low", "high", "currency"),
    [
        ("under 50 €", None, "50", "EUR"),
        ("under €50", None, "50", "EUR"),
        ("max 20,50", None, "20.50", "EUR"),
        ("over $30", "30", None, "USD"),
        ("at least 1,000.50 GBP", "1000.50", None, "GBP"),
        ("no more than 99.99 pounds", None, "99.99", "GBP"),
        ("between 20 and 40 dollars", "20", "40", "USD"),
        ("from 40 to 20", "20", "40", "EUR"),
        ("€20-€30", "20", "30", "EUR"),
        ("20 - 30 eur", "20", "30", "EUR"),
        ("under 90, under 50, over 5", "5", "50", "EUR"),
        # A size, a length, a bound in a second currency, a word that is a currency's code.
        ("7-8", None, None, None),
        ("under 60 cm", None, None, None),
        ("under 10 eur over 5 usd", None, "10", "EUR"),
        ("under 50 top", None, "50", "EUR"),
    ],
)
def test_price_bounds(text, low, high, currency):
    """Amounts as shops of many countries write them; without a currency the catalog's own."""
    understood = _understood(text)
    bounds = [None if one is None else Decimal(one) for one in (low, high)]
    assert [understood.min_price, understood.max_price, understood.currency] == [*bounds, currency]


def test_an_amount_without_a_currency_has_none_where_the_catalog_has_several():
    """Then prices of every currency are compared."""
    understood = _understood("under 50", currency=None)
    assert (understood.max_price, understood.currency) == (Decimal(50), None)


def test_what_is_ignored_is_told_as_it_was_written():
    """Unknown words, and what is said of other items; words that say nothing are not told."""
    understood = _understood("I am looking for something Flowy in red, wear with black boots")
    assert understood.all_of == ("color=red",)
    assert understood.ignored == ("Flowy", "black", "boots")


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(["red", "no", "dress", "under", "50", "€", "$", ",", "-", "maxi", "3/4", "or", "and"])
    ).map(" ".join)
)
def test_any_text_is_understood(text):
    """No text fails; attributes are in normal form, and none is wanted and unwanted."""
    understood = _understood(text)
    names = (*understood.all_of, *understood.none_of)
    assert [normalize_attribute(name) for name in names] == list(names)
    assert len(set(names)) == len(names)
    low, high = understood.min_price, understood.max_price
    assert all(one is None or one >= 0 for one in (low, high))
