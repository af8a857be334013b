"""A feed's own columns can be filtered by, in searches and counts alike, and follow the feed."""

from __future__ import annotations

import pytest

from catalog.services.browsing.facets import FacetService
from catalog.types import SearchFilters
from tests.integration.services.conftest import MERCHANT, picture


@pytest.fixture
def rows(shop):
    return [
        {"id": "P1", "title": "A", "image": shop.photo("1.png", "red"), "Season": "Summer; Spring", "supplier": "x"},
        {"id": "P2", "title": "B", "image": shop.photo("2.png", "blue"), "season": "winter", "supplier": "x", "n": 4},
        {"id": "P3", "title": "C", "image": shop.photo("3.png", "green"), "supplier": ["Y", "z"]},
    ]


def _found(shop, **fields) -> set[str]:
    filters = SearchFilters(fields=tuple((name, tuple(values)) for name, values in fields.items()))
    answer = shop.search.by_image(MERCHANT, picture("red"), filters)
    counted = FacetService(shop.unit_of_work).count(MERCHANT, filters, ["season", "Supplier"])
    assert counted.num_products == len(answer.hits)
    assert answer.notes == counted.notes
    return {hit.external_id for hit in answer.hits}


def test_own_columns_filter(shop, rows):
    """Any value within a name, all names."""
    shop.take(rows)
    assert _found(shop, season=["SUMMER", "winter"]) == {"P1", "P2"}
    assert _found(shop, season=["summer", "winter"], supplier=["X"], N=["4"]) == {"P2"}
    assert _found(shop, supplier=["y"]) == {"P3"}
    counted = FacetService(shop.unit_of_work).count(MERCHANT, None, ["season", "Supplier", "none"])
    assert counted.fields == {
        "season": [("spring", 1), ("summer", 1), ("winter", 1)],
        "supplier": [("x", 2), ("y", 1), ("z", 1)],
        "none": [],
    }


def test_columns_of_a_few_values_are_found_without_their_names(shop, rows):
    """Supplier has 3 values on 3 products, season 3 on 2; n has a single one, and sku one for each of 31 products."""
    many = [{"id": f"N{n}", "title": "N", "image": rows[0]["image"], "sku": f"S{n}"} for n in range(31)]
    shop.take([*rows, *many])
    counted = FacetService(shop.unit_of_work).count(MERCHANT, SearchFilters(fields=(("season", ("winter",)),)), ["*"])
    # Which there are does not depend on what is chosen.
    assert counted.fields == {"supplier": [("x", 1)], "season": [("winter", 1)]}
    assert list(counted.fields) == ["supplier", "season"]
    both = FacetService(shop.unit_of_work).count(MERCHANT, None, ["Season", "*", "n"])
    assert list(both.fields) == ["season", "n", "supplier"]


def test_what_no_product_has_is_told(shop, rows):
    shop.take(rows)
    assert _found(shop, saeson=["summer"]) == set()
    notes = shop.search.by_image(MERCHANT, picture("red"), SearchFilters(fields=(("seson", ("summer",)),))).notes
    assert notes == ("no product has the field seson=summer; did you mean season=summer?",)
    both = SearchFilters(fields=(("season", ("summer",)), ("supplier", ("z",))))
    assert shop.search.by_image(MERCHANT, picture("red"), both).notes == ()


def test_they_follow_the_feed_without_embedding(shop, rows):
    """A column that a feed lacks stays, an empty one goes, and undoing brings it back."""
    shop.take(rows)
    _, indexing = shop.take([{"id": "P1", "season": "autumn"}, {"id": "P2", "season": ""}])
    assert (indexing.embedded, indexing.refreshed) == (0, 2)
    assert _found(shop, season=["autumn"], supplier=["x"]) == {"P1"}
    assert _found(shop, season=["winter", "summer"]) == set()
    assert shop.take([{"id": "P1", "season": "AUTUMN"}])[1].refreshed == 1
    assert _found(shop, season=["autumn"]) == {"P1"}


def test_undoing_an_ingest_brings_back_what_they_said(shop, rows):
    shop.take(rows)
    shop.take([{"id": "P1", "season": "autumn"}])
    shop.undo()
    assert _found(shop, season=["summer"]) == {"P1"}
    assert _found(shop, season=["autumn"]) == set()


def test_the_first_ingest_after_an_upgrade_brings_them(shop, rows):
    """In a collection that was made before there were any, without embedding."""
    shop.take(rows)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE product SET fields = '{}', fingerprint = 'of an older version'")
    summary, indexing = shop.take(rows)
    assert (summary.counts["products_changed"], indexing.embedded, indexing.refreshed) == (3, 0, 3)
    assert _found(shop, season=["summer"]) == {"P1"}
