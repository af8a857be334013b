"""Queries made of attributes, and changed by some; the arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.errors import InvalidRequest
from catalog.services.queries.attribute_queries import (
    CHANGE_WEIGHT,
    LOOKS_WEIGHT,
    TOLD_CANDIDATES_LOSS,
    TOLD_CERTAINTY,
    TOLD_QUERY_GAIN,
    ChangedQuery,
    in_taxonomy,
    prob_of,
)
from catalog.services.queries.requested_attributes import split_changes, with_words
from catalog.types import AttributeChanges, SearchFilters, UnderstoodWords
from embeddings.normalization import Normalization, normalize
from embeddings.taxonomy import Taxonomy

TAXONOMY = Taxonomy(
    ("color=blue", "color=red", "color=white", "detail=belt", "detail=bow", "pattern=floral", "pattern=plain")
)
#                blue red  white belt bow  floral plain
PROB = np.array([0.0, 0.3, 0.1, 0.2, 0.0, 0.1, 0.3], dtype=np.float32)
LOOKS = np.array([1.0, 0.0], dtype=np.float32)


def _changed(*, wanted=(), unwanted=(), prob=PROB, normalization=Normalization.L1, said=()) -> ChangedQuery:
    for array in (prob, LOOKS):
        array.flags.writeable = False
    changes = AttributeChanges(tuple(wanted), tuple(unwanted))
    return ChangedQuery(LOOKS, prob, changes, TAXONOMY, fashion_vocabulary(), normalization, said)


def test_attributes_alone_make_a_query():
    """A 1 at each, scaled as the version's rows are; zero for none."""
    assert prob_of(["color=red", "detail=bow"], TAXONOMY, Normalization.L1).tolist() == [0, 0.5, 0, 0, 0.5, 0, 0]
    assert prob_of(["color=red"] * 2, TAXONOMY, Normalization.L2).tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert not prob_of([], TAXONOMY, Normalization.L2).any()
    assert in_taxonomy(["brand=x", "color=red"], TAXONOMY) == (("color=red",), ("brand=x",))


def test_a_wanted_value_takes_the_length_of_its_group():
    """All of .3 + .1 goes to blue; under L2 it is √(.3² + .1²), and the whole is as long as before."""
    changed = _changed(wanted=["color=blue"]).changed
    np.testing.assert_allclose(changed, [0.4, 0, 0, 0.2, 0, 0.1, 0.3], atol=1e-6)
    prob = normalize(PROB, Normalization.L2)
    by_length = _changed(wanted=["color=blue"], prob=prob, normalization=Normalization.L2).changed
    assert by_length[0] == pytest.approx(np.hypot(prob[1], prob[2]), abs=1e-6)
    assert np.linalg.norm(by_length) == pytest.approx(1, abs=1e-6)


def test_several_wanted_values_of_a_group_share_its_length():
    """Blue and white have .2 each; a detail stands beside those that are there, as long as the largest component."""
    changed = _changed(wanted=["color=blue", "color=white"]).changed
    np.testing.assert_allclose(changed[:3], [0.2, 0, 0.2], atol=1e-6)
    with_bow = _changed(wanted=["detail=bow"]).changed
    np.testing.assert_allclose(with_bow, np.array([0, 0.3, 0.1, 0.2, 0.3, 0.1, 0.3]) / 1.3, atol=1e-6)


def test_what_is_unwanted_goes_to_the_others_of_its_group():
    """Floral's .1 goes to plain; a belt's goes nowhere, because details are no alternatives."""
    np.testing.assert_allclose(_changed(unwanted=["pattern=floral"]).changed, [0, 0.3, 0.1, 0.2, 0, 0, 0.4], atol=1e-6)
    np.testing.assert_allclose(
        _changed(unwanted=["detail=belt"]).changed, np.array([0, 0.3, 0.1, 0, 0, 0.1, 0.3]) / 0.8, atol=1e-6
    )


def test_scores_add_up_looks_likeness_and_the_change():
    """One candidate equal in all else and blue, one equal in all and red, one with nothing in common."""
    query = _changed(wanted=["color=blue"])
    prob = np.array(
        [[0.4, 0, 0, 0.2, 0, 0.1, 0.3], [0, 0.3, 0.1, 0.2, 0, 0.1, 0.3], [0, 1, 0, 0, 0, 0, 0]], dtype=np.float32
    )
    visual = np.array([[0, 1], [1, 0], [0, 1]], dtype=np.float32)
    scores = query.scores(visual, prob)
    same = 1 - LOOKS_WEIGHT
    # Blue is the first's surest attribute and all of its colour: √(1 · 1).
    expected = [same * 1 + CHANGE_WEIGHT, LOOKS_WEIGHT + same * 1, 0]
    np.testing.assert_allclose(scores, np.array(expected) / (1 + CHANGE_WEIGHT), atol=1e-6)


def test_a_value_that_shares_its_group_counts_less():
    """Half blue, half red, with plain as sure: √(.5/1 · .5) of certainty; without a belt: 1 − .5/1."""
    prob = np.array([[0.5, 0.5, 0, 0.5, 0, 0, 1.0]], dtype=np.float32)
    nothing = np.zeros(len(TAXONOMY), dtype=np.float32)
    visual = np.array([[0, 1]], dtype=np.float32)
    blue = _changed(wanted=["color=blue"], prob=nothing.copy()).scores(visual, prob)
    assert blue[0] == pytest.approx(CHANGE_WEIGHT * 0.5 / (1 + CHANGE_WEIGHT), abs=1e-6)
    belt = _changed(unwanted=["detail=belt"], prob=nothing.copy()).scores(visual, prob)
    assert belt[0] == pytest.approx(CHANGE_WEIGHT * 0.5 / (1 + CHANGE_WEIGHT), abs=1e-6)


