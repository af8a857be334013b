"""A Qdrant server to test against over real HTTP where there is none: ``qdrant_client``'s local mode behind a port.

It answers the part of Qdrant's REST API that ``catalog.adapters.qdrant`` uses, for any number of client processes at
once, and it can be made to fail: see ``Faults``. In this process: ``QdrantDouble``; as a process of its own, which can
be killed and started again: ``QdrantDoubleProcess``, or by hand

    python -m tests.qdrant_double --port 6333 --folder /tmp/double

What it cannot show of a real server: there is no HNSW graph, no quantization, no float16, no shard and no replica (what
was asked for comes back in the collection's info, and changes nothing); payload indexes are listed but not used, so
filters look at every point; a collection is always green; requests take turns under one lock; an API key is not
looked at. Nothing measured here tells how fast a real server is.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from qdrant_client import QdrantClient, models

REPOSITORY = Path(__file__).resolve().parent.parent

VERSION = "1.16.0"
_RECORD = "double.json"
_WRITES = re.compile(r"PUT .*/points|POST .*/points/(delete|batch)")
_KILLED_AFTER = 10.0


@dataclass(frozen=True)
class Faults:
    """How requests fail, until others are set with ``PUT /faults`` (as JSON); ``{}`` ends all of them.

    Args:
        refuse: Answer 503.
        status: Answer this status, with ``words`` as the server's message.
        drop: Close the connection without doing or answering anything.
        lose_answer: Do what is asked, and then close the connection without an answer.
        acknowledge: Do what is asked, but say of writes only that they were ``acknowledged``.
        delay: Wait so many seconds before anything else.
        times: They end after so many requests.
        seconds: They end after so many seconds.
        requests: A regular expression that is searched for in ``METHOD /path``; other requests are answered as usual.
    """

    refuse: bool = False
    status: int | None = None
    words: str = "Service internal error: told to fail"
    drop: bool = False
    lose_answer: bool = False
    acknowledge: bool = False
    delay: float = 0.0
    times: int | None = None
    seconds: float | None = None
    requests: str = ""


class _Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass
class _Record:
    """What local mode does not keep of a collection: how it was asked for, and its payload indexes."""

    asked: dict[str, Any]
    indexes: dict[str, Any] = field(default_factory=dict)


class _Collections:
    """The collections, in memory or in a folder, and what each request does with them. One request at a time."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        # Requests come in threads of their own, one after the other.
        self._client = QdrantClient(
            ":memory:" if folder is None else None,
            path=None if folder is None else str(folder),
            force_disable_check_same_thread=True,
        )
        self._records: dict[str, _Record] = {}
        self._snapshots: dict[str, bytes] = {}
        self.num_peers = 0
        if folder is not None and (folder / _RECORD).exists():
            kept = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            self._records = {name: _Record(**record) for name, record in kept.items()}

    def close(self) -> None:
        with self._lock:
            self._client.close()

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """The ``result`` of the answer to a request."""
        for wanted_method, pattern, work in _ROUTES:
            found = re.fullmatch(pattern, path)
            if method == wanted_method and found is not None:
                name, *_ = [unquote(part) for part in found.groups()] or [""]
                with self._lock:
                    try:
                        return work(self, name, body)
                    except ValidationError as error:
                        raise _Refusal(400, f"Format error in JSON body: {error.errors(include_url=False)}") from error
                    except ValueError as error:
                        status = 404 if "not found" in str(error).casefold() else 400
                        raise _Refusal(status, f"Wrong input: {error}") from error
        raise _Refusal(404, f"The double does not know {method} {path}")

    def list(self, _: str, __: bytes) -> Any:
        return self._client.get_collections()

    def exists(self, name: str, _: bytes) -> Any:
        return {"exists": self._client.collection_exists(name)}

    def info(self, name: str, _: bytes) -> Any:
        self._require(name)
        info = self._client.get_collection(name)
        asked = models.CreateCollection.model_validate(self._records[name].asked)
        params = models.CollectionParams(
            vectors=asked.vectors,
            shard_number=asked.shard_number or 1,
            replication_factor=asked.replication_factor or 1,
            write_consistency_factor=asked.write_consistency_factor or 1,
            on_disk_payload=True if asked.on_disk_payload is None else asked.on_disk_payload,
        )
        config = info.config.model_copy(update={"params": params, "quantization_config": asked.quantization_config})
        indexes = {
            field_name: {**schema, "points": info.points_count}
            for field_name, schema in self._records[name].indexes.items()
        }
        return {**info.model_dump(exclude_none=True), "config": config, "payload_schema": indexes}

    def create(self, name: str, body: bytes) -> Any:
        asked = models.CreateCollection.model_validate_json(body)
        if self._client.collection_exists(name):
            raise _Refusal(409, f"Wrong input: Collection `{name}` already exists!")
        self._client.create_collection(name, vectors_config=asked.vectors, metadata=asked.metadata)
        self._records[name] = _Record(asked.model_dump(mode="json", exclude_none=True))
        self._keep()
        return True

    def update(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.UpdateCollection.model_validate_json(body)
        if asked.metadata is not None:
            self._client.update_collection(name, metadata=asked.metadata)
            self._records[name].asked["metadata"] = {**self._records[name].asked.get("metadata", {}), **asked.metadata}
            self._keep()
        return True

    def drop(self, name: str, _: bytes) -> Any:
        existed = self._client.collection_exists(name)
        self._client.delete_collection(name)
        self._records.pop(name, None)
        self._keep()
        return existed

    def create_index(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.CreateFieldIndex.model_validate_json(body).model_dump(mode="json", exclude_none=True)
        schema = asked["field_schema"]
        kind = schema if isinstance(schema, str) else schema["type"]
        params = {} if isinstance(schema, str) else {"params": schema}
        self._records[name].indexes[asked["field_name"]] = {"data_type": kind, **params}
        self._keep()
        return _completed()

    def upsert(self, name: str, body: bytes) -> Any:
        self._require(name)
        inserted = _POINT_INSERT_OPERATIONS.validate_json(body)
        points = inserted.points if isinstance(inserted, models.PointsList) else inserted.batch
        return self._client.upsert(name, points)

    def delete(self, name: str, body: bytes) -> Any:
        self._require(name)
        return self._client.delete(name, _POINTS_SELECTOR.validate_json(body))

    def batch(self, name: str, body: bytes) -> Any:
        self._require(name)
        return self._client.batch_update_points(name, models.UpdateOperations.model_validate_json(body).operations)

    def retrieve(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.PointRequest.model_validate_json(body)
        with_payload = True if asked.with_payload is None else asked.with_payload
        return self._client.retrieve(
            name, asked.ids, with_payload=with_payload, with_vectors=asked.with_vector or False
        )

    def count(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.CountRequest.model_validate_json(body)
        return self._client.count(name, count_filter=asked.filter, exact=True)

    def facet(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.FacetRequest.model_validate_json(body)
        return self._client.facet(name, asked.key, facet_filter=asked.filter, limit=asked.limit or 10, exact=True)

    def scroll(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.ScrollRequest.model_validate_json(body)
        points, following = self._client.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=True if asked.with_payload is None else asked.with_payload,
            with_vectors=asked.with_vector or False,
        )
        return {"points": points, "next_page_offset": following}

    def query(self, name: str, body: bytes) -> Any:
        self._require(name)
        asked = models.QueryRequest.model_validate_json(body)
        # Without the search parameters, which local mode has no use for: it compares with every point anyway.
        return self._client.query_points(
            name,
            query=asked.query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            score_threshold=asked.score_threshold,
            limit=asked.limit or 10,
            offset=asked.offset or 0,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )

    def cluster(self, _: str, __: bytes) -> Any:
        peers = {str(node): {"uri": f"http://node-{node}:6335"} for node in range(self.num_peers)}
        return {"status": "enabled", "peers": peers} if peers else {"status": "disabled"}

    def save(self, name: str, _: bytes) -> Any:
        """A snapshot of the double is its points as JSON, with what was asked for when it was made."""
        self._require(name)
        points, following = self._client.scroll(name, limit=1_000_000, with_payload=True, with_vectors=True)
        assert following is None
        content = to_json({"record": dataclasses.asdict(self._records[name]), "points": points})
        snapshot = f"{name}-{len(self._snapshots)}.snapshot"
        self._snapshots[snapshot] = content
        return {"name": snapshot, "size": len(content), "checksum": hashlib.sha256(content).hexdigest()}

    def saved(self, name: str) -> bytes | None:
        with self._lock:
            return self._snapshots.get(name)

    def forget(self, path: str, _: bytes) -> Any:
        return self._snapshots.pop(path.rpartition("/")[2], None) is not None

    def restore(self, name: str, body: bytes) -> Any:
        # The only part of a form.
        (content,) = re.findall(rb"\r\n\r\n(.*)\r\n--", body, re.DOTALL)
        try:
            kept = json.loads(content)
        except ValueError as error:
            raise _Refusal(400, f"Wrong input: the snapshot cannot be read: {error}") from error
        record = _Record(**kept["record"])
        asked = models.CreateCollection.model_validate(record.asked)
        self._client.delete_collection(name)
        self._client.create_collection(name, vectors_config=asked.vectors, metadata=asked.metadata)
        self._records[name] = record
        if kept["points"]:
            self._client.upsert(name, [models.PointStruct(**_without_rest(point)) for point in kept["points"]])
        self._keep()
        return True

    def _require(self, name: str) -> None:
        if not self._client.collection_exists(name):
            raise _Refusal(404, f"Not found: Collection `{name}` doesn't exist!")

    def _keep(self) -> None:
        if self._folder is not None:
            written = {name: dataclasses.asdict(record) for name, record in self._records.items()}
            unfinished = self._folder / f"{_RECORD}.unfinished"
            unfinished.write_text(json.dumps(written), encoding="utf-8")
            unfinished.replace(self._folder / _RECORD)


_POINT_INSERT_OPERATIONS: TypeAdapter[Any] = TypeAdapter(models.PointInsertOperations)
_POINTS_SELECTOR: TypeAdapter[Any] = TypeAdapter(models.PointsSelector)

_COLLECTION = r"/collections/([^/]+)"
_ROUTES: list[tuple[str, str, Callable[[_Collections, str, bytes], Any]]] = [
    ("GET", r"/collections", _Collections.list),
    ("GET", _COLLECTION, _Collections.info),
    ("PUT", _COLLECTION, _Collections.create),
    ("PATCH", _COLLECTION, _Collections.update),
    ("DELETE", _COLLECTION, _Collections.drop),
    ("GET", _COLLECTION + "/exists", _Collections.exists),
    ("PUT", _COLLECTION + "/index", _Collections.create_index),
    ("PUT", _COLLECTION + "/points", _Collections.upsert),
    ("POST", _COLLECTION + "/points", _Collections.retrieve),
    ("POST", _COLLECTION + "/points/delete", _Collections.delete),
    ("POST", _COLLECTION + "/points/batch", _Collections.batch),
    ("POST", _COLLECTION + "/points/count", _Collections.count),
    ("POST", _COLLECTION + "/points/scroll", _Collections.scroll),
    ("POST", _COLLECTION + "/points/query", _Collections.query),
    ("POST", _COLLECTION + "/facet", _Collections.facet),
    ("GET", r"/cluster", _Collections.cluster),
    ("POST", _COLLECTION + "/snapshots", _Collections.save),
    ("DELETE", r"(/collections/[^/]+/snapshots/[^/]+)", _Collections.forget),
    ("POST", _COLLECTION + "/snapshots/upload", _Collections.restore),
]


def _without_rest(point: dict[str, Any]) -> dict[str, Any]:
    return {key: point[key] for key in ("id", "vector", "payload")}


def _completed() -> models.UpdateResult:
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


class _Server(ThreadingHTTPServer):
    """The listening socket, with what all of its requests share."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.collections = _Collections(folder)
        self._faults = Faults()
        self._set_at = time.monotonic()
        self._num_hit = 0
        self._lock = threading.Lock()
        self.seen: list[tuple[str, bytes]] = []

    def set_faults(self, faults: Faults) -> None:
        with self._lock:
            self._faults, self._set_at, self._num_hit = faults, time.monotonic(), 0

    def faults_of(self, request: str) -> Faults:
        """What hits this request; it is counted."""
        with self._lock:
            faults = self._faults
            over = (faults.times is not None and self._num_hit >= faults.times) or (
                faults.seconds is not None and time.monotonic() - self._set_at >= faults.seconds
            )
            if over or not re.search(faults.requests, request):
                return Faults()
            self._num_hit += 1
            return faults


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def work(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {path}"
        if path == "/faults":
            self._set_faults(body)
            return
        self.server.seen.append((request, body))
        faults = self.server.faults_of(request)
        time.sleep(faults.delay)
        if faults.drop:
            self._hang_up()
            return
        download = re.fullmatch(_COLLECTION + r"/snapshots/([^/]+)", path)
        if self.command == "GET" and download is not None and not faults.refuse and faults.status is None:
            self._send_file(self.server.collections.saved(unquote(download[2])))
            return
        status, answer = self._answered(faults, request, path, body)
        if faults.lose_answer:
            self._hang_up()
        else:
            self._send(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = work  # noqa: N815 (the names are http.server's)

    def _answered(self, faults: Faults, request: str, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/":
            return 200, {"title": "qdrant - vector search engine", "version": VERSION}
        try:
            if faults.refuse:
                raise _Refusal(503, "Service unavailable: told to refuse")
            if faults.status is not None:
                raise _Refusal(faults.status, faults.words)
            result = self.server.collections.answer(self.command, path, body)
        except _Refusal as refusal:
            return refusal.status, {"status": {"error": refusal.words}, "time": 0.0}
        except Exception as error:  # noqa: BLE001 (a server answers whatever goes wrong inside it)
            return 500, {"status": {"error": f"Service internal error: {error!r}"}, "time": 0.0}
        if faults.acknowledge and _WRITES.fullmatch(request):
            result = {"operation_id": 0, "status": "acknowledged"}
        return 200, {"result": result, "status": "ok", "time": 0.0}

    def _set_faults(self, body: bytes) -> None:
        try:
            self.server.set_faults(Faults(**json.loads(body)))
        except (TypeError, ValueError) as error:
            self._send(400, {"status": {"error": str(error)}, "time": 0.0})
        else:
            self._send(200, {"result": True, "status": "ok", "time": 0.0})

    def _send(self, status: int, answer: Any) -> None:
        content = to_json(answer, exclude_none=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self, content: bytes | None) -> None:
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class QdrantDouble:
    """The server in this process, from the ``with`` block's beginning to its end.

    Args:
        folder: Where collections are kept; without one they are gone with the server.
        port: 0 takes a free one.
    """

    def __init__(self, folder: Path | None = None, port: int = 0) -> None:
        self._server = _Server(port, folder)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[str]:
        """``METHOD /path`` of every request so far, in order."""
        return [request for request, _ in self._server.seen]

    def bodies(self, request: str) -> list[Any]:
        """What came with the requests in whose ``METHOD /path`` this regular expression is found, in order."""
        return [json.loads(body) for seen, body in self._server.seen if re.search(request, seen)]

    @property
    def snapshots(self) -> list[str]:
        """Names of the snapshots that lie on the server."""
        return sorted(self._server.collections._snapshots)

    def be_cluster_of(self, num_peers: int) -> None:
        """Say that it is one; it changes nothing else."""
        self._server.collections.num_peers = num_peers

    def fail(self, **faults: Any) -> None:
        """Fail from now on as ``Faults`` says; without arguments, work again."""
        self._server.set_faults(Faults(**faults))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.collections.close()


class QdrantDoubleProcess:
    """The server as a process of its own, from the ``with`` block's beginning to its end.

    Args:
        folder: Where collections are kept. What was answered is there after ``kill`` and ``start``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int:
        assert self._process is not None, "the double is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, at the same address every time, and wait until it listens."""
        command = [sys.executable, "-m", "tests.qdrant_double", "--port", str(self._port), "--folder", self._folder]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the double of a Qdrant server did not start")

    def kill(self) -> None:
        """End it without notice, as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_KILLED_AFTER)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def fail(self, **faults: Any) -> None:
        """Fail from now on as ``Faults`` says; without arguments, work again."""
        request = urllib.request.Request(f"{self.url}/faults", json.dumps(faults).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=_KILLED_AFTER):
            pass

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def main() -> None:
    """Serve until killed; one line on standard output says where, once requests are taken."""
    parser = argparse.ArgumentParser(description="A stand-in for a Qdrant server.")
    parser.add_argument("--port", type=int, default=6333)
    parser.add_argument("--folder", type=Path, help="keeps the collections; without one they are gone with the process")
    arguments = parser.parse_args()
    server = _Server(arguments.port, arguments.folder)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
