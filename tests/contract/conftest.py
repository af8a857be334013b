"""The vector indexes under contract, and a NumPy one that says what they should answer."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex
from catalog.ports.vector_index import (
    CollectionSpec,
    Distance,
    FieldType,
    Filter,
    HasId,
    IsEmpty,
    Match,
    Payload,
    Point,
    Range,
    ScoredPoint,
    StoredPoint,
    VectorIndex,
    VectorQuery,
    VectorSpec,
)
from tests.qdrant_double import QdrantDouble

# The client's local mode says that it ignores what makes a server fast. It is here for its answers, not its speed.
LOCAL_MODE_NOTICES = (
    "ignore:Payload indexes have no effect in the local Qdrant:UserWarning",
    "ignore:Local mode performs exact .brute-force. search:UserWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if "index_kind" in getattr(item, "fixturenames", ()):
            for notice in LOCAL_MODE_NOTICES:
                item.add_marker(pytest.mark.filterwarnings(notice))


class NumpyIndex:
    """What every vector index should answer, straight from the definitions: float64, no index, no engine."""

    def __init__(self) -> None:
        self.specs: dict[str, CollectionSpec] = {}
        self.points: dict[str, dict[int, Point]] = {}

    def create_collection(self, name: str, spec: CollectionSpec) -> None:
        self.specs.setdefault(name, spec)
        self.points.setdefault(name, {})

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        self.points[collection].update({point.id: point for point in points})

    def replace_payloads(self, collection: str, payloads: Mapping[int, Payload]) -> None:
        stored = self.points[collection]
        for point_id, payload in payloads.items():
            if point_id in stored:
                stored[point_id] = Point(point_id, stored[point_id].vectors, payload)

    def delete(self, collection: str, ids: Sequence[int]) -> None:
        for point_id in ids:
            self.points[collection].pop(point_id, None)

    def count(self, collection: str, filter: Filter | None = None) -> int:
        return len(self._matching(collection, filter))

    def facet(self, collection: str, field: str, filter: Filter | None = None, limit: int = 100):
        counts = Counter(value for point in self._matching(collection, filter) for value in set(_values(point, field)))
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def scroll(self, collection, filter=None, limit=1000, after=None) -> list[StoredPoint]:
        matching = [point for point in self._matching(collection, filter) if after is None or point.id > after]
        return [StoredPoint(point.id, point.payload, {}) for point in matching[:limit]]

    def search(self, collection: str, query: VectorQuery) -> list[ScoredPoint]:
        excluded = [query.query, query.candidates.query if query.candidates else None]
        pool = [
            point
            for point in self._matching(collection, query.filter)
            if not any(isinstance(asked, int) and asked == point.id for asked in excluded)
        ]
        if query.candidates is not None:
            first = self._ranked(collection, pool, query.candidates.using, query.candidates.query)
            pool = [point for point, _ in first[: query.candidates.limit]]
        ranked = self._ranked(collection, pool, query.using, query.query)
        if query.score_threshold is not None:
            nearer = (
                (lambda score: score >= query.score_threshold)
                if self._is_cosine(collection, query.using)
                else (lambda score: score <= query.score_threshold)
            )
            ranked = [(point, score) for point, score in ranked if nearer(score)]
        return [
            ScoredPoint(
                point.id,
                score,
                point.payload if query.with_payload else {},
                {name: self._stored(collection, point, name) for name in query.with_vectors},
            )
            for point, score in ranked[query.offset : query.offset + query.limit]
        ]

    def _is_cosine(self, collection: str, name: str) -> bool:
        return self.specs[collection].vectors[name].distance is Distance.COSINE

    def _stored(self, collection: str, point: Point, name: str) -> np.ndarray:
        vector = point.vectors[name].astype(np.float64)
        length = np.linalg.norm(vector)
        return vector / length if self._is_cosine(collection, name) and length > 0 else vector

    def _ranked(self, collection, pool, name, query) -> list[tuple[Point, float]]:
        asked = self.points[collection][query].vectors[name] if isinstance(query, int) else query
        asked = asked.astype(np.float64)
        if self._is_cosine(collection, name):
            asked = asked / (np.linalg.norm(asked) or 1.0)
            scored = [(point, float(self._stored(collection, point, name) @ asked)) for point in pool]
            return sorted(scored, key=lambda pair: (-pair[1], pair[0].id))
        scored = [(point, float(np.abs(self._stored(collection, point, name) - asked).sum())) for point in pool]
        return sorted(scored, key=lambda pair: (pair[1], pair[0].id))

    def _matching(self, collection: str, filter: Filter | None) -> list[Point]:
        points = [point for _, point in sorted(self.points[collection].items())]
        return [point for point in points if filter is None or _passes(point, filter)]


def _passes(point: Point, filter: Filter) -> bool:
    return (
        all(_holds(point, condition) for condition in filter.must)
        and (not filter.should or any(_holds(point, condition) for condition in filter.should))
        and not any(_holds(point, condition) for condition in filter.must_not)
    )


def _holds(point: Point, condition) -> bool:
    match condition:
        case Match(field, values):
            return any(value in values for value in _values(point, field))
        case Range(field, at_least, at_most):
            return any(
                (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
                for value in _values(point, field)
                if not isinstance(value, str)
            )
        case HasId(ids):
            return point.id in ids
        case IsEmpty(field):
            return not _values(point, field)
    raise AssertionError(condition)


def _values(point: Point, field: str) -> list:
    value = point.payload.get(field)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True)
class Opened:
    """An index under test with the means to open it a second time after closing."""

    index: VectorIndex
    reopen: Callable[[], VectorIndex]
    name: str


KINDS = ["edge", "local", "server over HTTP"] + (["server"] if os.environ.get("DRAPE_TEST_QDRANT_URL") else [])


@pytest.fixture(scope="session", params=KINDS)
def index_kind(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def opener(index_kind) -> Iterator[Callable[[Path], Callable[[], VectorIndex]]]:
    """What opens the index of a folder; servers have one for everybody."""
    match index_kind:
        case "edge":
            yield lambda folder: lambda: QdrantEdgeIndex(folder / "edge")
        case "local":
            yield lambda folder: lambda: QdrantServerIndex(QdrantClient(path=str(folder / "local")))
        case "server over HTTP":
            with QdrantDouble() as double:
                yield lambda _: lambda: QdrantServerIndex.connect(double.url)
        case _:
            url, key = os.environ["DRAPE_TEST_QDRANT_URL"], os.environ.get("DRAPE_TEST_QDRANT_API_KEY")
            yield lambda _: lambda: QdrantServerIndex.connect(url, key)


@pytest.fixture
def opened(opener, index_kind, tmp_path) -> Iterator[Opened]:
    """An index with no collection of the fixture's name; whatever the test leaves open is closed."""
    open_index = opener(tmp_path)
    alive: list[VectorIndex] = []

    def reopen() -> VectorIndex:
        alive.append(open_index())
        return alive[-1]

    name = f"contract-{uuid.uuid4().hex}"
    yield Opened(reopen(), reopen, name)
    for index in alive:
        index.close()
    if index_kind == "server":
        last = open_index()
        last.drop_collection(name)
        last.close()


