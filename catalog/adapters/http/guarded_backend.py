"""Sockets that lead only where they may, and that do not outlast a file's deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from catalog.adapters.http.address_guard import AddressGuard
from catalog.adapters.http.transfer_deadline import USUAL_PATIENCE, TransferDeadline


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves a host once, has the guard check the answers, and connects to an address that was checked.

    TLS still goes by the host's name: the certificate must be that host's. One of these serves one connection, which
    serves one file at a time.

    Attributes:
        deadline: Of the file that is being fetched.
    """

    def __init__(self, guard: AddressGuard, sockets: httpcore.NetworkBackend | None = None) -> None:
        self.deadline = TransferDeadline(USUAL_PATIENCE)
        self._guard = guard
        self._sockets = httpcore.SyncBackend() if sockets is None else sockets

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers; all of them together have the time.

        Raises:
            FetchRefused, FetchFailed: see ``AddressGuard.addresses``.
        """
        addresses = self._guard.addresses(host, port)
        ends_at = time.monotonic() + self.deadline.capped(timeout)
        for position, address in enumerate(addresses, start=1):
            share = (ends_at - time.monotonic()) / (len(addresses) - position + 1)
            if share <= 0:
                break
            try:
                stream = self._sockets.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses):
                    raise
            else:
                return GuardedStream(stream, self)
        raise httpcore.ConnectTimeout("no time was left to connect")


class GuardedStream(httpcore.NetworkStream):
    """A connection that ends what it does at the deadline of its backend's file."""

    def __init__(self, stream: httpcore.NetworkStream, backend: GuardedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds = self._backend.deadline.capped(timeout)
        if seconds <= 0:
            raise httpcore.ReadTimeout("no time is left")
        return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        seconds = self._backend.deadline.capped(timeout)
        if seconds <= 0:
            raise httpcore.WriteTimeout("no time is left")
        self._stream.write(buffer, seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._backend.deadline.capped(timeout)
        if seconds <= 0:
            self._stream.close()
            raise httpcore.ConnectTimeout("no time is left")
        return GuardedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._backend)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature.
        return self._stream.get_extra_info(info)
