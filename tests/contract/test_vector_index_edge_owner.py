"""The embedded index has one owner, survives the death of its process at any moment, and serves many threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import IndexBusy, IndexUnavailable
from catalog.ports.vector_index import VectorQuery

WRITER = """
import sys
from pathlib import Path
import numpy as np
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.ports.vector_index import CollectionSpec, Distance, FieldType, Point, VectorSpec

index = QdrantEdgeIndex(Path(sys.argv[1]))
index.create_collection(
    "gallery", CollectionSpec({"pool": VectorSpec(256, Distance.COSINE, True, True)}, {"revision": FieldType.INTEGER})
)
start = index.count("gallery")
print("opened", start, flush=True)
vector = np.random.default_rng(0).normal(size=256).astype(np.float32)
for first in range(start, start + 100_000, 16):
    index.upsert("gallery", [Point(i, {"pool": vector}, {"revision": i}) for i in range(first, first + 16)])
    print("stored", first + 16, flush=True)
"""


@pytest.fixture
def start_writer(tmp_path):
    """Starts a process that opens the index and upserts 16 points at a time, saying how many it has stored."""
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path)],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        )
        assert started[-1].stdout.readline().startswith("opened")
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.stdout.close()
        process.wait()


def test_every_acknowledged_point_outlives_a_killed_process(tmp_path, start_writer):
    """After SIGKILL in the middle of writing, the next owner opens the index and finds all that was acknowledged."""
    for acknowledged_lines in (1, 7, 20):
        process = start_writer()
        for _ in range(acknowledged_lines):
            acknowledged = int(process.stdout.readline().split()[1])
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line.split()[1]) for line in process.stdout if line.endswith("\n"))])
        process.wait()
        index = QdrantEdgeIndex(tmp_path)
        stored = index.scroll("gallery", limit=100_000)
        index.close()
        assert len(stored) >= acknowledged
        # Whole points, in one unbroken run: nothing lost, nothing doubled, no payload without its point.
        assert [(point.id, point.payload["revision"]) for point in stored] == [(i, i) for i in range(len(stored))]


def test_a_second_process_learns_who_owns_the_index(tmp_path, start_writer):
    """IndexBusy names the owner's process id and command; when the owner has died, the index opens."""
    process = start_writer()
    busy = QdrantEdgeIndex(tmp_path)
    with pytest.raises(IndexBusy, match=rf"process {process.pid} \(") as caught:
        busy.count("gallery")
    assert str(tmp_path) in str(caught.value)
    process.kill()
    process.wait()
    assert busy.count("gallery") >= 0
    busy.close()


def test_a_second_index_in_the_same_process_is_refused_until_the_first_is_closed(tmp_path, spec):
    """Ownership is by index, not by process; close hands it on."""
    first, second = QdrantEdgeIndex(tmp_path), QdrantEdgeIndex(tmp_path)
    first.create_collection("gallery", spec)
    with pytest.raises(IndexBusy, match=f"process {os.getpid()} "):
        second.list_collections()
    first.close()
    assert second.list_collections() == ["gallery"]
    second.close()


def test_nothing_is_touched_before_the_first_use(tmp_path):
    """Making the object makes no folder and takes no lock, so that commands which never search do not wait."""
    index = QdrantEdgeIndex(tmp_path / "vectors")
    index.close()
    assert not (tmp_path / "vectors").exists()


