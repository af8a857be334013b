"""Files of other servers, by http and https: images and feeds that are named by their address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from catalog.errors import DrapeError


class FetchRefused(DrapeError):
    """The file cannot be had: the address is not allowed, the server says there is none, or it is too large.

    Trying again does not help.
    """


class FetchFailed(DrapeError):
    """The file could not be had this time: no answer, a broken one, or a server that is busy.

    Attributes:
        retry_after: Seconds that the server asked to wait, or None where it said nothing.
    """

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said of the version of a file that it sent, to ask it later whether that is still the newest.

    Args:
        etag: The header ``ETag``, as it was sent.
        last_modified: The header ``Last-Modified``, as it was sent.
    """

    etag: str | None = None
    last_modified: str | None = None


class RemoteFile(Protocol):
    """A file while it is read.

    Attributes:
        url: Where it was found, after redirects.
        validators: To ask for it again with.
        num_bytes: Its length as the server says, or None. It is no more than that: a server may be wrong.
    """

    url: str
    validators: Validators
    num_bytes: int | None

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, as they come.

        Raises:
            FetchRefused: there are more of them than was allowed.
            FetchFailed: the server stopped in the middle.
        """


@dataclass(frozen=True, slots=True)
class NotModified:
    """The version that was asked about is still the newest."""


RemoteAnswer: TypeAlias = RemoteFile | NotModified


class RemoteFiles(Protocol):
    """Fetches files. One of these serves any number of threads.

    A host is asked for a limited number of files at the same time, whoever asks. What is answered with "busy" or "try
    again" is not tried again here: who keeps the work decides when.
    """

    def open(
        self, url: str, *, max_bytes: int, known: Validators | None = None
    ) -> AbstractContextManager[RemoteAnswer]:
        """Ask for a file, following redirects; for use in a ``with`` block.

        Args:
            url: An http or https address, also with letters beyond ASCII.
            max_bytes: Larger files are refused, as soon as that shows.
            known: The version that is already there.

        Raises:
            FetchRefused, FetchFailed: as their names say.
        """
