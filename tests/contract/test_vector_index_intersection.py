"""Both engines rank lifted vectors by Manhattan distance exactly as NumPy ranks by histogram intersection.

The tolerance is that of ``tests/unit/test_similarity_laws.py``: (K + 2)·2⁻²⁴·(Σa + S)/2 for float32 sums of K + 1 terms
in whatever order the engine adds them.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from catalog.ports.vector_index import Candidates, CollectionSpec, Distance, FieldType, Point, VectorQuery, VectorSpec
from embeddings.similarity import intersection_from_distance, l2_normalize, lift_gallery, lift_query

NUM_ATTRIBUTES = 24
NUM_POINTS = 12
SPEC = CollectionSpec(
    vectors={
        "prob": VectorSpec(NUM_ATTRIBUTES, Distance.COSINE),
        "hist": VectorSpec(NUM_ATTRIBUTES + 1, Distance.MANHATTAN),
    },
    fields={"merchant": FieldType.TENANT},
)


@st.composite
def query_and_gallery(draw) -> tuple[np.ndarray, np.ndarray, float]:
    """A query, a gallery and a bound: raw, L1- or L2-normalised, sparse, with zero rows."""
    shape = (NUM_POINTS + 1, NUM_ATTRIBUTES)
    values = draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32, allow_subnormal=False)))
    values = values * draw(arrays.arrays(np.bool_, shape[0]))[:, None]
    if draw(st.booleans()):
        values = values * draw(arrays.arrays(np.bool_, shape))
    match draw(st.sampled_from(["raw", "l1", "l2"])):
        case "raw":
            bound = float(NUM_ATTRIBUTES)
        case "l1":
            sums = values.sum(axis=1, keepdims=True, dtype=np.float64)
            values, bound = values / np.where(sums > 0, sums, 1), 1.0
        case _:
            values, bound = l2_normalize(values), NUM_ATTRIBUTES**0.5
    values = values.astype(np.float32)
    return values[0], values[1:], bound


@pytest.fixture
def collection(index, opened) -> str:
    index.create_collection(opened.name, SPEC)
    return opened.name


@settings(
    max_examples=25,
    deadline=None,
    # Every example replaces all of the collection's points, so sharing it between examples carries nothing over.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query_and_gallery())
def test_engines_rank_by_histogram_intersection(index, collection, tables):
    """Native search, re-ranked candidates and both in exact mode give NumPy's order and scores."""
    query, gallery, bound = tables
    lifted = lift_gallery(gallery, bound)
    index.upsert(
        collection, [Point(i, {"prob": gallery[i], "hist": lifted[i]}, {"merchant": "m"}) for i in range(NUM_POINTS)]
    )
    exact = np.minimum(query.astype(np.float64), gallery.astype(np.float64)).sum(axis=1)
    query_sum = float(query.sum(dtype=np.float64))
    tolerance = (NUM_ATTRIBUTES + 2) * 2.0**-24 * (query_sum + bound) / 2
    for candidates in (None, Candidates("prob", query, NUM_POINTS)):
        for exactly in (False, True):
            asked = VectorQuery("hist", lift_query(query), limit=NUM_POINTS, candidates=candidates, exact=exactly)
            hits = index.search(collection, asked)
            assert sorted(hit.id for hit in hits) == list(range(NUM_POINTS))
            scores = intersection_from_distance([hit.score for hit in hits], query_sum, bound)
            np.testing.assert_allclose(scores, exact[[hit.id for hit in hits]], atol=tolerance, rtol=0)
            assert (np.diff(exact[[hit.id for hit in hits]]) <= 2 * tolerance).all()