def test_a_crash_while_creating_leaves_no_collection(tmp_path, spec, monkeypatch):
    """A collection cut off at any step of its creation is not there, and can be created under the same name."""
    for step in ("catalog.adapters.qdrant.qdrant_edge_index.edge.EdgeShard.create", "pathlib.Path.rename"):
        index = QdrantEdgeIndex(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                index.create_collection("gallery", spec)
        assert index.list_collections() == []
        index.close()
        reopened = QdrantEdgeIndex(tmp_path)
        assert reopened.list_collections() == []
        assert [path.name for path in tmp_path.iterdir()] == ["owner.lock"]
        reopened.create_collection("gallery", spec)
        assert reopened.count("gallery") == 0
        reopened.drop_collection("gallery")
        reopened.close()


def test_a_crash_while_dropping_is_finished_by_the_next_owner(tmp_path, spec, make_points, monkeypatch):
    """Once renamed away the collection is gone; its files are removed when the index is opened again."""
    index = QdrantEdgeIndex(tmp_path)
    index.create_collection("gallery", spec)
    index.upsert("gallery", make_points(1, [1]))
    with monkeypatch.context() as patched:
        patched.setattr("catalog.adapters.qdrant.qdrant_edge_index.shutil.rmtree", lambda *_, **__: None)
        index.drop_collection("gallery")
    assert index.list_collections() == []
    index.close()
    reopened = QdrantEdgeIndex(tmp_path)
    assert reopened.list_collections() == []
    assert [path.name for path in tmp_path.iterdir()] == ["owner.lock"]
    reopened.close()


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"vectors": {"pool": {}}, "fields": {}}'])
def test_a_damaged_spec_says_what_to_do(tmp_path, spec, damage):
    """The error names the folder and the remedy; other collections stay usable."""
    index = QdrantEdgeIndex(tmp_path)
    index.create_collection("gallery", spec)
    index.create_collection("other", spec)
    index.close()
    (tmp_path / "gallery" / "spec.json").write_text(damage)
    index = QdrantEdgeIndex(tmp_path)
    with pytest.raises(IndexUnavailable, match=r"gallery.*spec\.json.*build the gallery again"):
        index.count("gallery")
    assert index.count("other") == 0
    index.close()


def test_a_damaged_shard_is_an_error_of_ours(tmp_path, spec):
    """What the engine says about its own files arrives inside IndexUnavailable."""
    index = QdrantEdgeIndex(tmp_path)
    index.create_collection("gallery", spec)
    index.close()
    for file in (tmp_path / "gallery" / "shard" / "segments").rglob("segment.json"):
        file.write_text("{")
    index = QdrantEdgeIndex(tmp_path)
    with pytest.raises(IndexUnavailable, match="could not open the collection 'gallery'"):
        index.count("gallery")
    index.close()


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path, spec):
    """A file in the way of the folder is named, with what to do."""
    (tmp_path / "vectors").write_text("in the way")
    with pytest.raises(IndexUnavailable, match="vectors"):
        QdrantEdgeIndex(tmp_path / "vectors").create_collection("gallery", spec)


def test_threads_share_one_index(tmp_path, spec, make_points):
    """Searching, writing and optimizing at once lose no point and break no search."""
    index = QdrantEdgeIndex(tmp_path)
    index.create_collection("gallery", spec)
    index.upsert("gallery", make_points(0, range(20)))

    def write(part: int) -> None:
        for step in range(5):
            first = 100 * part + 10 * step
            index.upsert("gallery", make_points(part, range(first, first + 10)))

    def search(seed: int) -> None:
        query = np.random.default_rng(seed).random(7).astype(np.float32)
        for _ in range(20):
            hits = index.search("gallery", VectorQuery("hist", query, limit=10))
            assert len({hit.id for hit in hits}) == 10

    def optimize(_: int) -> None:
        for _ in range(3):
            index.optimize("gallery")

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(task, number) for number in (1, 2, 3) for task in (write, search, optimize)]
        for task in tasks:
            task.result()
    expected = {*range(20), *(100 * part + i for part in (1, 2, 3) for i in range(50))}
    assert {point.id for point in index.scroll("gallery", limit=1000)} == expected
    index.close()


def test_closing_waits_for_searches_that_run(tmp_path, spec, make_points):
    """A search that has begun is answered; one that comes after close is refused with a clear error."""
    index = QdrantEdgeIndex(tmp_path)
    index.create_collection("gallery", spec)
    index.upsert("gallery", make_points(0, range(200)))
    answered, refused = [], []
    begun = threading.Event()

    def search_until_closed() -> None:
        query = VectorQuery("hist", np.ones(7, np.float32), limit=200, with_vectors=("hist", "pool", "prob"))
        try:
            while True:
                answered.append(len(index.search("gallery", query)))
                begun.set()
        except IndexUnavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=search_until_closed) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    index.close()
    for thread in threads:
        thread.join(10)
    assert set(answered) == {200}
    assert ["closed" in error.message for error in refused] == [True] * 3
