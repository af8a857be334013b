"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from embeddings.errors import EmbeddingsError

_EVERYONE_MAY_READ = 0o644


class UnwritableFile(EmbeddingsError):
    """A file that was asked for cannot be written: no such folder, no right, no space."""


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to; it takes its name, in one step, once the ``with`` block has ended well.

    A file of that name is replaced, the one that a link leads to where it is a link. When the block raises, or the
    process dies, it stays as it was.

    Raises:
        UnwritableFile: the file cannot be made, written or renamed, or is a folder, a pipe or a device. Failures to
            *read* something else inside the block should not be left as OSError, because they would be told as
            failures to write.
    """
    try:
        # What takes a name by being renamed would take the place of a link, or of a device, instead of going where
        # either leads.
        target = Path(os.path.realpath(path))
        if not _may_be_replaced(path):
            raise UnwritableFile(
                f"the file {path} cannot be written",
                received="a folder, a pipe, a socket or a device of that name",
                expected="the name of a file, there already or not",
                remedy="name another file",
            )
        # Beside its destination, because only within one file system a rename is one step.
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(_EVERYONE_MAY_READ)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableFile(
            f"the file {path} cannot be written",
            received=error.strerror or str(error),
            expected="a file name in a folder that can be written and has space",
            remedy="free space, or name another file",
        ) from error


def _may_be_replaced(path: Path) -> bool:
    """Whether there is a regular file, or nothing yet, where the path leads."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True
