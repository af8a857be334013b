"""What words ask for, told by feeds first and by the network then."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.services.queries.attribute_queries import TOLD_CERTAINTY
from catalog.services.queries.words_query import SEEN_WEIGHT, WordsQuery
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy

TAXONOMY = Taxonomy(("color=orange", "color=red", "fabric=lace"))
RED = [0.0, 1.0, 0.0]
ORANGE = [1.0, 0.0, 0.0]
HALF_RED = [0.5, 0.5, 0.0]


def _scores(names: list[str], prob: list[list[float]], said: list[list[str]]) -> list[float]:
    query = WordsQuery(names, TAXONOMY, fashion_vocabulary(), Normalization.L1)
    return query.scores(np.zeros((len(prob), 0), np.float32), np.array(prob, np.float32), said).tolist()


def test_a_feed_is_believed_before_the_network():
    """Red by its feed and orange to the network, the other way round, and red to the network with nothing said."""
    told, denied, seen = _scores(["color=red"], [ORANGE, RED, RED], [["color=red"], ["color=orange"], []])
    assert told == pytest.approx(TOLD_CERTAINTY / (1 + SEEN_WEIGHT))
    assert denied == pytest.approx(SEEN_WEIGHT / (1 + SEEN_WEIGHT))
    assert seen == pytest.approx(1)
    assert seen > told > denied


def test_the_network_orders_what_feeds_say_alike():
    surer, less_sure = _scores(["color=red"], [RED, HALF_RED], [["color=red"], ["color=red"]])
    # Half of the group and as sure as the surest: √(1 · ½) = .707 of what the other is seen with.
    assert surer - less_sure == pytest.approx((1 - 0.5**0.5) * SEEN_WEIGHT / (1 + SEEN_WEIGHT))


def test_each_group_counts_the_same():
    """Red by its feed and no lace to be seen: half of what is asked for."""
    (score,) = _scores(["color=red", "fabric=lace"], [RED], [["color=red"]])
    assert score == pytest.approx((TOLD_CERTAINTY / 2 + SEEN_WEIGHT / 2) / (1 + SEEN_WEIGHT))


def test_nothing_else_is_asked_for():
    query = WordsQuery(["color=red"], TAXONOMY, fashion_vocabulary(), Normalization.L1)
    assert query.changed.tolist() == query.for_candidates.tolist() == [0, 1, 0]
    assert query.rest.tolist() == [0, 0, 0]
    assert query.each_wanted == [("color=red",)]
