"""How fast and how faithful searches in the embedded engine are, at 10,000 points of 2,048 and 111 components.

The vectors imitate a network's: a few hundred clusters in 48 dimensions, seen through random non-negative features with
noise. Uniformly random vectors would have no neighbours worth finding and understate recall.

Times are the best of three rounds, so that other work on the machine does not decide; compared variants take turns.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.ports.vector_index import (
    Candidates,
    CollectionSpec,
    Distance,
    FieldType,
    Filter,
    Match,
    Point,
    ScoredPoint,
    VectorQuery,
    VectorSpec,
)
from embeddings.similarity import cosine_similarity, histogram_intersection, l2_normalize, lift_gallery, lift_query

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

NUM_POINTS, NUM_QUERIES, POOL_SIZE, NUM_ATTRIBUTES = 10_000, 200, 2048, 110
BOUND = NUM_ATTRIBUTES**0.5
ROUNDS = 3


@dataclass(frozen=True)
class Gallery:
    """Points first, queries last, and the collections they are stored in: ``compressed`` and ``plain``."""

    index: QdrantEdgeIndex
    pool: np.ndarray
    prob: np.ndarray
    has_attribute: np.ndarray

    @property
    def queries(self) -> range:
        return range(NUM_POINTS, NUM_POINTS + NUM_QUERIES)


def clustered(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit ``pool`` and ``prob``, and which attributes each point has (about 15 of 110)."""
    rng = np.random.default_rng(seed)
    count = NUM_POINTS + NUM_QUERIES
    centers = rng.normal(size=(200, 48))
    hidden = centers[rng.integers(200, size=count)] + 0.5 * rng.normal(size=(count, 48))
    pool = np.maximum(hidden @ rng.normal(size=(48, POOL_SIZE)) + 1.5 * rng.normal(size=(count, POOL_SIZE)), 0)
    prob = 1 / (1 + np.exp(4 - 0.5 * hidden @ rng.normal(size=(48, NUM_ATTRIBUTES))))
    return l2_normalize(pool), l2_normalize(prob), prob > 0.5


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Iterator[Gallery]:
    pool, prob, has_attribute = clustered(0)
    index = QdrantEdgeIndex(tmp_path_factory.mktemp("vectors"))
    lifted = lift_gallery(prob[:NUM_POINTS], BOUND)
    for name, compressed in (("compressed", True), ("plain", False)):
        index.create_collection(
            name,
            CollectionSpec(
                {
                    "pool": VectorSpec(POOL_SIZE, Distance.COSINE, quantized=compressed, half_precision=compressed),
                    "hist": VectorSpec(NUM_ATTRIBUTES + 1, Distance.MANHATTAN),
                },
                {"merchant": FieldType.TENANT, "attributes": FieldType.KEYWORD},
            ),
        )
        began = time.perf_counter()
        for first in range(0, NUM_POINTS, 500):
            index.upsert(
                name,
                [
                    Point(
                        i,
                        {"pool": pool[i], "hist": lifted[i]},
                        {"merchant": "m", "attributes": [f"a{k}" for k in np.flatnonzero(has_attribute[i])]},
                    )
                    for i in range(first, first + 500)
                ],
            )
        stored = time.perf_counter()
        index.optimize(name)
        print(f"\n{name}: upsert {stored - began:.1f} s, optimize {time.perf_counter() - stored:.1f} s", end="")
    print()
    yield Gallery(index, pool, prob, has_attribute)
    index.close()


def milliseconds(searches: dict[str, Callable[[int], object]], queries: range) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile of each search over the queries, best of the rounds, the searches taking turns."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        taken: dict[str, list[float]] = {name: [] for name in searches}
        for query in queries:
            for name, search in searches.items():
                began = time.perf_counter()
                search(query)
                taken[name].append(1000 * (time.perf_counter() - began))
        for name, times in taken.items():
            figures = statistics.median(times), float(np.percentile(times, 95))
            best[name] = min(best.get(name, figures), figures, key=lambda pair: pair[1])
    print(f"\n  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", end="")
    for name, (median, p95) in best.items():
        print(f"\n  {name:<34} median {median:6.2f} ms   p95 {p95:6.2f} ms", end="")
    print()
    return best


def recall(found: list[list[ScoredPoint]], scores: np.ndarray, k: int = 10) -> float:
    """Share of the k best by exact score that were found; points excluded by a filter have score −1."""
    shares = []
    for hits, row in zip(found, scores, strict=True):
        best = [int(i) for i in np.argsort(-row, kind="stable")[:k] if row[i] >= 0]
        if best:
            shares.append(len({hit.id for hit in hits[:k]} & set(best)) / len(best))
    return float(np.mean(shares))


def visual(gallery: Gallery, query: int, limit: int = 10, **options) -> VectorQuery:
    return VectorQuery("pool", gallery.pool[query], limit, **options)


def native(gallery: Gallery, query: int, **options) -> VectorQuery:
    return VectorQuery("hist", lift_query(gallery.prob[query]), 10, **options)


def reranked(gallery: Gallery, query: int) -> VectorQuery:
    return native(gallery, query, candidates=Candidates("pool", gallery.pool[query], 200))


def two_attributes(gallery: Gallery, query: int) -> Filter:
    """Two attributes that have nothing to do with the query: the hard case for a graph."""
    pair = np.random.default_rng(query).choice(NUM_ATTRIBUTES, 2, replace=False)
    return Filter(must=tuple(Match("attributes", (f"a{k}",)) for k in pair))


