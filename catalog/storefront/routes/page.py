"""``/``: the page for people, from files of this process alone. It asks the API like everybody else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Response

router = APIRouter(include_in_schema=False)

POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
"""The page runs and shows its own files alone; photos that need a key, and those of the visitor, are blobs."""

_INDEX: Final = "index.html"
_PLACE_OF_VERSION: Final = "@version"
_MEDIA_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The files of the page by name, and the version that their contents make: the start of a hash over all of them.

    The version is part of the files' addresses, so that browsers may keep them, and never mix two versions.
    """

    version: str
    index: bytes
    others: dict[str, bytes]


@router.get("/")
async def page(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The page."""
    files = page_files()
    tag = f'"{files.version}"'
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": tag}
    if if_none_match is not None and tag in (one.strip().removeprefix("W/") for one in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(files.index, media_type="text/html", headers=headers)


@router.get("/page/{file_version}/{name}")
async def page_file(file_version: str, name: str) -> Response:
    """One of its files."""
    files = page_files()
    kind = _MEDIA_TYPES.get(name.rpartition(".")[2])
    if name not in files.others or kind is None:
        raise HTTPException(404)
    # A page of another version asks while a new one is rolled out: what it gets must not stay.
    kept = "public, max-age=31536000, immutable" if file_version == files.version else "no-store"
    return Response(files.others[name], media_type=kind, headers={"Cache-Control": kept})


@cache
def page_files() -> PageFiles:
    """Read once."""
    folder = resources.files("catalog.storefront").joinpath("page")
    read = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    hashed = hashlib.sha256()
    for name in sorted(read):
        hashed.update(f"{name}\0{len(read[name])}\0".encode() + read[name])
    version = hashed.hexdigest()[:16]
    index = read.pop(_INDEX).replace(_PLACE_OF_VERSION.encode(), version.encode())
    return PageFiles(version, index, read)
