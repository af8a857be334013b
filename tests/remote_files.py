"""Servers as a dictionary: what ``catalog.ports.remote_files`` promises, without a network."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.ports.remote_files import FetchFailed, FetchRefused, NotModified, RemoteAnswer, Validators


@dataclass
class OfferedFile:
    """A file on a server."""

    data: bytes
    url: str
    validators: Validators
    num_bytes: int | None = None

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), 1000):
            yield self.data[start : start + 1000]


@dataclass
class FakeRemoteFiles:
    """Gives what it was told to give, and notes what was asked of it.

    Args:
        files: Bytes by address, or the error that is raised.
        etags: By address.
        meanwhile: Called while a file is asked for, with its address.
        asked: Each address with the version that was known.
        most_at_once: By host.
    """

    files: dict[str, bytes | BaseException] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[str], object] = lambda _: None
    asked: list[tuple[str, Validators | None]] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    _open: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def give(self, url: str, data: bytes | BaseException, etag: str | None = None) -> str:
        """Have this at an address; the address."""
        self.files[url] = data
        self.etags.pop(url, None)
        if etag is not None:
            self.etags[url] = etag
        return url

    @contextmanager
    def open(self, url: str, *, max_bytes: int, known: Validators | None = None) -> Iterator[RemoteAnswer]:
        host = url.split("/")[2]
        with self._lock:
            self.asked.append((url, known))
            self._open[host] += 1
            self.most_at_once[host] = max(self.most_at_once[host], self._open[host])
        try:
            self.meanwhile(url)
            found = self.files.get(url, FetchRefused("The server has no such file", received="404 Not Found"))
            if isinstance(found, BaseException):
                raise found
            if len(found) > max_bytes:
                raise FetchRefused("The file is too large", received=f"{len(found)} bytes")
            etag = self.etags.get(url)
            if known is not None and etag is not None and known.etag == etag:
                yield NotModified()
            else:
                yield OfferedFile(found, url, Validators(etag))
        finally:
            with self._lock:
                self._open[host] -= 1


def busy(retry_after: float | None = None) -> FetchFailed:
    """What a server raises that cannot answer now."""
    error = FetchFailed("The server is busy", received="503 Service Unavailable", expected="200 OK")
    error.retry_after = retry_after
    return error
