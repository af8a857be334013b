"""The embedding of query photos as a worker does it for the processes that are asked."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from catalog.ports.models import Models
from catalog.ports.query_requests import QueryRequest, QueryRequests
from catalog.services.photo_queries.batched_query_network import MOST_AT_ONCE
from catalog.services.photo_queries.embedding_together import embed_together
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.embedder import check_prepared
from embeddings.errors import ExplainedError, OutOfMemory

_log = logging.getLogger(__name__)

LINGER_SECONDS: Final = 1.0
"""So long a worker that has answered waits for more by itself, which is sooner there than an announcement."""

LOOK_SECONDS: Final = 4.0
"""So often, at most, it is looked whether there are other networks to load."""


class QueryWork:
    """Takes what waits, all of it that fits into a batch, and answers."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, models: Models, requests: QueryRequests, linger: float = LINGER_SECONDS
    ) -> None:
        self._unit_of_work = unit_of_work
        self._models = models
        self._requests = requests
        self._linger = linger
        self._ready: set[str] = set()
        self._looked = float("-inf")

    def run(self, enough: Callable[[], bool]) -> int:
        """Answer until nothing comes any more; how many were.

        Raises:
            BrokerUnavailable, DatabaseUnavailable: a service is down. What was taken is lost; who asked tries again.
            OutOfMemory: the memory does not hold a single photo. It was refused.
        """
        self._load()
        answered = 0
        while not enough():
            requests = self._requests.claim(MOST_AT_ONCE, self._linger if answered else 0.0)
            if not requests:
                break
            by_version: defaultdict[str, list[QueryRequest]] = defaultdict(list)
            for request in requests:
                by_version[request.version].append(request)
            for version, group in by_version.items():
                self._answer(version, group)
            answered += len(requests)
        return answered

    def _load(self) -> None:
        """Make the networks ready that are searched with: before queries come, not when the first is to be answered."""
        if time.monotonic() < self._looked + LOOK_SECONDS:
            return
        with self._unit_of_work() as work:
            versions = list(work.galleries.live_versions())
        self._looked = time.monotonic()
        for version in versions:
            if version in self._ready:
                continue
            self._ready.add(version)
            try:
                embedder = self._models.embedder(version)
                embedder.embed(np.zeros((1, embedder.input_size, embedder.input_size, 3), dtype=np.uint8))
            except ExplainedError as error:
                # Queries that need it will be told.
                _log.warning("The network of %s cannot be loaded: %s", version, error, extra={"model": version})
            else:
                _log.info("The network of %s is ready", version, extra={"model": version})

    def _answer(self, version: str, requests: Sequence[QueryRequest]) -> None:
        try:
            embedder = self._models.embedder(version)
        except ExplainedError as error:
            _log.warning("%d query photos cannot be embedded: %s", len(requests), error, extra={"model": version})
            for request in requests:
                self._requests.refuse(request, error)
            return
        requests = [request for request in requests if self._fits(request, embedder.input_size)]
        if not requests:
            return
        found = embed_together(embedder, [request.prepared for request in requests])
        for request, features in zip(requests, found, strict=True):
            if isinstance(features, Exception):
                _log.warning("A query photo cannot be embedded: %s", features, extra={"model": version})
                self._requests.refuse(request, features)
            else:
                self._requests.answer(request, features)
        memory = next((one for one in found if isinstance(one, OutOfMemory)), None)
        if memory is not None:
            raise memory

    def _fits(self, request: QueryRequest, input_size: int) -> bool:
        """Whether a photo can be embedded with others; one that cannot is refused, and must not fail them."""
        try:
            check_prepared(request.prepared[np.newaxis], input_size)
        except ValueError as error:
            _log.warning("A query photo cannot be embedded: %s", error, extra={"model": request.version})
            self._requests.refuse(request, error)
            return False
        return True
