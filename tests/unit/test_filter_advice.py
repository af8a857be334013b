"""When filters are looked up in the catalog, and what is told of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.errors import InvalidRequest
from catalog.repositories.facets import PriceSpan, ProductCounts
from catalog.services.queries.filter_advice import MOST_NOTES, FilterAdvice
from catalog.types import AttributeChanges, SearchFilters
from embeddings.taxonomy import Taxonomy

TAXONOMY = Taxonomy(("color=red", "word=boho"))
COUNTS = ProductCounts(
    num_products=3,
    attributes={"color=red": 2, "brand=acme": 1},
    categories={("Women", "Dresses"): 3},
    availability={"in_stock": 3},
    prices={"EUR": PriceSpan(Decimal(1), Decimal(9), 3)},
)


class Values:
    """A catalog that counts how often it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def counts(self, merchant_id: int, seconds: float = 0) -> ProductCounts:
        self.looks += 1
        return COUNTS

    def currencies(self, merchant_id: int, seconds: float = 0) -> tuple[str, ...]:
        self.looks += 1
        return ("EUR",)

    def fields(self, merchant_id: int, seconds: float = 0) -> dict[str, int]:
        self.looks += 1
        return {"season=summer": 2}

    def has_attribute(self, merchant_id: int, names: tuple[str, ...]) -> bool:
        self.looks += 1
        return not COUNTS.attributes.keys().isdisjoint(names)


@pytest.fixture
def values() -> Values:
    return Values()


@pytest.fixture
def advice(values) -> FilterAdvice:
    return FilterAdvice(values)


@pytest.mark.parametrize(
    ("filters", "changes"),
    [
        (SearchFilters(), None),
        (SearchFilters(all_of=("color=red", "colour=Dunkelblau"), none_of=("lace",)), None),
        (SearchFilters(any_of=("word=boho",)), AttributeChanges(("color=blue",), ("word=boho",))),
        (SearchFilters(category="Nothing", currency="CHF", max_price=Decimal(3)), None),
        (SearchFilters(fields=(("season", ("winter",)),)), None),
    ],
    ids=str,
)
def test_what_the_vocabulary_or_the_model_knows_costs_no_look_while_anything_is_found(advice, values, filters, changes):
    advice.check(7, filters, changes, TAXONOMY)
    assert advice.notes(7, filters, changes, TAXONOMY, is_empty=False) == ()
    assert values.looks == 0


@pytest.mark.parametrize(
    ("filters", "notes"),
    [
        ({"all_of": ("brand=acmee",)}, ["brand=acmee is unknown; did you mean brand=acme?"]),
        ({"all_of": ("brand=acme", "color=red")}, []),
        ({"any_of": ("word=boho", "color=mauve")}, ["no product has word=boho", "no product has color=mauve"]),
        ({"none_of": ("fabric=lace",)}, []),
        ({"category": "women>dreses"}, ["no product is of the category women>dreses; did you mean Women > Dresses?"]),
        ({"currency": "eur"}, []),
        ({"currency": "chf"}, ["no price is in CHF: they are in EUR"]),
        ({"fields": (("Season", ("sumer", "x")),)}, ["no product has the field Season=sumer or Season=x; did you mean "
                                                     "season=summer?"]),
        ({"fields": (("season", ("winter", "Summer")),)}, []),
    ],
    ids=str,
)  # fmt: skip
def test_of_an_empty_answer_everything_that_no_product_has_is_told(advice, filters, notes):
    assert advice.notes(7, SearchFilters(**filters), None, TAXONOMY, is_empty=True) == tuple(notes)


def test_not_more_notes_than_anybody_reads(advice):
    unknown = tuple(f"brand=nobody{number}" for number in range(MOST_NOTES + 3))
    assert len(advice.notes(7, SearchFilters(all_of=unknown, category="Nothing"), is_empty=True)) == MOST_NOTES


def test_a_change_to_what_nobody_knows_is_refused(advice):
    """What the catalog has may be wanted, though no model sees it."""
    advice.check(7, SearchFilters(), AttributeChanges(("brand=acme",), ("brand=nobody",)), TAXONOMY)
    with pytest.raises(InvalidRequest, match="Nothing is known") as raised:
        advice.check(7, SearchFilters(), AttributeChanges(("brand=acne",)), TAXONOMY)
    assert raised.value.remedy == "did you mean brand=acme?"
