"""Rankings of every mode on the real engine, deeper than its beam: one order, and the scores they say."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.ports.vector_index import Point
from catalog.services.galleries.gallery_layout import collection_spec, point_vectors
from catalog.services.queries.search_filter import search_filter
from catalog.services.searching.fused_ranking import PROB_WEIGHT
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranking_modes import ranked_search
from catalog.types import SearchFilters, SearchMode, SearchOptions
from embeddings.similarity import histogram_intersection, l2_normalize
from tests.fakes import ColorModels

NUM_POINTS = 1500
MODEL = ColorModels().describe("colors-1")


@pytest.fixture(scope="module")
def features():
    """Of points and, last, of the query; a fifth of the points are the same as the one before."""
    random = np.random.default_rng(5)
    visual = np.abs(random.normal(size=(NUM_POINTS + 1, MODEL.feature_sizes["pool"])))
    prob = random.random((NUM_POINTS + 1, MODEL.feature_sizes["prob"])) ** 3
    visual[1:-1:5], prob[1:-1:5] = visual[:-1:5], prob[:-1:5]
    return l2_normalize(visual), l2_normalize(prob)


@pytest.fixture(scope="module")
def index(tmp_path_factory, features):
    index = QdrantEdgeIndex(tmp_path_factory.mktemp("ranked") / "vectors")
    index.create_collection("c", collection_spec(MODEL))
    vectors = point_vectors(MODEL, {"pool": features[0][:-1], "prob": features[1][:-1]})
    index.upsert("c", [Point(number, one, {"merchant": "1", "product": number}) for number, one in enumerate(vectors)])
    index.optimize("c")
    yield index
    index.close()


def _search(index, features, **options):
    query = QueryVectors(features[0][-1], features[1][-1])
    return ranked_search(index, "c", MODEL, query, search_filter(1, SearchFilters()), SearchOptions(**options))


@pytest.mark.parametrize("mode", list(SearchMode))
def test_less_is_a_part_of_more_past_the_beam(index, features, mode):
    """The first 10 to 900 points, asked for by themselves, are those of the first 1,400; nothing comes twice."""
    search = _search(index, features, mode=mode, candidates=500)
    whole = [(point.id, point.score) for point in search.first(NUM_POINTS - 100).points]
    assert len({id for id, _ in whole}) == len(whole) >= 500
    for num in (10, 127, 128, 129, 300, 600, 900):
        part = [(point.id, point.score) for point in search.first(num).points][:num]
        assert part == whole[: len(part)]
        assert len(part) == min(num, len(whole))


def test_fused_scores_are_those_of_the_formula(index, features):
    """0.4 · cosine + 0.6 · Σ min(a, b) / Σa of every candidate, within float16 of the looks; all in order."""
    search = _search(index, features, mode=SearchMode.FUSED, candidates=100)
    ranking = search.first(10)
    ids = [point.id for point in ranking.points]
    visual, prob = features
    common = histogram_intersection(prob[-1:], prob[ids])[0] / prob[-1].sum()
    expected = (1 - PROB_WEIGHT) * (visual[ids] @ visual[-1]) + PROB_WEIGHT * common
    np.testing.assert_allclose([point.score for point in ranking.points], expected, atol=2e-3)
    assert (ranking.are_all, ranking.leaves_out) == (True, True)
    # 100 by either, of which some are the same.
    assert 100 <= len(ids) <= 200
    scores = [point.score for point in ranking.points]
    assert scores == sorted(scores, reverse=True)


def test_a_threshold_cuts_fused_rankings(index, features):
    """By the score that is told. How many reach it is known where all were candidates."""
    whole = _search(index, features, mode=SearchMode.FUSED).first(10).points
    cut = _search(index, features, mode=SearchMode.FUSED, score_threshold=whole[20].score).first(10)
    assert [point.id for point in cut.points] == [point.id for point in whole if point.score >= whole[20].score]
    for candidates, leaves_out in ((NUM_POINTS, True), (NUM_POINTS + 1, False)):
        search = _search(index, features, mode=SearchMode.FUSED, candidates=candidates, score_threshold=0.9)
        assert search.first(10).leaves_out == leaves_out


def test_exact_is_native_without_a_walk(index, features):
    """The same scores, of exactly the nearest."""
    exact = _search(index, features, mode=SearchMode.EXACT).first(200)
    common = histogram_intersection(features[1][-1:], features[1][:-1])[0]
    nearest = np.lexsort((np.arange(NUM_POINTS), -common.round(5)))[:200]
    np.testing.assert_allclose([point.score for point in exact.points[:200]], common[nearest], atol=1e-5)
    walked = _search(index, features, mode=SearchMode.NATIVE, exact=True).first(200)
    assert [point.id for point in walked.points] == [point.id for point in exact.points]
