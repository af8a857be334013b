"""One owner per folder: a lock that the kernel releases when its holder dies, with the holder's name in it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
from pathlib import Path
from typing import IO

from catalog.errors import IndexBusy, IndexUnavailable

_LOCK_NAME = "owner.lock"
_WORKS = "works_for_others"


class ExclusiveFolder:
    """Ownership of a folder, from construction until ``release``.

    The lock belongs to the open file, so a second owner is refused within the same process too.

    Args:
        folder: Made when it does not exist.
        works_for_others: Whether this process also does what others note for it; see ``is_worked_in``.

    Raises:
        IndexBusy: somebody owns it; the error names the process.
        IndexUnavailable: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, works_for_others: bool = False) -> None:
        path = folder / _LOCK_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Opened for appending, because truncating before the lock is held would erase the holder's name.
            self._file: IO[str] | None = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise IndexUnavailable(
                "The folder of the vector index cannot be written.",
                received=str(error),
                remedy=f"make {folder} writable, or set DRAPE_HOME to a folder that is",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = _describe_holder(self._file.read())
            self._file.close()
            raise IndexBusy(
                f"The vector index in {folder} is in use by {holder}.",
                remedy="wait for it, stop it, or set DRAPE_QDRANT_URL to a server, which many processes can share",
            ) from None
        self._file.truncate(0)
        name = {"pid": os.getpid(), "command": shlex.join(sys.argv) or sys.executable, _WORKS: works_for_others}
        self._file.write(json.dumps(name))
        self._file.flush()

    def release(self) -> None:
        """Let others own the folder. Safe to call twice."""
        if self._file is not None:
            # The name goes first; between the two steps a newcomer reads an unnamed holder, never a wrong one.
            self._file.truncate(0)
            self._file.close()
            self._file = None


def is_worked_in(folder: Path) -> bool:
    """Whether another process owns the folder, and does what others note for it.

    Nothing is made. The answer is of now: that process may end at any time.
    """
    try:
        with (folder / _LOCK_NAME).open("r+", encoding="utf-8") as file:
            if json.loads(file.read()).get(_WORKS) is not True:
                return False
            try:
                # Whose name is there may have been killed.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except (OSError, ValueError, AttributeError):
        return False


def _describe_holder(content: str) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} ({holder['command']})"
    except (ValueError, KeyError, TypeError):
        # The holder is between taking the lock and writing its name.
        return "another process"
