"""What feeds say in the place of what a network sees: of the groups they name, and of no others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.services.queries.told_probabilities import ToldProbabilities
from embeddings.taxonomy import Taxonomy

TAXONOMY = Taxonomy(
    ("color=blue", "color=multicolor", "color=red", "detail=belt", "detail=bow", "house=north", "house=south")
)
SEEN = np.array([0.4, 0.1, 0.2, 0.3, 0.0, 0.5, 0.1], dtype=np.float32)

SAID = (
    *TAXONOMY.names,
    *("color=green", "colour=scarlet", "color=mystic dusk", "color=red/blue"),
    *("detail=pockets", "house=west", "brand=x"),
)


@pytest.mark.parametrize(
    ("said", "expected", "named"),
    [
        ((), [0.4, 0.1, 0.2, 0.3, 0, 0.5, 0.1], []),
        (("color=red",), [0, 0, 0.5, 0.3, 0, 0.5, 0.1], ["color=red"]),
        (("colour=scarlet", "color=red"), [0, 0, 0.5, 0.3, 0, 0.5, 0.1], ["color=red"]),
        (("color=red/blue",), [0.5, 0, 0.5, 0.3, 0, 0.5, 0.1], ["color=blue", "color=red"]),
        # Known, and none of those that the network knows.
        (("color=green",), [0, 0, 0, 0.3, 0, 0.5, 0.1], []),
        # Of a shop's own word nobody knows which it is, and multicolor leaves open which they are.
        (("color=mystic dusk",), [0.4, 0.1, 0.2, 0.3, 0, 0.5, 0.1], []),
        (("color=multicolor",), [0.4, 0.5, 0.2, 0.3, 0, 0.5, 0.1], ["color=multicolor"]),
        # A bow is beside a belt, not in its stead.
        (("detail=bow",), [0.4, 0.1, 0.2, 0.3, 0.5, 0.5, 0.1], ["detail=bow"]),
        # A group of the shop's own.
        (("house=south", "brand=x"), [0.4, 0.1, 0.2, 0.3, 0, 0, 0.5], ["house=south"]),
    ],
)
def test_what_is_said_is_as_sure_as_what_is_surest(said, expected, named):
    (found,), (is_named,) = ToldProbabilities(TAXONOMY, fashion_vocabulary()).of(SEEN[np.newaxis], [said])
    assert found == pytest.approx(expected)
    assert [TAXONOMY.names[at] for at in is_named.nonzero()[0]] == named


@given(st.lists(st.lists(st.sampled_from(SAID), max_size=5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_each_item_is_told_of_by_itself(said, seed):
    """As if it were alone; of whom nothing is said stays as seen; and nothing becomes surer than the surest."""
    seen = np.random.default_rng(seed).random((len(said), len(TAXONOMY)), dtype=np.float32)
    before = seen.copy()
    probabilities = ToldProbabilities(TAXONOMY, fashion_vocabulary())
    found, named = probabilities.of(seen, said)
    np.testing.assert_array_equal(seen, before)
    for item, attributes in enumerate(said):
        alone, named_alone = ToldProbabilities(TAXONOMY, fashion_vocabulary()).of(seen[item : item + 1], [attributes])
        np.testing.assert_array_equal(found[item], alone[0])
        np.testing.assert_array_equal(named[item], named_alone[0])
        if not attributes:
            np.testing.assert_array_equal(found[item], seen[item])
    assert (found.max(axis=1) <= seen.max(axis=1)).all()
    assert (found[named] == np.broadcast_to(seen.max(axis=1, keepdims=True), seen.shape)[named]).all()
