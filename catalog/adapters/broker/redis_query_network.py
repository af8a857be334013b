"""The query network on workers: photos go to them through Redis, and features come back, within a deadline."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, cast

import numpy as np
import redis
from numpy.typing import NDArray

from catalog.adapters.broker.celery_broker import redis_client
from catalog.adapters.broker.query_messages import WAITING_KEY, answer_key, decode_features, encode_photo, photo_key
from catalog.errors import BrokerUnavailable, QueryNetworkBusy
from catalog.ports.announcements import Announcements, WorkQueue
from catalog.ports.query_network import EmbeddedQuery

_IDLE_SECONDS: Final = 60
"""After this nothing is left of what processes that have vanished had asked for."""


class RedisQueryNetwork:
    """Has workers of the queue ``query`` embed. Loads no network, and no library for one.

    A photo is kept under a key that Redis itself drops at the deadline, so that no clock but that of Redis counts, and
    nobody embeds what nobody waits for. Safe to use from several threads.

    Args:
        broker_url: Redis, as ``DRAPE_BROKER_URL`` has it.
        deadline: Seconds.
    """

    def __init__(self, broker_url: str, announcements: Announcements, deadline: float) -> None:
        self._redis = redis_client(broker_url, longest_wait=deadline)
        self._announcements = announcements
        self._deadline = deadline

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """None: batches are the workers'."""
        return {}

    def load(self, version: str) -> None:
        """Nothing: workers load what is searched with by themselves."""

    def expecting(self) -> AbstractContextManager[None]:
        """Nothing: workers do not hear of it."""
        return nullcontext()

    def embed(self, version: str, prepared: NDArray[np.uint8]) -> EmbeddedQuery:
        """The features of one photo, (input_size, input_size, 3) uint8; ``worker`` is the one stage.

        Raises:
            QueryNetworkBusy: no worker has answered in time.
            BrokerUnavailable: Redis does not answer.
            embeddings.errors.UnusableModel, embeddings.errors.OutOfMemory: the worker's.
        """
        start = time.perf_counter()
        request_id = secrets.token_hex(16)
        try:
            with self._redis.pipeline() as together:
                message = encode_photo(version, prepared, self._deadline)
                together.set(photo_key(request_id), message, px=max(1, round(self._deadline * 1000)))
                together.rpush(WAITING_KEY, request_id)
                together.expire(WAITING_KEY, _IDLE_SECONDS)
                together.execute()
            self._announcements.announce(WorkQueue.QUERY)
            left = self._deadline - (time.perf_counter() - start)
            # Redis takes 0 for ever.
            answer = self._redis.blpop([answer_key(request_id)], timeout=max(left, 0.001))
            if answer is None:
                raise self._given_up(request_id)
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(
                "Redis, which carries photos to workers, does not answer",
                received=str(error) or type(error).__name__,
                expected="a Redis server",
                remedy="start it, correct DRAPE_BROKER_URL, or unset DRAPE_QUERY_EMBEDDER",
            ) from error
        features = decode_features(cast(bytes, answer[1]))
        return EmbeddedQuery(features, {"worker": (time.perf_counter() - start) * 1000})

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _given_up(self, request_id: str) -> QueryNetworkBusy:
        self._redis.delete(photo_key(request_id))
        was_taken = self._redis.lrem(WAITING_KEY, 0, request_id) == 0
        return QueryNetworkBusy(
            "The photo was not embedded in time",
            received="a worker took it, and did not answer" if was_taken else "no worker took it",
            expected=f"an answer within {self._deadline:g} s (DRAPE_QUERY_DEADLINE)",
            remedy="start drape worker --queue query, or more of them",
        )
