"""The image store: bytes by their SHA-256. Written once, never changed. Adapters: any file system fsspec knows."""

from __future__ import annotations

from typing import Protocol

from catalog.errors import DrapeError


class StoredImageMissing(DrapeError):
    """The store has no bytes of that hash. Trying again does not help; ingesting the image again does."""


class StoredImageAltered(DrapeError):
    """The store's bytes no longer have the hash they were stored under. Ingesting the image again repairs them."""


class ImageStore(Protocol):
    """Content-addressed bytes: equal contents are stored once, whatever they are called.

    ``sha256`` is always 64 lower-case hexadecimal digits.

    Raises (from every method):
        ImageStoreUnavailable: the store cannot be read or written; trying again may help.
        InvalidRequest: ``sha256`` is not such a name.
    """

    def put(self, data: bytes) -> str:
        """Store ``data`` and return its SHA-256. Nothing is written where the same content is stored already.

        A reader sees all of it or nothing, also when the writer is killed half-way.
        """

    def get(self, sha256: str) -> bytes:
        """The bytes of that hash, verified.

        Raises:
            StoredImageMissing: there are none.
            StoredImageAltered: what is stored under that name has another hash.
        """

    def exists(self, sha256: str) -> bool:
        """Whether something is stored under that name; it is not read."""

    def delete(self, sha256: str) -> None:
        """Remove the bytes of that hash; no error where there are none."""
