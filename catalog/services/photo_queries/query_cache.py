"""Features of the photos that were searched with lately, and of those that are being embedded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from catalog.ports.query_network import EmbeddedQuery

_BYTES_EACH: Final = 600
"""What an entry takes beside its numbers, by and large."""


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What was asked of a cache.

    Args:
        hits: Found.
        shared: Being computed for somebody else, and waited for.
        misses: Computed.
        num_bytes: What it holds now.
    """

    hits: int = 0
    shared: int = 0
    misses: int = 0
    num_bytes: int = 0


class QueryCache:
    """Keeps what was used last, and computes once what several ask for at the same time. Safe to use from threads.

    Args:
        max_bytes: Of all features together; 0 keeps nothing, but still computes once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, EmbeddedQuery] = OrderedDict()
        self._computed: dict[Hashable, Future[EmbeddedQuery]] = {}
        self._counts = CacheCounts()

    @property
    def counts(self) -> CacheCounts:
        """Since it was made."""
        with self._lock:
            return self._counts

    def get(self, key: Hashable, compute: Callable[[], EmbeddedQuery]) -> EmbeddedQuery:
        """What was kept under the key, or else is computed; the timings are of what was computed for this call.

        The features are everybody's, and read-only.

        Raises:
            What ``compute`` raises, in every thread that waits for it; it is not kept.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                self._counts = replace(self._counts, hits=self._counts.hits + 1)
                return found
            awaited = self._computed.get(key)
            if awaited is None:
                own: Future[EmbeddedQuery] = Future()
                self._computed[key] = own
                self._counts = replace(self._counts, misses=self._counts.misses + 1)
            else:
                self._counts = replace(self._counts, shared=self._counts.shared + 1)
        if awaited is not None:
            return EmbeddedQuery(awaited.result().features)
        try:
            computed = compute()
            for values in computed.features.values():
                values.flags.writeable = False
            with self._lock:
                self._keep(key, EmbeddedQuery(computed.features))
        except BaseException as error:
            own.set_exception(error)
            raise
        finally:
            # Whatever happened, nobody is to wait for it.
            with self._lock:
                del self._computed[key]
        own.set_result(computed)
        return computed

    def _keep(self, key: Hashable, computed: EmbeddedQuery) -> None:
        num_bytes = self._counts.num_bytes + _size(computed)
        self._kept[key] = computed
        while num_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            num_bytes -= _size(oldest)
        self._counts = replace(self._counts, num_bytes=num_bytes)


def _size(embedded: EmbeddedQuery) -> int:
    return _BYTES_EACH + sum(values.nbytes for values in embedded.features.values())