@pytest.fixture
def index(opened) -> VectorIndex:
    return opened.index


@pytest.fixture
def empty(opened, spec) -> str:
    """The name of an empty collection of the usual spec in ``index``."""
    opened.index.create_collection(opened.name, spec)
    return opened.name


@pytest.fixture(scope="session")
def spec() -> CollectionSpec:
    """Every kind of vector and of field: plain, compressed, lifted."""
    return CollectionSpec(
        vectors={
            "pool": VectorSpec(16, Distance.COSINE, quantized=True, half_precision=True),
            "prob": VectorSpec(6, Distance.COSINE),
            "hist": VectorSpec(7, Distance.MANHATTAN),
        },
        fields={
            "merchant": FieldType.TENANT,
            "category": FieldType.KEYWORD,
            "attributes": FieldType.KEYWORD,
            "price": FieldType.FLOAT,
            "revision": FieldType.INTEGER,
        },
    )


def read_only(values) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    vector.setflags(write=False)
    return vector


@pytest.fixture(scope="session")
def make_points() -> Callable[[int, Sequence[int]], list[Point]]:
    """Points with random read-only vectors and payloads in which every field is sometimes missing, null or empty."""

    def make(seed: int, ids: Sequence[int]) -> list[Point]:
        rng = np.random.default_rng(seed)
        colors = ["red", "blue", "green"]
        points = []
        for point_id in ids:
            payload: dict = {"merchant": f"shop-{rng.integers(2)}", "revision": int(rng.integers(5))}
            category = rng.integers(4)
            if category < 3:
                payload["category"] = ["Dress", "Shirt", None][category]
            chosen = [color for color in colors if rng.random() < 0.4]
            if chosen or rng.random() < 0.5:
                payload["attributes"] = [f"color={color}" for color in chosen]
            if rng.random() < 0.8:
                payload["price"] = float(rng.integers(1, 40)) / 2
            vectors = {
                "pool": read_only(rng.normal(size=16)),
                "prob": read_only(rng.random(6)),
                "hist": read_only(rng.random(7)),
            }
            points.append(Point(point_id, vectors, payload))
        return points

    return make


