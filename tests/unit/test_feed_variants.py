"""What several rows of one product say together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.feeds.dialects.variants import best_availability, lowest_price, raw_of_variants
from catalog.types import Availability, Price


def test_a_single_row_is_itself_without_what_is_empty():
    """No list of one variant."""
    assert raw_of_variants([{"id": "7", "size": "", "tags": [], "brand": None, "title": "Red"}]) == {
        "id": "7",
        "title": "Red",
    }


def test_what_differs_or_is_missing_stays_with_its_row():
    """A column that one row lacks is no shared one, even where the others agree."""
    rows = [{"brand": "Acme", "size": "S", "fit": "slim"}, {"brand": "Acme", "size": "M"}]
    assert raw_of_variants(rows) == {"brand": "Acme", "variants": [{"size": "S", "fit": "slim"}, {"size": "M"}]}


@pytest.mark.parametrize(
    ("variants", "best"),
    [
        ([], Availability.OUT_OF_STOCK),
        ([Availability.OUT_OF_STOCK, Availability.BACKORDER], Availability.BACKORDER),
        ([Availability.BACKORDER, Availability.PREORDER], Availability.PREORDER),
        (list(Availability), Availability.IN_STOCK),
    ],
)
def test_product_can_be_had_where_a_variant_can(variants, best):
    """From "at once" to "not at all"."""
    assert best_availability(variants) is best


def test_lowest_price_is_of_the_first_currency():
    """Amounts of other currencies cannot be compared."""
    prices = [Price(Decimal("20"), "EUR"), Price(Decimal("5"), "USD"), Price(Decimal("19.90"), "EUR")]
    assert lowest_price(prices) == Price(Decimal("19.90"), "EUR")
    assert lowest_price([]) is None
