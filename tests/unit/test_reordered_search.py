"""Rankings in another order: one order for all pages, with nothing lost, doubled or scored anew."""

from __future__ import annotations

import datetime
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.ports.vector_index import ScoredPoint, StoredPoint
from catalog.repositories.products import ShownProduct
from catalog.services.searching.image_products import ImageProducts
from catalog.services.searching.ranked_search import RankedPoints
from catalog.services.searching.reordered_search import NUM_REORDERED, ReorderedSearch
from catalog.services.searching.shown_products import ShownProducts
from catalog.types import Boosts, SearchOptions

NOW = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)


class Scores:
    """A ranking of points by falling scores, which tells how much of it was asked for."""

    prob = np.zeros(2, dtype=np.float32)
    ranked_by = ("prob",)
    ranks_all = True

    def __init__(self, scores: dict[int, float]) -> None:
        self.points = [ScoredPoint(id, score, {}, {}) for id, score in scores.items()]
        self.asked: list[int] = []

    def first(self, num: int) -> RankedPoints:
        self.asked.append(num)
        return RankedPoints(self.points[:num], are_all=num >= len(self.points))


class Vectors:
    """Stored probs, and how often they were asked for."""

    def __init__(self, probs: dict[int, list[float]]) -> None:
        self.probs = probs
        self.num_asked = 0

    def retrieve(self, collection, ids, with_vectors, *, with_payload):
        self.num_asked += 1
        assert (collection, with_vectors, with_payload) == ("gallery", ("prob",), False)
        return [StoredPoint(id, {}, {"prob": np.float32(self.probs[id])}) for id in ids if id in self.probs]


def at_hand(products: dict[int, ShownProduct]) -> ShownProducts:
    """Products by image, as PostgreSQL would give them."""

    def shown(image_ids, _merchant_id):
        return {id: products[id] for id in image_ids if id in products}

    work = nullcontext(SimpleNamespace(products=SimpleNamespace(shown=shown)))
    return ShownProducts(lambda: work, 1, ImageProducts())


def shown(image: int, product: int, availability: str = "in_stock", days: int = 0) -> ShownProduct:
    seen = NOW - datetime.timedelta(days=days)
    return ShownProduct(
        image, "sha", product, f"p{product}", "", (), (), (), None, None, availability, None, None, seen
    )


def reordered(scores, probs, products, **options) -> ReorderedSearch:
    return ReorderedSearch(Scores(scores), Vectors(probs), "gallery", at_hand(products), SearchOptions(**options))


def ids(ranking: RankedPoints) -> list[int]:
    return [point.id for point in ranking.points]


RED, BLUE = [1.0, 0.0], [0.0, 1.0]


def test_a_blue_one_comes_between_the_red_ones():
    """At 0.5: 21 gains .5·.9 − .5·1 = −.05, 22 −.1, and blue 23 .5·0 − 0 = 0. Scores stay."""
    search = reordered(
        {20: 1.0, 21: 0.9, 22: 0.8, 23: 0.0},
        {20: RED, 21: RED, 22: RED, 23: BLUE},
        {id: shown(id, 100 + id) for id in (20, 21, 22, 23)},
        diversity=0.5,
    )
    found = search.first(2)
    assert ids(found) == [20, 23, 21, 22]
    assert [point.score for point in found.points] == [1.0, 0.0, 0.9, 0.8]
    assert (found.are_all, search.ranked_by, search.ranks_all) == (True, ("prob",), True)


def test_boosts_act_before_diversity():
    """20 is out of stock: (1 + 0)/1.5 = .67 against (.9 + .5)/1.5 = .93 of 21 and .2 of the new one."""
    search = reordered(
        {20: 1.0, 21: 0.9, 22: 0.0},
        {20: RED, 21: RED, 22: BLUE},
        {20: shown(20, 1, "out_of_stock"), 21: shown(21, 2), 22: shown(22, 3, "preorder")},
        boosts=Boosts(in_stock=0.5),
    )
    assert ids(search.first(3)) == [21, 20, 22]
    # By 0.6 of novelty: .4·.67 − .6·1 is less than .4·0 − 0.
    diverse = replace(SearchOptions(boosts=Boosts(in_stock=0.5)), diversity=0.6)
    both = ReorderedSearch(search._ranked, search._index, "gallery", search._shown, diverse)
    assert ids(both.first(3)) == [21, 22, 20]


def test_a_product_is_shown_by_its_best_image():
    """30 and 31 are of one product, 32 is not there any more: these follow, so that nothing is lost."""
    products = {30: shown(30, 1, "out_of_stock"), 31: shown(31, 1, "out_of_stock"), 33: shown(33, 2)}
    scores = {30: 4.0, 31: 3.0, 32: 2.0, 33: 1.0}
    search = reordered(scores, {}, products, boosts=Boosts(in_stock=1.0, newer=0.5), diversity=0.5)
    assert ids(search.first(1)) == [30, 33, 31, 32]
    # With every image a hit of its own, 31 is lifted by itself: (2/3)/2 stays below 33's (0 + 1)/2.
    every = reordered(scores, {}, products, boosts=Boosts(in_stock=1.0), per_product=False)
    assert ids(every.first(1)) == [30, 33, 31, 32]


@pytest.mark.parametrize("products", [{}, {1: shown(1, 1)}])
def test_few_and_none_stay_as_they_are(products):
    search = reordered({1: 0.5}, {1: RED}, products, diversity=1.0)
    assert ids(search.first(10)) == [1]
    assert ids(reordered({}, {}, {}, diversity=1.0).first(10)) == []


@settings(max_examples=30)
@given(
    num_points=st.integers(1, NUM_REORDERED + 60),
    numbers=st.lists(st.integers(1, NUM_REORDERED + 60), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_every_page_is_cut_from_one_order(num_points, numbers, seed):
    """Whatever is asked for first, the first of few are the first of many; behind the 200 it is the ranking itself."""
    rng = np.random.default_rng(seed)
    scores = dict(zip(range(num_points), np.sort(rng.random(num_points))[::-1].tolist(), strict=True))
    probs = {id: rng.random(2).tolist() for id in scores}
    products = {id: shown(id, id // 2, ("in_stock", "out_of_stock")[id % 3 == 0], id % 50) for id in scores}
    options = {"diversity": 0.4, "boosts": Boosts(0.2, 0.3)}
    whole = reordered(scores, probs, products, **options).first(num_points)
    assert sorted(ids(whole)) == list(range(num_points))
    assert ids(whole)[NUM_REORDERED:] == list(range(NUM_REORDERED, num_points))
    assert {point.id: point.score for point in whole.points} == scores
    search = reordered(scores, probs, products, **options)
    for num in numbers:
        found = search.first(num)
        assert ids(found) == ids(whole)[: len(found.points)]
        assert len(found.points) >= min(num, num_points)
    assert search._index.num_asked == 1
