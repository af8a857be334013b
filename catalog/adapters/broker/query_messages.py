"""Query photos and their features as Redis carries them: a line of JSON, then plain numbers. Never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.adapters.broker.celery_broker import KEY_PREFIX
from catalog.errors import QueryNetworkBusy
from catalog.ports.query_requests import QueryRequest
from embeddings.errors import OutOfMemory, UnusableModel

WAITING_KEY: Final = f"{KEY_PREFIX}photos"
"""A list of the ids that nobody has taken yet."""

_ERRORS: Final[Mapping[str, type[UnusableModel | OutOfMemory]]] = {
    error.__name__: error for error in (UnusableModel, OutOfMemory)
}


def photo_key(request_id: str) -> str:
    """Where a photo is kept until it is taken or given up."""
    return f"{KEY_PREFIX}photo:{request_id}"


def answer_key(request_id: str) -> str:
    """Where its answer is put: a list of one."""
    return f"{KEY_PREFIX}features:{request_id}"


def encode_photo(version: str, prepared: NDArray[np.uint8], deadline: float) -> bytes:
    """A photo's message.

    Args:
        prepared: (size, size, 3) uint8.
        deadline: Seconds that it has in all.
    """
    head = {"version": version, "size": len(prepared), "deadline": deadline}
    return json.dumps(head).encode() + b"\n" + prepared.tobytes()


def decode_photo(request_id: str, message: bytes) -> QueryRequest:
    """The request that a message holds.

    Raises:
        ValueError: it is no such message.
    """
    line, _, numbers = message.partition(b"\n")
    head = json.loads(line)
    size = int(head["size"])
    prepared = np.frombuffer(numbers, dtype=np.uint8).reshape(size, size, 3)
    return QueryRequest(request_id, str(head["version"]), prepared, float(head["deadline"]))


def encode_features(features: Mapping[str, NDArray[np.float32]]) -> bytes:
    """An answer's message."""
    head = {"sizes": {name: len(values) for name, values in features.items()}}
    return json.dumps(head).encode() + b"\n" + b"".join(values.astype("<f4").tobytes() for values in features.values())


def encode_error(error: Exception) -> bytes:
    """The message of an answer that has none. Of an error that nobody foresaw, nothing is told."""
    kind = next((name for name, one in _ERRORS.items() if isinstance(error, one)), None)
    told = {"kind": kind, "message": str(error)} if kind is not None else {"kind": None, "message": ""}
    return json.dumps({"error": told}).encode() + b"\n"


def decode_features(message: bytes) -> dict[str, NDArray[np.float32]]:
    """The features of an answer.

    Raises:
        UnusableModel, OutOfMemory: what the worker was told.
        QueryNetworkBusy: it has failed otherwise.
        ValueError: it is no such message.
    """
    line, _, numbers = message.partition(b"\n")
    head = json.loads(line)
    if "error" in head:
        kind = _ERRORS.get(head["error"]["kind"])
        if kind is None:
            raise QueryNetworkBusy(
                "A worker has failed to embed the photo",
                received="an error that its log tells",
                expected="features",
                remedy="look into the log of drape worker --queue query",
            )
        raise kind(head["error"]["message"], received="a worker's error")
    sizes: dict[str, int] = head["sizes"]
    values = np.frombuffer(numbers, dtype="<f4").astype(np.float32)
    if len(values) != sum(sizes.values()):
        raise ValueError(f"expected {sum(sizes.values())} numbers, received {len(values)}")
    ends = np.cumsum(list(sizes.values()))
    return {name: values[end - size : end].copy() for (name, size), end in zip(sizes.items(), ends, strict=True)}
