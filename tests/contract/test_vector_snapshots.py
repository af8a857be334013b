"""Every vector engine saves a collection to a file, and takes it back as it was."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex
from catalog.adapters.qdrant.qdrant_server_snapshots import QdrantServerSnapshots
from catalog.errors import DrapeError, GalleryNotFound, IndexUnavailable, InvalidRequest
from catalog.ports.vector_index import VectorIndex, VectorQuery
from catalog.ports.vector_snapshots import VectorSnapshots
from tests.qdrant_double import QdrantDouble

KINDS = ["edge", "server over HTTP"] + (["server"] if os.environ.get("DRAPE_TEST_QDRANT_URL") else [])
VECTORS = ("pool", "prob", "hist")


@dataclass(frozen=True)
class Engine:
    index: VectorIndex
    snapshots: VectorSnapshots
    name: str


@pytest.fixture(params=KINDS)
def engine(request, tmp_path) -> Iterator[Engine]:
    name = f"contract-{uuid.uuid4().hex}"
    if request.param == "edge":
        index = QdrantEdgeIndex(tmp_path / "edge")
        yield Engine(index, index, name)
        index.close()
        return
    with QdrantDouble() as double:
        url, key = double.url, None
        if request.param == "server":
            url, key = os.environ["DRAPE_TEST_QDRANT_URL"], os.environ.get("DRAPE_TEST_QDRANT_API_KEY")
        server, snapshots = QdrantServerIndex.connect(url, key), QdrantServerSnapshots(url, key)
        yield Engine(server, snapshots, name)
        server.drop_collection(name)
        snapshots.close()
        server.close()


def _content(engine: Engine) -> tuple[dict[int, dict], np.ndarray]:
    """Payloads by id, and all vectors side by side, a row for each point."""
    ids = [point.id for point in engine.index.scroll(engine.name, limit=1000)]
    points = engine.index.retrieve(engine.name, ids, VECTORS)
    rows = [np.concatenate([point.vectors[name] for name in VECTORS]) for point in points]
    return {point.id: point.payload for point in points}, np.array(rows)


def _assert_same(found: tuple[dict[int, dict], np.ndarray], expected: tuple[dict[int, dict], np.ndarray]) -> None:
    assert found[0] == expected[0]
    # The double scales them once more, which may change the last bit.
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def _nearest(engine: Engine) -> list[int]:
    query = VectorQuery("prob", np.ones(6, np.float32), limit=10, exact=True)
    return [hit.id for hit in engine.index.search(engine.name, query)]


@pytest.fixture
def filled(engine, spec, make_points) -> Engine:
    engine.index.create_collection(engine.name, spec)
    engine.index.upsert(engine.name, make_points(3, range(1, 41)))
    return engine


@pytest.mark.parametrize("loss", ["changed", "dropped"])
def test_what_was_saved_comes_back_as_it_was(filled, make_points, tmp_path, loss):
    """40 points: 10 are replaced, 10 go and 5 come; or all go. Afterwards there are the 40 that there were."""
    before, nearest = _content(filled), _nearest(filled)
    path = tmp_path / "one.snapshot"
    filled.snapshots.save(filled.name, path)
    _assert_same(_content(filled), before)
    if loss == "changed":
        filled.index.upsert(filled.name, make_points(4, [*range(1, 11), *range(101, 106)]))
        filled.index.delete(filled.name, range(11, 21))
        assert filled.index.count(filled.name) == 35
    else:
        filled.index.drop_collection(filled.name)
    filled.snapshots.restore(filled.name, path)
    _assert_same(_content(filled), before)
    assert _nearest(filled) == nearest
    # It is written to as any other.
    filled.index.upsert(filled.name, make_points(5, [200]))
    assert filled.index.count(filled.name) == 41


def test_what_is_not_there_cannot_be_saved(engine, tmp_path):
    with pytest.raises(GalleryNotFound):
        engine.snapshots.save(engine.name, tmp_path / "one.snapshot")
    assert not (tmp_path / "one.snapshot").exists()


@pytest.mark.parametrize("content", [b"", b"no snapshot", b"\0" * 10_240])
def test_what_is_no_snapshot_replaces_nothing(filled, tmp_path, content):
    before = _content(filled)
    path = tmp_path / "one.snapshot"
    path.write_bytes(content)
    with pytest.raises(DrapeError):
        filled.snapshots.restore(filled.name, path)
    _assert_same(_content(filled), before)


def test_half_a_snapshot_replaces_nothing(filled, tmp_path):
    before = _content(filled)
    path = tmp_path / "one.snapshot"
    filled.snapshots.save(filled.name, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DrapeError):
        filled.snapshots.restore(filled.name, path)
    _assert_same(_content(filled), before)


def test_an_archive_writes_nothing_outside_the_collection(tmp_path):
    index = QdrantEdgeIndex(tmp_path / "edge")
    path = tmp_path / "evil.snapshot"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("../../escaped")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"out"))
    with pytest.raises(InvalidRequest):
        index.restore("one", path)
    assert not (tmp_path / "escaped").exists()
    assert index.list_collections() == []
    index.close()


@pytest.fixture
def double(spec, make_points) -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        index = QdrantServerIndex.connect(double.url)
        index.create_collection("one", spec)
        index.upsert("one", make_points(3, range(1, 11)))
        index.close()
        yield double


def test_no_snapshot_stays_on_the_server(double, tmp_path):
    """Neither where it was fetched nor where that failed."""
    snapshots = QdrantServerSnapshots(double.url)
    snapshots.save("one", tmp_path / "one.snapshot")
    assert double.snapshots == []
    double.fail(drop=True, requests="GET /collections/one/snapshots/")
    with pytest.raises(IndexUnavailable):
        snapshots.save("one", tmp_path / "two.snapshot")
    assert double.snapshots == []
    assert not (tmp_path / "two.snapshot").exists()
    snapshots.close()


def test_a_node_of_a_cluster_is_not_taken_for_the_whole(double, tmp_path):
    double.be_cluster_of(3)
    snapshots = QdrantServerSnapshots(double.url)
    path = tmp_path / "one.snapshot"
    path.write_bytes(b"")
    with pytest.raises(InvalidRequest, match="a cluster of 3 nodes"):
        snapshots.save("one", tmp_path / "two.snapshot")
    with pytest.raises(InvalidRequest, match="a cluster of 3 nodes"):
        snapshots.restore("one", path)
    double.be_cluster_of(1)
    snapshots.save("one", tmp_path / "two.snapshot")
    snapshots.close()


def test_a_server_that_has_no_room_or_is_away_is_told(double, tmp_path):
    snapshots = QdrantServerSnapshots(double.url)
    double.fail(status=500, words="No space left on device", requests="POST /collections/one/snapshots")
    with pytest.raises(IndexUnavailable, match="No space left on device"):
        snapshots.save("one", tmp_path / "one.snapshot")
    snapshots.close()
    away = QdrantServerSnapshots("http://127.0.0.1:9")
    with pytest.raises(IndexUnavailable, match="DRAPE_QDRANT_URL"):
        away.save("one", tmp_path / "one.snapshot")
    away.close()
