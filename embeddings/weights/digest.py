"""Whether a file is the one that was meant."""

from __future__ import annotations

import hashlib
from pathlib import Path

from embeddings.errors import UnusableWeights


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 lower-case hexadecimal digits. Reads the file in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_sha256(path: Path, expected: str) -> None:
    """Raise unless the file has this SHA-256.

    Raises:
        UnusableWeights: the file is missing, unreadable or another one.
    """
    try:
        received = file_sha256(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if received != expected.lower():
        raise UnusableWeights(
            f"the weights file {path} was altered, or is another file",
            received=f"SHA-256 {received}",
            expected=f"SHA-256 {expected.lower()}",
            remedy="fetch the file again, or give the hash that belongs to it",
        )


def unreadable(path: Path, error: OSError) -> UnusableWeights:
    """The error for a file that the system does not hand over."""
    found = "nothing at this path" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return UnusableWeights(
        f"the weights file {path} cannot be read",
        received=found,
        expected="a readable HDF5 file of weights",
        remedy="check the path and the permissions",
    )