def test_what_a_feed_says_is_surer_than_the_network():
    """All look half blue and half red, √(.5/1 · .5) = .5 of certainty, which counts where the feed leaves it open.

    With the unwanted belt in the same search the certainty is the mean of two; one belt of .5 is seen on each, and a
    feed that names another detail tells nothing of it.
    """
    said = [["color=blue"], ["color=red"], ["color=blue", "color=red"], ["color=mystic dusk"], ["detail=bow"], []]
    prob = np.tile(np.array([0.5, 0.5, 0, 0.5, 0, 0, 1.0], dtype=np.float32), (len(said), 1))
    visual = np.tile(np.array([0, 1], dtype=np.float32), (len(said), 1))
    nothing = np.zeros(len(TAXONOMY), dtype=np.float32)
    blue = _changed(wanted=["color=blue"], prob=nothing.copy()).scores(visual, prob, said)

    def expected(certain: float) -> np.ndarray:
        # Named beside red it is so sure as its share of the colours seen, .5 of 1.
        return np.array([certain, 0, certain * 0.5, 0.5, 0.5, 0.5]) * CHANGE_WEIGHT / (1 + CHANGE_WEIGHT)

    # Of all that stays, feeds tell one bow of one of six items, 1 of .5 + 1 + 1.
    np.testing.assert_allclose(blue, expected(TOLD_CERTAINTY - TOLD_CANDIDATES_LOSS * 0.4 / 6), atol=1e-6)
    both = _changed(wanted=["color=blue"], unwanted=["detail=belt"], prob=nothing.copy()).scores(visual, prob, said)
    # The belt does not stay: 1 of 1 + 1.
    blue = expected(TOLD_CERTAINTY - TOLD_CANDIDATES_LOSS * 0.5 / 6)
    np.testing.assert_allclose(both, (blue + 0.5 * CHANGE_WEIGHT / (1 + CHANGE_WEIGHT)) / 2, atol=1e-6)


def test_what_feeds_say_of_what_stays_is_compared_in_place_of_what_is_seen():
    """Floral as both feeds say, for which the photos were plain: .3 and 1 of it, beside a belt of .2 and .5.

    The common part is .3 + .2 of 1 + .5. Without the query's feed it is the belt's .2 and the .1 of floral that is seen
    of the query, of 1 + .5 and the .3 of plain; without either, .2 + .3 of .5 + 1 and the .1 of floral.
    """
    prob = np.array([[0.5, 0.5, 0, 0.5, 0, 0, 1.0]], dtype=np.float32)
    visual = np.array([[0, 1]], dtype=np.float32)
    said = [["color=blue", "pattern=floral"]]
    by_both = _changed(wanted=["color=blue"], said=["pattern=floral"]).scores(visual, prob, said)
    by_candidates = _changed(wanted=["color=blue"]).scores(visual, prob, said)
    by_none = _changed(wanted=["color=blue"]).scores(visual, prob)
    same = np.array([0.5 / 1.5, 0.3 / 1.8, 0.5 / 1.6])
    # The feed names floral, 1 of the candidate's 1.5 that stay and .3 of the query's .5.
    alike = TOLD_CERTAINTY - TOLD_CANDIDATES_LOSS * 1 / 1.5
    certain = np.array([alike + TOLD_QUERY_GAIN * 0.3 / 0.5, alike, 0.5])
    expected = ((1 - LOOKS_WEIGHT) * same + CHANGE_WEIGHT * certain) / (1 + CHANGE_WEIGHT)
    np.testing.assert_allclose([*by_both, *by_candidates, *by_none], expected, atol=1e-6)


def test_candidates_are_searched_by_the_change_before_all_else():
    """The wanted value at the largest component; without one, by what stays."""
    query = _changed(wanted=["color=blue"]).for_candidates
    assert query.argmax() == 0
    assert query[0] == PROB.max()
    np.testing.assert_array_equal(_changed(unwanted=["color=red"]).for_candidates, PROB * (np.arange(7) != 1))


def test_changes_are_split_into_what_the_model_sees_and_filters():
    """In the vocabulary's words; what is unwanted filters, too."""
    filters, changes = split_changes(
        SearchFilters(all_of=("size=m",)),
        AttributeChanges(("Colour: scarlet", "brand=Acme"), ("pattern=flowers",)),
        TAXONOMY,
    )
    assert changes == AttributeChanges(("color=red",), ("pattern=floral",))
    assert filters == SearchFilters(all_of=("size=m", "brand=acme"), none_of=("pattern=floral",))
    with pytest.raises(InvalidRequest, match="wanted and unwanted"):
        split_changes(SearchFilters(), AttributeChanges(("color=red",), ("color=scarlet",)), TAXONOMY)
    with pytest.raises(InvalidRequest, match="no attribute"):
        split_changes(SearchFilters(), AttributeChanges(("=",)), TAXONOMY)


def test_words_and_filters_must_both_hold():
    """The narrower bounds; two categories cannot both be meant."""
    words = UnderstoodWords(none_of=("color=red",), category="dresses", min_price=5, max_price=50, currency="EUR")
    filters = SearchFilters(category="Dresses", none_of=("color=blue",), max_price=80)
    assert with_words(filters, words, ["brand=acme"]) == SearchFilters(
        category="Dresses", all_of=("brand=acme",), none_of=("color=blue", "color=red"), min_price=5, max_price=50,
        currency="EUR",
    )  # fmt: skip
    assert with_words(SearchFilters(category="Women > Dresses"), words, []).category == "Women > Dresses"
    with pytest.raises(InvalidRequest, match="one category"):
        with_words(SearchFilters(category="Skirts"), words, [])
