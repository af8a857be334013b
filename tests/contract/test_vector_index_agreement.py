"""The same random life of a collection in every index: their answers agree with each other and with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import QdrantClient

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex
from catalog.ports.vector_index import Candidates, Filter, IsEmpty, Match, Range, VectorQuery

NAME = "agreement"


@pytest.fixture
def indexes(tmp_path, spec, numpy_index):
    """The embedded engine, the client's local mode and the reference, each with the same empty collection."""
    edge = QdrantEdgeIndex(tmp_path / "edge")
    local = QdrantServerIndex(QdrantClient(":memory:"))
    for index in (edge, local):
        index.create_collection(NAME, spec)
    yield edge, local, numpy_index(NAME, spec)
    edge.close()
    local.close()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant:UserWarning")
@pytest.mark.filterwarnings("ignore:Local mode performs exact .brute-force. search:UserWarning")
@pytest.mark.parametrize("seed", [101, 102, 103])
def test_the_same_writes_lead_to_the_same_answers(indexes, make_points, assert_same_ranking, tolerances, seed):
    """After each of many random upserts, deletions, payload changes and optimizations, all answer the same."""
    edge, local, reference = indexes
    rng = np.random.default_rng(seed)
    for step in range(12):
        ids = [int(point_id) for point_id in rng.choice(60, size=rng.integers(1, 25), replace=False)]
        match rng.integers(4):
            case 0 | 1:
                points = make_points(seed * 100 + step, ids)
                for index in indexes:
                    index.upsert(NAME, points)
            case 2:
                for index in indexes:
                    index.delete(NAME, ids[:5])
            case _:
                payloads = {point.id: point.payload for point in make_points(seed * 100 + step, ids)}
                for index in indexes:
                    index.replace_payloads(NAME, payloads)
        if rng.random() < 0.3:
            edge.optimize(NAME)
            local.optimize(NAME)
        asked = [
            Filter(),
            Filter(must=(Match("merchant", (f"shop-{rng.integers(2)}",)), Range("price", float(rng.integers(12))))),
            Filter(should=(Match("category", ("Dress",)), IsEmpty("attributes")), must_not=(Match("revision", (1,)),)),
        ]
        for filter in asked:
            assert edge.count(NAME, filter) == local.count(NAME, filter) == reference.count(NAME, filter)
            assert edge.scroll(NAME, filter) == local.scroll(NAME, filter) == reference.scroll(NAME, filter)
            for field in ("merchant", "category", "attributes"):
                assert (
                    edge.facet(NAME, field, filter)
                    == local.facet(NAME, field, filter)
                    == reference.facet(NAME, field, filter)
                )
            hist, prob = rng.random(7).astype(np.float32), rng.random(6).astype(np.float32)
            for query in (
                VectorQuery("pool", rng.normal(size=16).astype(np.float32), limit=9, filter=filter),
                VectorQuery("hist", hist, limit=9, offset=4, filter=filter),
                VectorQuery("hist", hist, limit=9, filter=filter, candidates=Candidates("prob", prob, 15)),
            ):
                by_edge, by_local = edge.search(NAME, query), local.search(NAME, query)
                assert_same_ranking(by_edge, by_local, tolerances[query.using])
                assert_same_ranking(by_edge, reference.search(NAME, query), tolerances[query.using])
