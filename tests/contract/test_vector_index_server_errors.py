"""What a Qdrant server says when it does not answer, refuses or is busy becomes one of our errors."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex
from catalog.errors import GalleryNotFound, IndexUnavailable
from catalog.ports.vector_index import VectorQuery


@pytest.fixture
def answering():
    """Starts a server that answers every request with one status and body, and gives an index connected to it."""
    servers: list[ThreadingHTTPServer] = []
    indexes: list[QdrantServerIndex] = []

    def start(status: int, body: dict) -> QdrantServerIndex:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (the names are http.server's)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        indexes.append(QdrantServerIndex.connect(f"http://127.0.0.1:{servers[-1].server_port}", timeout=5))
        return indexes[-1]

    yield start
    for index in indexes:
        index.close()
    for server in servers:
        server.shutdown()
        server.server_close()


QUERY = VectorQuery("hist", np.ones(7, np.float32), limit=1)


def test_nobody_answers(spec):
    """A server that is not there shows at the first use, as IndexUnavailable with what to look at."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    index = QdrantServerIndex.connect(f"http://127.0.0.1:{port}", timeout=2)
    for use in (
        lambda: index.create_collection("gallery", spec),
        lambda: index.drop_collection("gallery"),
        lambda: index.list_collections(),
        lambda: index.search("gallery", QUERY),
        lambda: index.upsert("gallery", []),
    ):
        with pytest.raises(IndexUnavailable, match="DRAPE_QDRANT_URL"):
            use()
    index.close()


def test_an_unknown_collection_is_named(answering):
    """The server's 404 is a gallery that is not there."""
    index = answering(404, {"status": {"error": "Not found: Collection `gallery` doesn't exist!"}, "time": 0})
    for use in (lambda: index.search("gallery", QUERY), lambda: index.count("gallery")):
        with pytest.raises(GalleryNotFound, match="gallery"):
            use()


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_a_refusal_carries_the_servers_words(answering, status):
    """Whatever else the server answers arrives with its status and its message."""
    index = answering(status, {"status": {"error": "the disk is full"}, "time": 0})
    with pytest.raises(IndexUnavailable, match=rf"(?s){status}.*the disk is full"):
        index.count("gallery")


def test_a_collection_of_somebody_else_is_left_alone(answering):
    """A collection without our metadata is not searched or written; the error says what to do."""
    info = {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "config": {
            "params": {"vectors": {"size": 3, "distance": "Cosine"}},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
        },
        "payload_schema": {},
    }
    index = answering(200, {"result": info, "status": "ok", "time": 0})
    with pytest.raises(IndexUnavailable, match="not made by Drape"):
        index.search("gallery", QUERY)
