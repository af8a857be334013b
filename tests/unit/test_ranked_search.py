"""The first of a ranking: one order, however much of it is asked for, though a walked index finds more by more."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.ports.vector_index import ScoredPoint
from catalog.services.searching.ranked_search import FIRST_TRANCHE, MOST_TIES, RankedPoints, first_points


class WalkedIndex:
    """Distances of points. Asked for up to 128 it misses every 7th of the nearest, for up to 512 every 50th, else none.

    Equal distances come in an order of the moment.
    """

    def __init__(self, distances: list[float]) -> None:
        self.distances = distances
        self.limits: list[int] = []

    def ask(self, limit: int) -> list[ScoredPoint]:
        self.limits.append(limit)
        missed = 7 if limit <= 128 else 50 if limit <= 512 else len(self.distances) + 1
        order = list(range(len(self.distances)))
        random.Random(len(self.limits)).shuffle(order)
        nearest = sorted(order, key=lambda id: self.distances[id])
        found = [id for id in nearest if id % missed != missed - 1]
        return [ScoredPoint(id, self.distances[id], {}, {}) for id in found[:limit]]


def _place(point: ScoredPoint) -> tuple[float, int]:
    return point.score, point.id


def _first(index: WalkedIndex, num: int) -> RankedPoints:
    return first_points(index.ask, _place, num)


def _ids(ranked: RankedPoints) -> list[int]:
    return [point.id for point in ranked.points]


def test_what_was_missed_follows_and_nothing_comes_twice():
    """600 points: those of the first 128 that the small beam missed come behind the others of the first 128."""
    index = WalkedIndex([float(number) for number in range(600)])
    short, long = _ids(_first(index, 10)), _ids(_first(index, 500))
    assert short[:10] == long[:10] == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert len(set(long)) == len(long)
    # Of 0 … 148 the beam misses 6, 13, … 146; 128 are left. The last of them waits for the next step, where 6 is first.
    assert long[125:130] == [145, 147, 6, 13, 20]


@given(
    distances=st.lists(st.integers(0, 40).map(float), max_size=700),
    numbers=st.lists(st.integers(1, 700), min_size=2, max_size=4),
)
def test_less_is_a_part_of_more(distances, numbers):
    """What is first of few is first of many, ties by id, as many as are wanted where there are as many."""
    index = WalkedIndex(distances)
    rankings = [_first(index, num) for num in sorted(numbers)]
    for ranked, num in zip(rankings, sorted(numbers), strict=True):
        assert len(ranked.points) >= num or ranked.are_all
        assert len(set(_ids(ranked))) == len(ranked.points)
    whole = _ids(rankings[-1])
    for ranked, num in zip(rankings, sorted(numbers), strict=True):
        assert _ids(ranked)[:num] == whole[:num]


@pytest.mark.parametrize(("num_points", "are_all"), [(0, True), (10, True), (11, False)])
def test_the_end_is_told(num_points, are_all):
    """Ten are wanted: one more is asked for, which tells whether there are others."""
    index = WalkedIndex([float(number) for number in range(num_points)])
    index.ask = lambda limit: [ScoredPoint(id, float(id), {}, {}) for id in range(min(limit, num_points))]
    ranked = _first(index, 10)
    assert (_ids(ranked), ranked.are_all) == (list(range(min(num_points, 10))), are_all)


def test_thousands_of_equal_scores_end_somewhere():
    """Two steps of nothing but ties; the third is more than ``MOST_TIES`` and taken as it is."""
    index = WalkedIndex([1.0] * 5000)
    ranked = _first(index, 10)
    assert index.limits == [11, 22, 44, 88, FIRST_TRANCHE, 4 * FIRST_TRANCHE, 16 * FIRST_TRANCHE]
    assert len(ranked.points) == 16 * FIRST_TRANCHE > MOST_TIES
    assert _ids(ranked) == sorted(_ids(ranked))
