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


def checked_bytes(path: Path, sha256: str, *, what: str, remedy: str) -> bytes:
    """A file of a model version, read once and whole, if it is the one that its manifest names.

    Args:
        path: The file.
        sha256: What its bytes must hash to.
        what: What the file is, as the error names it: ``the int8 file of model version NAME``.
        remedy: What to do where it is another.

    Raises:
        UnusableWeights: the file is missing, unreadable or another one.
    """
    try:
        content = path.read_bytes()
        received = f"SHA-256 {hashlib.sha256(content).hexdigest()}"
    except OSError as error:
        content, received = b"", error.strerror or str(error)
    if received != f"SHA-256 {sha256}":
        raise UnusableWeights(
            f"{what} is missing or was altered",
            received=f"{path}: {received}",
            expected=f"SHA-256 {sha256}",
            remedy=remedy,
        )
    return content


def unreadable(path: Path, error: OSError) -> UnusableWeights:
    """The error for a file that the system does not hand over."""
    found = "nothing at this path" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return UnusableWeights(
        f"the weights file {path} cannot be read",
        received=found,
        expected="a readable HDF5 file of weights",
        remedy="check the path and the permissions",
    )
