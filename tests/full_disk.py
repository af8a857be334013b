"""The nearest to a full disk that a test can have."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_end_at(num_bytes: int) -> Iterator[None]:
    """No file that this process writes meanwhile grows beyond so many bytes; the system refuses, as a full disk does.

    What is imported meanwhile leaves no bytecode: Python takes a file of it that was cut off for a whole one, and every
    later process would fail to import that module.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    unkept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = unkept
