"""How bodies with a photo are described, and photos by address fetched."""

from __future__ import annotations

from typing import Any

from catalog.ports.remote_files import FetchFailed, NotModified, RemoteFiles


def described_body(shape: str) -> dict[str, Any]:
    """What the API's description says of a body that is read by hand: JSON of this shape, or a photo and that."""
    reference = {"$ref": f"#/components/schemas/{shape}"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": reference},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": {"type": "string", "format": "binary"}, "query": reference},
                    },
                    "encoding": {"query": {"contentType": "application/json"}},
                },
            },
        }
    }


def photo_at(files: RemoteFiles, url: str, max_bytes: int) -> bytes:
    """The bytes of a photo by its address.

    Raises:
        FetchRefused, FetchFailed: it cannot be had.
    """
    with files.open(url, max_bytes=max_bytes) as answer:
        if isinstance(answer, NotModified):
            raise FetchFailed("The server sent nothing", received="304 Not Modified", expected="the file")
        return b"".join(answer.chunks())