@pytest.fixture(scope="session")
def numpy_index() -> Callable[[str, CollectionSpec], NumpyIndex]:
    def make(name: str, spec: CollectionSpec) -> NumpyIndex:
        reference = NumpyIndex()
        reference.create_collection(name, spec)
        return reference

    return make


@dataclass(frozen=True)
class Filled:
    """A collection with 60 points, in the index under test and in the reference."""

    index: VectorIndex
    reference: NumpyIndex
    name: str
    ids: tuple[int, ...]


@pytest.fixture(scope="module")
def filled(opener, tmp_path_factory, spec, make_points, numpy_index) -> Iterator[Filled]:
    """For tests that only read. Ids have gaps and are not in the order of insertion."""
    index = opener(tmp_path_factory.mktemp("filled"))()
    name = f"contract-{uuid.uuid4().hex}"
    ids = tuple(int(point_id) for point_id in np.random.default_rng(7).permutation(np.arange(3, 183, 3)))
    points = make_points(11, ids)
    reference = numpy_index(name, spec)
    index.create_collection(name, spec)
    for target in (index, reference):
        target.upsert(name, points)
    yield Filled(index, reference, name, tuple(sorted(ids)))
    index.drop_collection(name)
    index.close()


@pytest.fixture(scope="session")
def assert_same_ranking() -> Callable[..., None]:
    """Fails unless two rankings agree in length, scores and order; results of equal score may swap places."""

    def check(found: Sequence[ScoredPoint], expected: Sequence[ScoredPoint], tolerance: float = 2e-6) -> None:
        assert len(found) == len(expected)
        assert len({hit.id for hit in found}) == len(found)
        np.testing.assert_allclose(
            [hit.score for hit in found], [hit.score for hit in expected], atol=tolerance, rtol=tolerance
        )
        scores = {hit.id: hit.score for hit in expected}
        for place, hit in enumerate(found):
            if hit.id != expected[place].id:
                # A tie at the end of the page may bring in a point that the other ranking cut off.
                score = scores.get(hit.id, expected[-1].score)
                assert abs(score - expected[place].score) <= 2 * tolerance * max(1.0, abs(score)), (place, hit)
            else:
                assert dict(hit.payload) == dict(expected[place].payload)

    return check


POOL_TOLERANCE = 2e-3
"""Scores of ``pool`` in the tests come from float16 originals: eleven bits, over 16 components."""


@pytest.fixture(scope="session")
def tolerances() -> Mapping[str, float]:
    return {"pool": POOL_TOLERANCE, "prob": 2e-6, "hist": 2e-6}
