"""Boosts: the arithmetic, and what holds of any items."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.services.searching.boosts import HALF_LIFE, boosted, newness
from catalog.types import Boosts

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


def test_each_boost_adds_its_share_of_the_whole_way():
    """(r + 0.5·in stock + 0.25·newness) / 1.75; the third came a half-life earlier, the last ten."""
    relevance = np.array([1.0, 0.7, 0.7, 0.0], dtype=np.float32)
    in_stock = np.array([False, True, False, True])
    seen = [NOW, NOW, NOW - HALF_LIFE, NOW - 10 * HALF_LIFE]
    expected = np.array([1 + 0.25, 0.7 + 0.5 + 0.25, 0.7 + 0.125, 0.5 + 0.25 / 1024]) / 1.75
    lifted = boosted(relevance, in_stock, seen, Boosts(in_stock=0.5, newer=0.25))
    np.testing.assert_allclose(lifted, expected, rtol=1e-6)


def test_a_boost_of_one_is_worth_the_whole_way():
    """The last candidate in stock draws level with the best one out of stock; no further."""
    lifted = boosted(np.float32([1, 0.5, 0]), np.array([False, False, True]), [NOW] * 3, Boosts(in_stock=1.0))
    assert lifted.tolist() == [0.5, 0.25, 0.5]


def test_newness_is_told_by_each_other():
    assert newness([NOW, NOW - HALF_LIFE, NOW - 3 * HALF_LIFE]).tolist() == [1.0, 0.5, 0.125]
    long_ago = NOW - datetime.timedelta(days=9000)
    assert newness([long_ago - HALF_LIFE, long_ago]).tolist() == [0.5, 1.0]
    assert newness([]).tolist() == []


strengths = st.integers(0, 8).map(lambda number: number / 8)
items = st.lists(st.tuples(st.integers(0, 64), st.booleans(), st.integers(0, 100)), min_size=1, max_size=12)


@given(items=items, stock=strengths, newer=strengths)
def test_laws_of_boosts(items, stock, newer):
    """Neutral ones change nothing. What is lifted stays within 0 and 1, and nothing that has more of everything falls
    behind what has less: of two that are equal but for the stock, the one in stock is never behind."""
    relevance = np.array([score / 64 for score, _, _ in items], dtype=np.float32)
    in_stock = np.array([is_there for _, is_there, _ in items])
    seen = [NOW - datetime.timedelta(days=days) for _, _, days in items]
    assert boosted(relevance, in_stock, seen, Boosts()) is relevance
    lifted = boosted(relevance, in_stock, seen, Boosts(stock, newer))
    assert ((lifted >= 0) & (lifted <= 1)).all()
    for one, (score, is_there, days) in enumerate(items):
        for other, (less, was_there, more_days) in enumerate(items):
            if score >= less and is_there >= was_there and days <= more_days:
                assert lifted[one] >= lifted[other]
            if stock and score == less and days == more_days and is_there > was_there:
                assert lifted[one] > lifted[other]


@pytest.mark.parametrize("boosts", [Boosts(in_stock=0.1), Boosts(newer=0.1)])
def test_boosts_are_told_from_none(boosts):
    assert boosts
    assert not Boosts()
