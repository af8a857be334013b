"""A file system for fsspec that goes away and comes back, failing as the libraries of object stores do."""

from __future__ import annotations

from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

PROTOCOL = "leaving"


class EndpointUnreachable(Exception):
    """No ``OSError``, as botocore's ``EndpointConnectionError`` is none."""


class LeavingFileSystem(MemoryFileSystem):
    """In memory, one for each process; ``leaving://images`` names a folder of it."""

    protocol = PROTOCOL
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    is_away: ClassVar[bool] = False
    num_writes_left: ClassVar[int | None] = None
    """So many more files are written before it goes away; None where it stays."""

    @classmethod
    def empty(cls) -> None:
        """As before the first test."""
        cls.store.clear()
        cls.pseudo_dirs[:] = [""]
        cls.stay()

    @classmethod
    def leave(cls, *, after_writes: int = 0) -> None:
        """Answer no more, once so many more files have been written."""
        cls.num_writes_left = after_writes
        cls.is_away = after_writes == 0

    @classmethod
    def stay(cls) -> None:
        """Answer again."""
        cls.num_writes_left, cls.is_away = None, False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix(f"{PROTOCOL}://"))

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        super().pipe_file(path, value, **options)
        if self.num_writes_left is not None:
            type(self).leave(after_writes=self.num_writes_left - 1)

    def _open(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super()._open(path, *arguments, **options)

    def info(self, path: str, **options: Any) -> Any:
        self._answer()
        return super().info(path, **options)

    def ls(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super().ls(path, *arguments, **options)

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super().cat_file(path, *arguments, **options)

    def rm_file(self, path: str) -> None:
        self._answer()
        super().rm_file(path)

    def _answer(self) -> None:
        if self.is_away:
            raise EndpointUnreachable('Could not connect to the endpoint URL: "https://s3.example/images"')


fsspec.register_implementation(PROTOCOL, LeavingFileSystem, clobber=True)
