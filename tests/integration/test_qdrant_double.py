"""The double of a Qdrant server answers several clients, keeps what it answered, and fails only as it is told to."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from qdrant_client import QdrantClient

from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex, ServerLayout
from catalog.errors import IndexUnavailable, InvalidRequest
from catalog.ports.vector_index import (
    CollectionSpec,
    Distance,
    FieldType,
    Filter,
    Match,
    Point,
    VectorQuery,
    VectorSpec,
)
from tests.qdrant_double import QdrantDouble, QdrantDoubleProcess

SPEC = CollectionSpec(
    vectors={"pool": VectorSpec(2, Distance.COSINE, quantized=True, half_precision=True)},
    fields={"merchant": FieldType.TENANT, "price": FieldType.FLOAT},
)
NAME = "gallery"


def points(*ids: int) -> list[Point]:
    return [Point(point_id, {"pool": np.array([3, 4], np.float32)}, {"merchant": "7"}) for point_id in ids]


@pytest.fixture
def double():
    with QdrantDouble() as server:
        yield server


@pytest.fixture
def index(double):
    connected = QdrantServerIndex.connect(double.url, timeout=5)
    connected.create_collection(NAME, SPEC)
    yield connected
    connected.close()


def test_a_collection_comes_back_as_it_was_asked_for(double, index):
    """What local mode has no use for stands in the collection's info all the same: datatype, quantization, indexes."""
    client = QdrantClient(url=double.url, check_compatibility=False)
    info = client.get_collection(NAME)
    client.close()
    vector = info.config.params.vectors["pool"]
    assert (vector.size, vector.distance, vector.datatype) == (2, "Cosine", "float16")
    assert vector.quantization_config.scalar.type == "int8"
    assert info.payload_schema["merchant"].params.is_tenant is True
    assert info.payload_schema["price"].data_type == "float"


def test_clients_write_beside_each_other(double, index):
    """Four clients with ten requests each: forty different points, none lost."""

    def write(first: int) -> None:
        client = QdrantServerIndex.connect(double.url)
        for step in range(10):
            client.upsert(NAME, points(first + step))
        client.close()

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count(NAME, Filter(must=(Match("merchant", ("7",)),))) == 40


def test_a_killed_process_has_what_it_answered(tmp_path):
    """Collections, specs and points are there when it is started again, at the same address."""
    with QdrantDoubleProcess(tmp_path) as double:
        index = QdrantServerIndex.connect(double.url, timeout=5)
        index.create_collection(NAME, SPEC)
        index.upsert(NAME, points(5, 9))
        first = double.process_id
        double.kill()
        with pytest.raises(IndexUnavailable, match="refused"):
            index.count(NAME)
        double.start()
        assert double.process_id != first
        index.create_collection(NAME, SPEC)
        assert [point.id for point in index.scroll(NAME)] == [5, 9]
        double.fail(refuse=True)
        with pytest.raises(IndexUnavailable, match="503"):
            index.count(NAME)
        index.close()


def test_it_refuses_until_it_is_told_otherwise(double, index):
    """Refused requests do nothing."""
    double.fail(refuse=True)
    with pytest.raises(IndexUnavailable, match="503"):
        index.upsert(NAME, points(1))
    double.fail()
    assert index.count(NAME) == 0


def test_it_fails_with_the_status_and_words_that_it_is_told(double, index):
    """As often as it was told, and only requests that were meant."""
    double.fail(status=500, words="2 of 3 replicas failed", times=1, requests="PUT .*/points")
    assert index.count(NAME) == 0
    with pytest.raises(IndexUnavailable, match=r"(?s)500.*2 of 3 replicas failed"):
        index.upsert(NAME, points(1))
    index.upsert(NAME, points(2))
    assert [point.id for point in index.scroll(NAME)] == [2]


