"""The HTTP client, loaded when somebody else's server is asked for the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from catalog.ports.remote_files import RemoteAnswer, Validators

if TYPE_CHECKING:
    from catalog.adapters.http.http_files import HttpFiles


class HttpOnDemand:
    """What fetches files and sends messages, made once, by whoever needs it first.

    See ``catalog.ports.remote_files`` and ``catalog.ports.remote_posts``. The client takes a quarter of the time in
    which a server starts, and most searches fetch nothing.
    """

    def __init__(self, make: Callable[[], HttpFiles]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._made: HttpFiles | None = None

    def open(
        self, url: str, *, max_bytes: int, known: Validators | None = None
    ) -> AbstractContextManager[RemoteAnswer]:
        """Ask for a file."""
        return self._client().open(url, max_bytes=max_bytes, known=known)

    def check(self, url: str) -> None:
        """See whether messages may be sent to an address."""
        self._client().check(url)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a message."""
        return self._client().post(url, body, headers)

    def _client(self) -> HttpFiles:
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made
