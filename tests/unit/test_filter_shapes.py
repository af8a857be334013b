"""Filters in the shapes that recall is measured for: what an image gives, and in which order."""

from __future__ import annotations

from decimal import Decimal

from catalog.repositories.images import IndexableImage
from catalog.services.reindexing.filter_shapes import MOST_PER_SHAPE, FilterShape, filters_like
from catalog.types import SearchFilters


def _image(category=(), attributes=(), price=None, currency=None) -> IndexableImage:
    return IndexableImage(
        id=11,
        merchant_id=3,
        product_id=7,
        position=0,
        sha256="ab" * 32,
        crop=None,
        revision=5,
        category=category,
        attributes=attributes,
        price=price,
        currency=currency,
        availability="in_stock",
        item_group=None,
    )


def test_an_image_with_everything_gives_every_shape():
    """Categories from the special to the general; pairs of attributes in their order; prices from the narrow."""
    image = _image(("Women", "Dresses"), ("color=red", "lace", "size=m"), Decimal("20"), "EUR")
    shapes = filters_like(image, 0)
    assert list(shapes) == list(FilterShape)
    assert shapes[FilterShape.NONE] == (SearchFilters(),)
    assert [one.category for one in shapes[FilterShape.CATEGORY]] == ["Women > Dresses", "Women"]
    assert [one.all_of for one in shapes[FilterShape.ATTRIBUTE]] == [("color=red",), ("lace",), ("size=m",)]
    assert [one.all_of for one in shapes[FilterShape.TWO_ATTRIBUTES]] == [
        ("color=red", "lace"),
        ("color=red", "size=m"),
        ("lace", "size=m"),
    ]
    # 20 × 0.9 = 18, 20 × 1.1 = 22; 20 × 0.5 = 10, 20 × 2 = 40.
    bounds = [(one.min_price, one.max_price, one.currency) for one in shapes[FilterShape.PRICE]]
    assert bounds == [(18, 22, "EUR"), (10, 40, "EUR")]


def test_each_turn_begins_with_another_attribute():
    """Images of one kind ask for different things; the turns go round."""
    image = _image(attributes=("a=1", "b=2", "c=3"))
    firsts = [filters_like(image, turn)[FilterShape.ATTRIBUTE][0].all_of for turn in range(4)]
    assert firsts == [("a=1",), ("b=2",), ("c=3",), ("a=1",)]
    assert filters_like(image, 2)[FilterShape.TWO_ATTRIBUTES][0].all_of == ("c=3", "a=1")


def test_an_image_with_nothing_gives_the_search_without_a_filter():
    """There is no pair of one attribute, and no range without a price."""
    shapes = filters_like(_image(attributes=("lace",)), 3)
    assert {shape for shape, filters in shapes.items() if filters} == {FilterShape.NONE, FilterShape.ATTRIBUTE}


def test_no_shape_has_more_than_a_few():
    """Ten levels and twenty attributes, of which 190 pairs could be made."""
    image = _image(tuple(f"L{at}" for at in range(10)), tuple(f"a={at}" for at in range(20)), Decimal(1), "EUR")
    assert max(len(filters) for filters in filters_like(image, 0).values()) == MOST_PER_SHAPE