def test_searches_answer_within_ten_milliseconds(gallery):
    """p95 of every way to search is under 10 ms."""
    index = gallery.index
    figures = milliseconds(
        {
            "visual": lambda q: index.search("compressed", visual(gallery, q)),
            "visual, two attributes": lambda q: index.search(
                "compressed", visual(gallery, q, filter=two_attributes(gallery, q))
            ),
            "reranked, 200 candidates": lambda q: index.search("compressed", reranked(gallery, q)),
            "native": lambda q: index.search("compressed", native(gallery, q)),
        },
        gallery.queries,
    )
    assert all(p95 < 10 for _, p95 in figures.values())


def test_reranking_in_the_engine_beats_fetching_and_reranking(gallery):
    """Ranking 200 candidates inside the engine is at least 3 times faster than fetching their vectors and using NumPy.

    Measured against both ways to fetch: with the candidates, in one round trip, and by their ids, in a second one. All
    give the same ten hits.
    """
    index = gallery.index

    def rerank(query: int, ids: list[int], vectors: list[np.ndarray]) -> set[int]:
        scores = histogram_intersection(gallery.prob[query][None], np.stack(vectors)[:, :-1])[0]
        return {ids[place] for place in np.argsort(-scores, kind="stable")[:10]}

    def fetch_with_candidates(query: int) -> set[int]:
        hits = index.search("compressed", visual(gallery, query, limit=200, with_vectors=("hist",)))
        return rerank(query, [hit.id for hit in hits], [hit.vectors["hist"] for hit in hits])

    def fetch_by_id(query: int) -> set[int]:
        ids = [hit.id for hit in index.search("compressed", visual(gallery, query, limit=200))]
        points = index.retrieve("compressed", ids, with_vectors=("hist",))
        return rerank(query, ids, [point.vectors["hist"] for point in points])

    def in_the_engine(query: int) -> set[int]:
        return {hit.id for hit in index.search("compressed", reranked(gallery, query))}

    agreement = np.mean([in_the_engine(q) == fetch_with_candidates(q) == fetch_by_id(q) for q in gallery.queries])
    figures = milliseconds(
        {"engine": in_the_engine, "fetch with candidates": fetch_with_candidates, "fetch by id": fetch_by_id},
        gallery.queries,
    )
    ratios = {name: figures[name][0] / figures["engine"][0] for name in ("fetch with candidates", "fetch by id")}
    print("  engine faster by", ", ".join(f"{ratio:.1f} ({name})" for name, ratio in ratios.items()), end="")
    print(f"; same ten hits for {agreement:.3f} of the queries")
    assert agreement >= 0.99
    assert ratios["fetch by id"] >= 3
    # One round trip is the best that can be done without the engine's re-ranking; it must stay well behind.
    assert ratios["fetch with candidates"] >= 2


def test_compressed_vectors_keep_their_neighbours_and_are_faster(gallery):
    """int8 with float16 originals finds at least 0.99 of the exact ten nearest, no slower than plain float32."""
    exact = cosine_similarity(gallery.pool[NUM_POINTS:], gallery.pool[:NUM_POINTS])
    recalls = {
        name: recall([gallery.index.search(name, visual(gallery, q)) for q in gallery.queries], exact)
        for name in ("compressed", "plain")
    }
    figures = milliseconds(
        {
            f"{name}{', exact' if exactly else ''}": lambda q, name=name, exactly=exactly: gallery.index.search(
                name, visual(gallery, q, exact=exactly)
            )
            for name in ("compressed", "plain")
            for exactly in (False, True)
        },
        gallery.queries,
    )
    ratio = figures["plain"][0] / figures["compressed"][0]
    print(
        f"  compressed {ratio:.2f} times faster, recall@10 {recalls['compressed']:.4f} (plain {recalls['plain']:.4f})"
    )
    assert recalls["compressed"] >= 0.99
    # A component takes 3 bytes instead of 4, of which the search walks 1; speed must at least not be lost.
    assert ratio >= 0.9


def test_native_search_and_filters_keep_their_neighbours(gallery):
    """Recall@10 is at least 0.99 for native search, and under two attributes for native and visual search."""
    queries = gallery.queries
    by_prob = histogram_intersection(gallery.prob[NUM_POINTS:], gallery.prob[:NUM_POINTS])
    by_pool = cosine_similarity(gallery.pool[NUM_POINTS:], gallery.pool[:NUM_POINTS])
    passes = np.stack(
        [
            np.all(
                [gallery.has_attribute[:NUM_POINTS, int(c.values[0][1:])] for c in two_attributes(gallery, q).must], 0
            )
            for q in queries
        ]
    )
    index = gallery.index
    recalls = {
        "native": recall([index.search("compressed", native(gallery, q)) for q in queries], by_prob),
        "native, two attributes": recall(
            [index.search("compressed", native(gallery, q, filter=two_attributes(gallery, q))) for q in queries],
            np.where(passes, by_prob, -1),
        ),
        "visual, two attributes": recall(
            [index.search("compressed", visual(gallery, q, filter=two_attributes(gallery, q))) for q in queries],
            np.where(passes, by_pool, -1),
        ),
    }
    print(f"\n  two attributes leave {passes.sum(1).mean():.0f} of {NUM_POINTS} points", end="")
    for name, value in recalls.items():
        print(f"\n  {name:<34} recall@10 {value:.4f}", end="")
    print()
    assert all(value >= 0.99 for value in recalls.values())


def test_pages_of_an_indexed_gallery_are_parts_of_one_ranking(gallery):
    """Twelve pages of ten, walked through the graph and rescored, are the first 120 results: none twice, none lost."""
    index = gallery.index
    for query in gallery.queries[:50]:
        for make in (visual, native, reranked):
            asked = make(gallery, query)
            whole = index.search("compressed", replace(asked, limit=120))
            pages = [index.search("compressed", replace(asked, offset=first)) for first in range(0, 120, 10)]
            assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]
