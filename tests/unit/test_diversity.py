"""Maximal marginal relevance: the arithmetic, and what holds of any candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.services.searching.diversity import diverse_order, stretched

RELEVANCE = np.array([1.0, 0.9, 0.6, 0.0], dtype=np.float32)
ALIKE = np.array(
    [[1.0, 0.8, 0.2, 0.0], [0.8, 1.0, 0.4, 0.0], [0.2, 0.4, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=np.float32
)


@pytest.mark.parametrize(
    ("diversity", "order"),
    [
        (0.0, [0, 1, 2, 3]),
        # 0.9·0.9 − 0.1·0.8 = .73 against 0.9·0.6 − 0.1·0.2 = .52: no matter.
        (0.1, [0, 1, 2, 3]),
        # 0.6·0.9 − 0.4·0.8 = .22 against 0.6·0.6 − 0.4·0.2 = .28 and 0: then .22 is more than 0.
        (0.4, [0, 2, 1, 3]),
        # 0.3·0.9 − 0.7·0.8 = −.29, 0.3·0.6 − 0.7·0.2 = .04, 0: then −.29 is less than 0.
        (0.7, [0, 2, 3, 1]),
        # Novelty alone: −.8, −.2 and 0, then −.8 and −.2.
        (1.0, [0, 3, 2, 1]),
    ],
)
def test_what_is_alike_gives_way_the_more_the_more_it_is_asked_to(diversity, order):
    assert diverse_order(RELEVANCE, ALIKE, diversity) == order


def test_of_equals_the_first_comes_first():
    assert diverse_order(np.zeros(4, np.float32), np.zeros((4, 4), np.float32), 0.5) == [0, 1, 2, 3]
    assert diverse_order(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), 0.5) == []


@st.composite
def candidates(draw) -> tuple[np.ndarray, np.ndarray]:
    """Relevance in falling order with ties, and symmetric similarity."""
    num = draw(st.integers(1, 12))
    steps = st.integers(0, 8)
    relevance = sorted((draw(steps) / 8 for _ in range(num)), reverse=True)
    alike = np.array([[draw(steps) / 8 for _ in range(num)] for _ in range(num)], dtype=np.float32)
    return np.array(relevance, dtype=np.float32), np.maximum(alike, alike.T)


@given(candidates=candidates(), diversity=st.integers(0, 16).map(lambda number: number / 16))
def test_laws_of_diversity(candidates, diversity):
    """Every candidate comes once, the best stays, 0 changes nothing, and no argument is written to."""
    relevance, alike = candidates
    relevance.flags.writeable = alike.flags.writeable = False
    order = diverse_order(relevance, alike, diversity)
    assert sorted(order) == list(range(len(relevance)))
    assert order[0] == 0
    assert diverse_order(relevance, alike, 0.0) == list(range(len(relevance)))


@given(values=st.lists(st.integers(-1000, 1000), min_size=1, max_size=9), scale=st.sampled_from([0.25, 1, 16]))
def test_stretched_values_know_no_scale(values, scale):
    """From 0 to 1 in the same order, whatever the unit and the zero of the values are."""
    exact = np.array(values, dtype=np.float32)
    spread = stretched(exact)
    assert spread.min() == 0.0
    assert spread.max() == (0.0 if len(set(values)) == 1 else 1.0)
    assert (np.argsort(exact, kind="stable") == np.argsort(spread, kind="stable")).all()
    np.testing.assert_allclose(stretched(exact * np.float32(scale) + 8), spread, atol=1e-5)