@pytest.mark.parametrize(("fault", "stored"), [({"drop": True}, 0), ({"lose_answer": True}, 1)])
def test_connections_break_before_or_after_the_work(double, index, fault, stored):
    """The client sees the same; the collection tells the difference."""
    double.fail(**fault, requests="PUT .*/points")
    with pytest.raises(IndexUnavailable, match="disconnected"):
        index.upsert(NAME, points(1))
    double.fail()
    assert index.count(NAME) == stored


def test_faults_end_by_themselves(double, index):
    """After the seconds that were said."""
    double.fail(refuse=True, seconds=0.3)
    with pytest.raises(IndexUnavailable):
        index.count(NAME)
    time.sleep(0.3)
    assert index.count(NAME) == 0


def test_requests_wait_beside_each_other(double, index):
    """A delay holds up nobody else: two requests of 0.7 s take less than 1.4 s together."""
    index.count(NAME)
    double.fail(delay=0.7)
    other = threading.Thread(target=lambda: index.count(NAME))
    begun = time.monotonic()
    other.start()
    index.count(NAME)
    other.join()
    assert 0.7 <= time.monotonic() - begun < 1.4


def test_writes_may_be_acknowledged_only(double):
    """What was done is said to be acknowledged; reading is as usual."""
    client = QdrantClient(url=double.url, check_compatibility=False)
    client.create_collection(NAME, {})
    double.fail(acknowledge=True)
    assert client.delete(NAME, [1]).status == "acknowledged"
    assert client.count(NAME).count == 0
    client.close()


@pytest.mark.parametrize("body", [b"refuse", b"[]", json.dumps({"refuze": True}).encode()])
def test_faults_that_it_does_not_know_are_refused(double, body):
    """A mistyped fault would make a test pass for no reason."""
    request = urllib.request.Request(f"{double.url}/faults", body, method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=5)


def test_it_tells_what_it_was_asked(double, index):
    """Requests in order, and their bodies."""
    index.upsert(NAME, points(3))
    assert double.requests[-1] == f"PUT /collections/{NAME}/points"
    (sent,) = double.bodies("PUT .*/points")
    assert [point["id"] for point in sent["points"]] == [3]


def test_new_collections_lie_as_the_settings_say(double):
    """Shards, replicas and write consistency of the collection; originals on disk where an int8 copy is searched."""
    layout = ServerLayout(shards=6, replicas=2, write_consistency=2, on_disk=True)
    connected = QdrantServerIndex.connect(double.url, layout=layout, timeout=5)
    plain = VectorSpec(2, Distance.MANHATTAN)
    connected.create_collection(NAME, CollectionSpec({**SPEC.vectors, "hist": plain}, SPEC.fields))
    connected.close()
    client = QdrantClient(url=double.url, check_compatibility=False)
    params = client.get_collection(NAME).config.params
    client.close()
    assert (params.shard_number, params.replication_factor, params.write_consistency_factor) == (6, 2, 2)
    assert (params.vectors["pool"].on_disk, params.vectors["hist"].on_disk) == (True, None)


@pytest.mark.parametrize("int8", [True, False])
def test_a_collection_without_int8_copies_keeps_what_is_searched_in_memory(double, int8):
    connected = QdrantServerIndex.connect(double.url, layout=ServerLayout(int8=int8, on_disk=not int8), timeout=5)
    connected.create_collection(NAME, SPEC)
    connected.upsert(NAME, points(1, 2, 3))
    assert len(connected.search(NAME, VectorQuery("pool", np.ones(2, np.float32), limit=2))) == 2
    connected.close()
    (sent,) = double.bodies(f"PUT /collections/{NAME}$")
    assert ("quantization_config" in sent["vectors"]["pool"]) == int8
    assert sent["vectors"]["pool"].get("on_disk") is None


def test_a_write_that_no_cluster_could_do_is_refused():
    with pytest.raises(InvalidRequest, match="WRITE_CONSISTENCY=3 of 2 replicas"):
        ServerLayout(replicas=2, write_consistency=3)
