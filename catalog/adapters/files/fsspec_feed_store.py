"""Uploaded feeds on any file system that fsspec knows, beside the images: workers that read these read them, too."""

from __future__ import annotations

import contextlib
import datetime
import re
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO, Final

from catalog.adapters.files.fsspec_location import open_location
from catalog.errors import ImageStoreUnavailable
from catalog.ports.feed_store import StoredFeedMissing

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_KEY: Final = re.compile(r"([0-9]{10,12})-[0-9a-f]{32}-[A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100
_PIECE: Final = 2**20


class FsspecFeedStore:
    """Feeds below ``feeds`` in the image store's place, each as ``SECONDS-RANDOM-NAME``.

    Args:
        url: The image store's (``fsspec_location.open_location``).

    Raises:
        ImageStoreUnavailable: the URL's protocol is unknown, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self._location = open_location(url, "image store", "DRAPE_IMAGE_STORE", ImageStoreUnavailable)
        self._folder = f"{self._location.root}/feeds"

    def put(self, file: BinaryIO, name: str) -> str:
        ending = _NOT_IN_A_NAME.sub("_", name)[-_LONGEST_NAME:].lstrip(".") or "feed"
        now = int(datetime.datetime.now(datetime.UTC).timestamp())
        key = f"{now}-{secrets.token_hex(16)}-{ending}"
        files = self._location.files
        with self._location.reachable():
            files.makedirs(self._folder, exist_ok=True)
            # Nobody is told of the key before all of it is there; what a crash leaves is swept by its age.
            try:
                with files.open(f"{self._folder}/{key}", "wb") as target:
                    shutil.copyfileobj(file, target, _PIECE)
            except BaseException:
                # A disk that is full should not stay so, and an object store keeps what came before the error.
                with contextlib.suppress(OSError):
                    files.rm_file(f"{self._folder}/{key}")
                raise
        return key

    def copy(self, key: str, path: Path) -> None:
        with self._location.reachable():
            try:
                with self._location.files.open(self._path(key), "rb") as source, path.open("xb") as target:
                    shutil.copyfileobj(source, target, _PIECE)
            except FileNotFoundError as error:
                raise StoredFeedMissing(
                    "The uploaded feed is no longer there",
                    received=f"no file {key}",
                    expected="the file that was uploaded",
                    remedy="upload the feed again",
                ) from error

    def delete(self, key: str) -> None:
        with self._location.reachable(), contextlib.suppress(FileNotFoundError):
            self._location.files.rm_file(self._path(key))

    def older_than(self, age: datetime.timedelta) -> list[str]:
        before = (datetime.datetime.now(datetime.UTC) - age).timestamp()
        with self._location.reachable():
            # Object stores are listed once and remembered, and other processes upload.
            self._location.files.invalidate_cache()
            try:
                paths = self._location.files.ls(self._folder, detail=False)
            except FileNotFoundError:
                return []
        found = (_KEY.fullmatch(str(path).rpartition("/")[2]) for path in paths)
        return sorted(key.group() for key in found if key is not None and int(key.group(1)) < before)

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise StoredFeedMissing("That is no key of an uploaded feed", received=ascii(key[:100]))
        return f"{self._folder}/{key}"
