"""Payloads and vectors between the port's types and the plain values that Qdrant's engine and client take and give."""

from __future__ import annotations

from typing import Any

import numpy as np

from catalog.ports.vector_index import Payload, Vector


def plain_payload(payload: Payload) -> dict[str, Any]:
    """The payload with its sequences as lists, which is what JSON knows."""
    return {
        key: value if value is None or isinstance(value, str | int | float) else list(value)
        for key, value in payload.items()
    }


def named_vectors(named: object) -> dict[str, Vector]:
    """The vectors of a stored point as float32 arrays; none where none were asked for.

    Collections have named vectors only, so anything but a dict means that none were asked for.
    """
    if not isinstance(named, dict):
        return {}
    return {name: np.asarray(vector, dtype=np.float32) for name, vector in named.items()}
