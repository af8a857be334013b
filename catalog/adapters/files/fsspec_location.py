"""A place on any file system that fsspec knows: a local folder, an object store, memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from catalog.errors import DrapeError
from embeddings.errors import ExplainedError


@dataclass(frozen=True, slots=True)
class FsspecLocation:
    """An open file system and the folder in it.

    Args:
        files: The fsspec file system.
        root: The folder's path in it, without a slash at its end.
        is_local: Whether it is this machine's own file system.
        url, what, setting, error: As ``open_location`` was given them.
    """

    files: Any
    root: str
    is_local: bool
    url: str
    what: str
    setting: str
    error: type[DrapeError]

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Turn the file system's errors into ours, for a ``with`` block.

        They are ``OSError``, or of the class that the store's library has for what keeps it from answering, such as
        ``botocore.exceptions.EndpointConnectionError``. Python's own others are somebody's mistake, and stay.
        """
        try:
            yield
        except ExplainedError:
            raise
        except Exception as reason:
            if not isinstance(reason, OSError) and type(reason).__module__ == "builtins":
                raise
            raise self.error(
                f"The {self.what} cannot be read or written.",
                received=f"{type(reason).__name__}: {reason}",
                expected=f"a store that can be reached and written at {self.url}",
                remedy=f"Check the folder's or bucket's rights and free space, or set {self.setting} to another.",
            ) from reason


def open_location(url: str, what: str, setting: str, error: type[DrapeError]) -> FsspecLocation:
    """The place that a URL or path names. Nothing is read or made there yet.

    Args:
        url: Any fsspec URL (``file:///var/drape/images``, ``s3://bucket/images``, ``memory://images``), or a path.
            Keys and endpoints come from the protocol's own environment variables or fsspec's configuration files.
        what: What it is, for messages: ``"image store"``.
        setting: The environment variable that names it.
        error: What is raised.

    Raises:
        error: the URL's protocol is unknown, or its package is not installed.
    """
    # Imported here because commands that touch nothing of it should not wait for it.
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    # fsspec leaves the escapes of ``file:`` URLs, ``%20`` and the like, as they are.
    path = unquote(urlsplit(url).path) if url.startswith("file://") else url
    try:
        files, root = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as reason:
        raise error(
            f"The {what}'s address cannot be used.",
            received=f"{url}: {reason}",
            expected="a folder, or a URL of a protocol whose fsspec package is installed",
            remedy=f"Correct {setting}, or install the package the message names.",
        ) from reason
    is_local = isinstance(files, LocalFileSystem)
    return FsspecLocation(files, root.rstrip("/"), is_local, url, what, setting, error)
