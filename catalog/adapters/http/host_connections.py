"""Connections to hosts: so many at a time for each, and kept open for the next file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpcore

from catalog.adapters.http.guarded_backend import GuardedBackend
from catalog.adapters.http.transfer_deadline import TransferDeadline


class HostConnection:
    """One connection, which fetches one file at a time.

    httpcore can have several threads share a connection of HTTP/2, but takes no lock around what they send; so none do.
    """

    def __init__(self, origin: httpcore.Origin, connection: httpcore.HTTPConnection, backend: GuardedBackend) -> None:
        self.origin = origin
        self._connection = connection
        self._backend = backend

    def ask(self, request: httpcore.Request, deadline: TransferDeadline) -> httpcore.Response:
        """Send a request; the answer's body is still to be read, and its stream to be closed."""
        self._backend.deadline = deadline
        return self._connection.handle_request(request)

    def is_reusable(self) -> bool:
        """Whether another request can be sent, as far as can be told from here."""
        return self._connection.is_idle() and self._connection.is_available() and not self._connection.has_expired()

    def close(self) -> None:
        self._connection.close()


@dataclass(slots=True)
class _Turns:
    semaphore: threading.Semaphore
    num_users: int = field(default=0)
    """Threads that have a turn or wait for one; at none, the host is forgotten."""


class HostConnections:
    """Gives out turns at hosts, and keeps connections between them. Its lock is not held while anything is waited for.

    Args:
        connect: Makes a connection, which connects when it is first asked.
        per_host: Files that are fetched from a host at the same time.
        max_kept: Connections kept open without work, of all hosts together.
    """

    def __init__(self, connect: Callable[[httpcore.Origin], HostConnection], per_host: int, max_kept: int = 64) -> None:
        self._connect = connect
        self._per_host = per_host
        self._max_kept = max_kept
        self._lock = threading.Lock()
        self._turns: dict[str, _Turns] = {}
        self._kept: list[HostConnection] = []
        self._closed = False

    @contextmanager
    def turn(self, host: str, timeout: float) -> Iterator[bool]:
        """Wait for a turn at a host, kept for the ``with`` block; False where none came within ``timeout`` seconds."""
        with self._lock:
            turns = self._turns.setdefault(host, _Turns(threading.Semaphore(self._per_host)))
            turns.num_users += 1
        try:
            has_turn = turns.semaphore.acquire(timeout=timeout)
            try:
                yield has_turn
            finally:
                if has_turn:
                    turns.semaphore.release()
        finally:
            with self._lock:
                turns.num_users -= 1
                if turns.num_users == 0:
                    del self._turns[host]

    def new(self, origin: httpcore.Origin) -> HostConnection:
        """A connection that has not been used."""
        return self._connect(origin)

    def kept(self, origin: httpcore.Origin) -> HostConnection | None:
        """The connection that was used last of those kept, if there is any; it is the caller's now."""
        unusable: list[HostConnection] = []
        try:
            with self._lock:
                mine = [connection for connection in self._kept if connection.origin == origin]
                while mine:
                    connection = mine.pop()
                    self._kept.remove(connection)
                    if connection.is_reusable():
                        return connection
                    unusable.append(connection)
            return None
        finally:
            for connection in unusable:
                connection.close()

    def keep(self, connection: HostConnection) -> None:
        """Keep a connection for another file, or close it where it cannot be used again."""
        surplus = [connection]
        if connection.is_reusable():
            with self._lock:
                if not self._closed:
                    self._kept.append(connection)
                    surplus = self._kept[: -self._max_kept]
                    del self._kept[: -self._max_kept]
        for each in surplus:
            each.close()

    def close(self) -> None:
        """Close what is kept, and from now on what comes back."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()
