"""Telling other servers something, by https."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class RemotePosts(Protocol):
    """Sends messages. The same rules as for fetching files hold of where they may go."""

    def check(self, url: str) -> None:
        """See whether messages may be sent to an address, as things stand; nothing is sent.

        Raises:
            FetchRefused: they may not.
            FetchFailed: the host is not found.
        """

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a message; the status of the answer, whose body is not read. Redirects are not followed.

        Raises:
            FetchRefused, FetchFailed: it could not be sent, or was not answered.
        """
