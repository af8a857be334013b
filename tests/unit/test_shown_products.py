"""Which products a search reads, and which of their images are hits."""

from __future__ import annotations

import datetime
from contextlib import nullcontext
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from catalog.ports.vector_index import ScoredPoint
from catalog.repositories.products import ShownProduct
from catalog.services.searching import image_products
from catalog.services.searching.image_products import ImageProducts
from catalog.services.searching.shown_products import ShownProducts

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Catalog:
    """Products of images, and what was read of them."""

    def __init__(self, product_of: dict[int, int]) -> None:
        self.product_of = product_of
        self.read: list[list[int]] = []
        self.products = self

    def __call__(self):
        return nullcontext(SimpleNamespace(products=self))

    def shown(self, image_ids, merchant_id):
        assert merchant_id == 7
        self.read.append(list(image_ids))
        return {
            id: ShownProduct(id, "sha", product, "", "", (), (), (), None, None, "", None, None, NOW)
            for id in image_ids
            if (product := self.product_of.get(id)) is not None
        }


def points(ids) -> list[ScoredPoint]:
    return [ScoredPoint(id, 1.0, {}, {}) for id in ids]


def hits(catalog, known, ids, wanted, *, per_product=True) -> list[int]:
    found = ShownProducts(catalog, 7, known).hits(points(ids), wanted, per_product=per_product)
    assert all(point.id == shown.image_id for point, shown in found)
    return [point.id for point, _ in found]


def test_only_what_is_shown_is_read_where_products_are_known():
    """Images 1 and 2 are of product 1, and 3 and 4 of product 2: of the first five, three may be hits."""
    catalog, known = Catalog({1: 1, 2: 1, 3: 2, 4: 2, 5: 3}), ImageProducts()
    known.learn(catalog.product_of)
    assert hits(catalog, known, [1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert catalog.read == [[1, 3, 5]]


def test_what_was_read_is_known_from_then_on():
    """Two at first, which are of one product; then twice the one that is missing, which the catalog has more of."""
    catalog, known = Catalog({1: 1, 2: 1, 3: 1, 4: 2}), ImageProducts()
    assert hits(catalog, known, [1, 2, 3, 4], 2) == [1, 4]
    assert hits(catalog, known, [1, 2, 3, 4], 2) == [1, 4]
    assert catalog.read == [[1, 2], [3, 4], [1, 4]]


def test_a_product_whose_best_image_is_gone_is_shown_by_another():
    catalog, known = Catalog({2: 1, 3: 2}), ImageProducts()
    known.learn({1: 1, 2: 1, 3: 2})
    assert hits(catalog, known, [1, 2, 3], 2) == [2, 3]


def test_a_product_comes_once_although_its_images_are_forgotten_meanwhile(monkeypatch):
    """What searches remember is full with one image, and forgets the others with each."""
    monkeypatch.setattr(image_products, "MOST_KEPT", 1)
    catalog = Catalog({1: 1, 2: 1, 3: 1, 4: 2})

    class Forgetful(ImageProducts):
        def known(self, image_id):
            self.learn({-1: -1})
            return super().known(image_id)

    assert hits(catalog, Forgetful(), [1, 2, 3, 4], 2) == [1, 4]


@given(
    product_of=st.dictionaries(st.integers(1, 12), st.integers(1, 4)),
    gone=st.sets(st.integers(1, 12)),
    known=st.sets(st.integers(1, 12)),
    ids=st.lists(st.integers(1, 12), unique=True),
    wanted=st.integers(1, 6),
    per_product=st.booleans(),
)
def test_hits_are_the_first_that_are_there_whatever_is_known(product_of, gone, known, ids, wanted, per_product):
    """Each product once where that is asked for, by its best image that is not gone."""
    there = {id: product for id, product in product_of.items() if id not in gone}
    expected: list[int] = []
    for id in ids:
        taken = {there[hit] for hit in expected} if per_product else set()
        if id in there and there[id] not in taken:
            expected.append(id)
    remembered = ImageProducts()
    remembered.learn({id: product for id, product in product_of.items() if id in known})
    assert hits(Catalog(there), remembered, ids, wanted, per_product=per_product) == expected[:wanted]
