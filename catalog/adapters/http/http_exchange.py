"""One request and its answer, over a connection that is kept where the answer was read to its end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import httpcore

from catalog.adapters.http.fetch_failures import explained
from catalog.adapters.http.host_connections import HostConnection, HostConnections
from catalog.adapters.http.transfer_deadline import TransferDeadline
from catalog.adapters.http.web_address import WebAddress
from catalog.ports.remote_files import FetchFailed

_WORTH_READING: Final = 64 * 2**10
_WORTH_WAITING: Final = 2.0
"""So many bytes and seconds are spent on a page that is not wanted, to keep the connection."""

_log = logging.getLogger(__name__)


class HttpExchange:
    """An answer of which the head has come.

    Args:
        address: That was asked for.
        response: With a body that nobody has read of.
        connection: That the body comes over; it is given to ``connections`` in the end.
        deadline: Of the file.

    Attributes:
        status: Of HTTP.
    """

    def __init__(
        self,
        address: WebAddress,
        response: httpcore.Response,
        connection: HostConnection,
        connections: HostConnections,
        deadline: TransferDeadline,
    ) -> None:
        self.address = address
        self.status = response.status
        self._response = response
        self._connection = connection
        self._connections = connections
        self._deadline = deadline
        self._is_complete = False

    def header(self, name: str) -> str | None:
        """The first header of a name (in lower case), or None."""
        wanted = name.encode("ascii")
        for key, value in self._response.headers:
            if key.lower() == wanted:
                try:
                    return value.decode("utf-8").strip()
                except UnicodeDecodeError:
                    return value.decode("latin-1").strip()
        return None

    def parts(self) -> Iterator[bytes]:
        """The body as it comes. The time that its reader takes is not the server's.

        Raises:
            FetchFailed: it does not come to its end.
        """
        stream = self._response.iter_stream()
        while True:
            with explained(self.address, self._deadline):
                part = next(stream, None)
            if part is None:
                break
            self._deadline.count(len(part))
            with self._deadline.paused():
                yield part
        self._is_complete = True

    def skip_body(self) -> None:
        """Read a body that is not wanted, unless it is long or slow: its connection can be kept afterwards."""
        num_bytes = 0
        try:
            with self._deadline.hurried(_WORTH_WAITING):
                for part in self.parts():
                    num_bytes += len(part)
                    if num_bytes > _WORTH_READING:
                        return
        except FetchFailed as error:
            _log.debug("Closing a connection whose answer's body was not wanted and did not come: %s", error)

    def close(self) -> None:
        """Give the connection back, or close it where a part of the answer is still to come over it."""
        self._response.close()
        if self._is_complete:
            self._connections.keep(self._connection)
        else:
            self._connection.close()
