"""Totals of hits: counted, bounded, remembered until the gallery changes."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from catalog.ports.vector_index import Filter, Match, Range, ScoredPoint, StoredPoint
from catalog.repositories.galleries import Gallery
from catalog.rows import GalleryState
from catalog.services.searching.hit_totals import HitTotals
from catalog.services.searching.image_products import ImageProducts
from catalog.services.searching.ranked_search import RankedPoints
from catalog.types import Total, TotalRelation

EXACT, AT_LEAST = TotalRelation.EXACT, TotalRelation.AT_LEAST
REMOVED = 9
GALLERY = Gallery(3, 2, "m", "c", GalleryState.LIVE, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
RED = Filter(must=(Match("merchant", ("2",)), Match("attributes", ("color=red",))))


class CountingIndex:
    """40 images pass any filter; the products that are searched with have two images each."""

    def __init__(self) -> None:
        self.counted: list[Filter] = []

    def count(self, _collection, filter):
        self.counted.append(filter)
        return 40

    def scroll(self, _collection, filter):
        (own,) = [one for one in filter.must if one.field == "product"]
        return [StoredPoint(10 * id + part, {"product": id}, {}) for id in own.values for part in range(2)]


@dataclasses.dataclass
class Ranked:
    ranks_all: bool = True


def _points(*products: int) -> list[ScoredPoint]:
    return [ScoredPoint(100 * product + number, 0.5, {}, {}) for number, product in enumerate(products)]


@pytest.fixture
def index() -> CountingIndex:
    return CountingIndex()


class Database:
    """Knows the product of each point of ``_points``: a hundredth of the point's id, but of one that was removed."""

    def __init__(self) -> None:
        self.products = self.facets = self
        self.asked: list[list[int]] = []
        self.held = 0

    def num_held(self, merchant_id, gallery_id, _conditions, at_most):
        assert (merchant_id, gallery_id) == (GALLERY.merchant_id, GALLERY.id)
        return min(self.held, at_most)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def products_of(self, image_ids, merchant_id):
        assert merchant_id == GALLERY.merchant_id
        self.asked.append(list(image_ids))
        return {id: id // 100 for id in image_ids if id // 100 != REMOVED}


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def totals(index, database) -> HitTotals:
    return HitTotals(lambda: database, index, ImageProducts())


@pytest.mark.parametrize(
    ("ranked", "ranking", "per_product", "expected"),
    [
        # All of it was ranked and seen: two products, three images.
        (Ranked(), RankedPoints(_points(7, 7, 8), are_all=True), True, Total(2, EXACT)),
        (Ranked(), RankedPoints(_points(7, 7, 8), are_all=True), False, Total(3, EXACT)),
        # All candidates were seen, and there were more than candidates.
        (Ranked(ranks_all=False), RankedPoints(_points(7, 7, 8), True, leaves_out=True), True, Total(2, AT_LEAST)),
        (Ranked(ranks_all=False), RankedPoints(_points(7, 8), True), True, Total(2, EXACT)),
        # More are above the threshold than the page needed.
        (Ranked(ranks_all=False), RankedPoints(_points(7, 8), are_all=False), True, Total(2, AT_LEAST)),
        (Ranked(), RankedPoints([], are_all=True), True, Total(0, EXACT)),
    ],
)
def test_what_was_seen_is_told_as_what_it_is(totals, index, ranked, ranking, per_product, expected):
    """Without counting anything."""
    assert totals.of(GALLERY, ranked, ranking, RED, per_product=per_product) == expected
    assert totals.of(GALLERY, ranked, ranking, RED, per_product=per_product, num_found=1).value == 1
    assert index.counted == []


def test_products_of_candidates_are_asked_for_once(totals, database):
    """A removed one is no hit, and asked for again; another search asks for what is new in it."""
    ranked, some = Ranked(ranks_all=False), RankedPoints(_points(7, 7, 8, REMOVED), True, leaves_out=True)
    for _ in range(2):
        assert totals.of(GALLERY, ranked, some, RED, per_product=True) == Total(2, AT_LEAST)
    more = RankedPoints(_points(7, 7, 8, 5), True, leaves_out=True)
    assert totals.of(GALLERY, ranked, more, RED, per_product=True) == Total(3, AT_LEAST)
    assert database.asked == [[700, 701, 802, 903], [903], [503]]


def test_what_is_searched_with_is_taken_off(totals, index):
    """40 images, of which two products that are searched with have two each; the number of 40 is asked for once."""
    some = RankedPoints(_points(7, 8), are_all=False)
    with_own = dataclasses.replace(RED, must_not=(Match("attributes", ("fit=slim",)), Match("product", (5, 6))))
    assert totals.of(GALLERY, Ranked(), some, with_own, per_product=False) == Total(36, EXACT)
    other = dataclasses.replace(with_own, must_not=(*with_own.must_not[:1], Match("product", (9,))))
    assert totals.of(GALLERY, Ranked(), some, other, per_product=False) == Total(38, EXACT)
    assert index.counted == [dataclasses.replace(RED, must_not=with_own.must_not[:1])]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        # Of 10,010 products, three that are searched with leave 10,007, and of 10,021 they leave 10,018.
        (10_010, Total(10_007, EXACT)),
        (10_021, Total(10_018, EXACT)),
        # More are not counted, and the 21 that could be searched with leave as many as are told.
        (10_022, Total(10_000, AT_LEAST)),
        (90_000, Total(10_000, AT_LEAST)),
        # Fewer than are told, were those searched with not counted beyond it.
        (10_002, Total(9_999, EXACT)),
    ],
)
def test_what_is_told_of_many_are_never_more_than_there_are(totals, database, held, expected):
    database.held = held
    search = dataclasses.replace(RED, must_not=(Match("product", (4, 5, 6)),))
    some = RankedPoints(_points(7, 8), are_all=False)
    assert totals.of(GALLERY, Ranked(), some, search, per_product=True) == expected


def test_numbers_hold_until_the_gallery_changes(totals, index):
    """The same filter is counted anew after a change, and another filter by itself."""
    some = RankedPoints(_points(7, 8), are_all=False)
    for _ in range(3):
        totals.of(GALLERY, Ranked(), some, RED, per_product=False)
    assert index.counted == [RED]
    cheap = dataclasses.replace(RED, must=(*RED.must, Range("price", None, 5.0)))
    totals.of(GALLERY, Ranked(), some, cheap, per_product=False)
    changed = dataclasses.replace(GALLERY, indexed_at=GALLERY.indexed_at + datetime.timedelta(seconds=1))
    totals.of(changed, Ranked(), some, RED, per_product=False)
    assert index.counted == [RED, cheap, RED]
