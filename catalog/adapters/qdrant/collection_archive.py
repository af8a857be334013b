"""A folder as one compressed tar file: what a snapshot of the embedded engine is.

Compressed as little as gzip can: the engine's files are made larger than what is in them, and their zeros vanish.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path

from catalog.errors import InvalidRequest
from embeddings.whole_file import written_whole


def pack(folder: Path, path: Path) -> None:
    """Write everything in the folder to a new file, by names relative to it.

    Raises:
        UnwritableFile: the file cannot be written.
    """
    with written_whole(path) as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for entry in sorted(folder.iterdir()):
            archive.add(entry, arcname=entry.name)


def unpack(path: Path, folder: Path) -> None:
    """Write what was packed into an empty folder; nothing goes outside it, whatever the file says.

    Raises:
        InvalidRequest: the file is no archive, or a damaged one.
    """
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidRequest(
            "This is no snapshot of a collection",
            received=f"{path}: {error}",
            expected="a file that `drape snapshot save` has made",
            remedy="name its folder, or another one",
        ) from error
