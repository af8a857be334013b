"""A folder that takes the place of another: whole or not at all, whenever the process that writes it is stopped.

Beside the folder ``shop`` a run works in ``.shop-XXXXXXXX.drawing``: it writes into ``new``, moves ``shop`` to
``former`` and ``new`` to ``shop``, and removes the rest. What a killed run leaves is put in order by the next one.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SUFFIX = ".drawing"
_RANDOM_LETTERS = 8
_LOCK = "lock"
_NEW = "new"
_FORMER = "former"
_DISCARDED = "discarded"


@contextmanager
def exchanged_folder(folder: Path) -> Iterator[Path]:
    """A new, empty folder to write into; it takes the place of ``folder`` once the ``with`` block has ended well.

    When the block raises, ``folder`` stays as it was. When the process dies, too, except between two renames of the
    exchange: then ``settle_exchange`` puts the former folder back.

    Args:
        folder: Absolute and no link. It and the folders that it is in are made where they do not exist; what it holds
            is removed.

    Raises:
        OSError: a folder cannot be made or renamed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its destination, because only within one file system a rename is one step.
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=_SUFFIX, dir=folder.parent))
    try:
        with (work / _LOCK).open("wb") as lock:
            # Where the file system knows no locks, no folder is ever taken for abandoned.
            _take(lock)
            (work / _NEW).mkdir()
            yield work / _NEW
            if folder.exists():
                folder.rename(work / _FORMER)
            (work / _NEW).rename(folder)
    finally:
        # Ctrl-C included: neither a half-written folder nor a gap may stay behind.
        _put_back(folder, work)
        _discard(work)


def settle_exchange(folder: Path) -> None:
    """Put in order what killed runs have left beside a folder: put the former one back where there is none, remove the
    rest. What runs that go on are writing is left alone.

    Args:
        folder: Absolute and no link; may not exist.

    Raises:
        OSError: a former folder cannot be put back.
    """
    pattern = glob.escape(f".{folder.name}-") + "?" * _RANDOM_LETTERS + _SUFFIX
    for work in sorted(folder.parent.glob(pattern)):
        try:
            lock = (work / _LOCK).open("r+b")
        except OSError:
            # Made an instant ago, removed since, or somebody else's.
            continue
        with lock:
            if not _take(lock):
                continue
            _put_back(folder, work)
        _discard(work)


def _take(lock: IO[bytes]) -> bool:
    """Whether the lock is this process's from now on; the system takes it back however the process ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _put_back(folder: Path, work: Path) -> None:
    if (work / _FORMER).is_dir() and not os.path.lexists(folder):
        (work / _FORMER).rename(folder)


def _discard(work: Path) -> None:
    """Remove a run's folder. What cannot be removed is left to the next run."""
    if (work / _FORMER).is_dir():
        # Half removed it must never be put back.
        (work / _FORMER).rename(work / _DISCARDED)
    # The lock goes last: a folder without one is taken for a run that has just begun.
    for name in (_NEW, _DISCARDED):
        shutil.rmtree(work / name, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
