"""Files that are sent, read while they go out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.client.exchange import Part

Photo = bytes | str | os.PathLike[str]
"""A photo's bytes, or the path of its file."""


@contextmanager
def opened(photo: Photo) -> Iterator[Part]:
    """A photo, or another file, as a part of a body.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(photo, bytes):
        yield "photo", photo
        return
    path = Path(photo)
    with path.open("rb") as file:
        yield path.name, file
