"""The image store on any file system that fsspec knows: a local folder, an object store, memory."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from pathlib import Path

from catalog.adapters.files.fsspec_location import open_location
from catalog.errors import ImageStoreUnavailable, InvalidRequest
from catalog.ports.image_store import StoredImageAltered, StoredImageMissing

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FsspecImageStore:
    """Images under ``url``, each as ``ab/cd/abcd…`` (the hash, below folders of its first two pairs of digits).

    In a local folder a file appears whole through a rename. Power loss right after may leave one short or empty:
    ``get`` notices, and the next ``put`` of that content replaces it.

    Args:
        url: Any fsspec URL or path (``fsspec_location.open_location``).

    Raises:
        ImageStoreUnavailable: the URL's protocol is unknown, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self._location = open_location(url, "image store", "DRAPE_IMAGE_STORE", ImageStoreUnavailable)

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        with self._location.reachable():
            if self._size(path) == len(data):
                return sha256
            if self._location.is_local:
                _write_whole(Path(path), data)
            else:
                # Object stores show an object only once it is complete.
                self._location.files.pipe_file(path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        path = self._path(sha256)
        with self._location.reachable():
            try:
                data: bytes = self._location.files.cat_file(path)
            except FileNotFoundError as error:
                raise StoredImageMissing(
                    "An image is not in the image store.",
                    received=f"no file {path}",
                    expected=f"the bytes of SHA-256 {sha256}",
                    remedy="Ingest the merchant's feed again; missing images are stored again.",
                ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise StoredImageAltered(
                "An image in the image store has been altered.",
                received=f"{len(data)} bytes of SHA-256 {found} in {path}",
                expected=f"the bytes of SHA-256 {sha256}",
                remedy="Remove that file and ingest the merchant's feed again.",
            )
        return data

    def exists(self, sha256: str) -> bool:
        with self._location.reachable():
            return self._size(self._path(sha256)) is not None

    def delete(self, sha256: str) -> None:
        with self._location.reachable(), contextlib.suppress(FileNotFoundError):
            self._location.files.rm_file(self._path(sha256))

    def _path(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise InvalidRequest(
                "That is no name of an image in the store.",
                received=repr(sha256[:100]),
                expected="64 lower-case hexadecimal digits (SHA-256)",
            )
        return f"{self._location.root}/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def _size(self, path: str) -> int | None:
        try:
            size: int = self._location.files.info(path)["size"]
        except FileNotFoundError:
            return None
        return size


def _write_whole(path: Path, data: bytes) -> None:
    """Write through a temporary file in the same folder and a rename, so that the name only ever shows the whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{secrets.token_hex(8)}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
