"""Query photos in Redis, as workers take and answer them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, cast

import numpy as np
import redis
from numpy.typing import NDArray

from catalog.adapters.broker.celery_broker import redis_client
from catalog.adapters.broker.query_messages import (
    WAITING_KEY,
    answer_key,
    decode_photo,
    encode_error,
    encode_features,
    photo_key,
)
from catalog.errors import BrokerUnavailable
from catalog.ports.query_requests import QueryRequest

_log = logging.getLogger(__name__)

_LONGEST_WAIT: Final = 5.0


class RedisQueryRequests:
    """``catalog.ports.query_requests.QueryRequests`` over the lists that ``RedisQueryNetwork`` fills.

    Args:
        broker_url: Redis, as ``DRAPE_BROKER_URL`` has it.
    """

    def __init__(self, broker_url: str) -> None:
        self._redis = redis_client(broker_url, longest_wait=_LONGEST_WAIT)

    def claim(self, most: int, wait_seconds: float) -> list[QueryRequest]:
        """Those that wait and whose time has not run out, at most so many."""
        with _reachable():
            while ids := self._ids(most, wait_seconds):
                with self._redis.pipeline() as together:
                    for request_id in ids:
                        together.getdel(photo_key(request_id))
                    messages = together.execute()
                # Of those that were given up, only the ids are left.
                found = [_decoded(*one) for one in zip(ids, messages, strict=True) if one[1] is not None]
                requests = [request for request in found if request is not None]
                if requests:
                    return requests
        return []

    def answer(self, request: QueryRequest, features: Mapping[str, NDArray[np.float32]]) -> None:
        """Hand over a photo's features."""
        self._put(request, encode_features(features))

    def refuse(self, request: QueryRequest, error: Exception) -> None:
        """Tell that there will be none, and why."""
        self._put(request, encode_error(error))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _ids(self, most: int, wait_seconds: float) -> list[str]:
        ids = self._waiting(most)
        if not ids and wait_seconds > 0:
            waited = self._redis.blpop([WAITING_KEY], timeout=min(wait_seconds, _LONGEST_WAIT))
            if waited is not None:
                ids = [cast(bytes, waited[1]).decode()]
                ids += self._waiting(most - 1) if most > 1 else []
        return ids

    def _waiting(self, most: int) -> list[str]:
        return [taken.decode() for taken in cast("list[bytes] | None", self._redis.lpop(WAITING_KEY, most)) or []]

    def _put(self, request: QueryRequest, message: bytes) -> None:
        with _reachable(), self._redis.pipeline() as together:
            together.rpush(answer_key(request.id), message)
            # An answer is worth no more time than its question had.
            together.pexpire(answer_key(request.id), max(1, round(request.deadline * 1000)))
            together.execute()


def _decoded(request_id: str, message: bytes) -> QueryRequest | None:
    try:
        return decode_photo(request_id, message)
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("A query photo's message cannot be read: %s", error)
        return None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailable(
            "Redis, which carries query photos, does not answer",
            received=str(error) or type(error).__name__,
            expected="a Redis server",
            remedy="start it, or correct DRAPE_BROKER_URL",
        ) from error
