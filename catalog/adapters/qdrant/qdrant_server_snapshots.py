"""Snapshots of a Qdrant server, streamed over its REST API: made on the server, fetched, and deleted there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from catalog.adapters.qdrant.vector_index_checks import check_collection_name
from catalog.errors import GalleryNotFound, IndexUnavailable, InvalidRequest
from embeddings.whole_file import written_whole

_CHUNK: Final = 2**20
_SECONDS: Final = 30.0
_PATIENCE: Final = 3600.0
"""The server answers when a snapshot is made or taken, which takes as long as its disk does."""


class QdrantServerSnapshots:
    """The snapshots of one node, which must be the only one.

    Args:
        url: ``http(s)://host:port``.
        api_key: Of the server, if it has one.
    """

    format = "qdrant"

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {} if api_key is None else {"api-key": api_key}
        timeout = httpx.Timeout(_PATIENCE, connect=_SECONDS)
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def save(self, collection: str, path: Path) -> None:
        """Have the server make a snapshot and fetch it; see ``catalog.ports.vector_snapshots``."""
        check_collection_name(collection)
        self._require_one_node()
        place = f"/collections/{quote(collection)}/snapshots"
        with _server(f"save the collection {collection!r}", collection):
            name = _result(self._client.post(place, params={"wait": "true"}))["name"]
            try:
                with written_whole(path) as file, self._client.stream("GET", f"{place}/{quote(name)}") as answer:
                    if answer.is_error:
                        answer.read()
                    answer.raise_for_status()
                    for chunk in answer.iter_bytes(_CHUNK):
                        file.write(chunk)
            finally:
                self._client.delete(f"{place}/{quote(name)}", params={"wait": "true"})

    def restore(self, collection: str, path: Path) -> None:
        """Send a snapshot that replaces the collection; see ``catalog.ports.vector_snapshots``."""
        check_collection_name(collection)
        self._require_one_node()
        with _server(f"restore the collection {collection!r}", collection), path.open("rb") as file:
            _result(
                self._client.post(
                    f"/collections/{quote(collection)}/snapshots/upload",
                    # The snapshot's points count, not those that the server has.
                    params={"wait": "true", "priority": "snapshot"},
                    files={"snapshot": (path.name, file)},
                )
            )

    def _require_one_node(self) -> None:
        with _server("tell whether it is a cluster", ""):
            status = _result(self._client.get("/cluster"))
        peers = status.get("peers") or {}
        if status.get("status") == "enabled" and len(peers) > 1:
            raise InvalidRequest(
                "A cluster's node has only a part of each collection",
                received=f"a cluster of {len(peers)} nodes",
                expected="a Qdrant server of one node",
                remedy="save every node with Qdrant's own snapshots; or save nothing: after a loss, "
                "`drape reconcile --repair` embeds what is missing",
            )


def _result(answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON.
    answer.raise_for_status()
    return answer.json()["result"]


@contextmanager
def _server(attempt: str, collection: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND and collection:
            raise GalleryNotFound(f"There is no collection {collection!r}.") from error
        raise IndexUnavailable(
            f"The Qdrant server could not {attempt}",
            received=f"{error.response.status_code} {_words(error.response)}",
            remedy="see the server's log; it needs as much free disk as the collection takes",
        ) from error
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise IndexUnavailable(
            f"The Qdrant server could not {attempt}",
            received=str(error) or type(error).__name__,
            remedy="start it, or correct DRAPE_QDRANT_URL",
        ) from error


def _words(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
