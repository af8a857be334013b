"""The file that ``--errors`` names, for every row and image of a feed that was not taken, or not as it stood."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.errors import InvalidRequest

if TYPE_CHECKING:
    from catalog.feeds import RowErrorWriter

Errors = Annotated[
    Path | None, typer.Option("--errors", metavar="FILE", help="Write every row that failed, with why, as CSV.")
]


def open_error_file(path: Path, feed: Path) -> RowErrorWriter:
    """The file for failed rows, opened before the feed is read.

    Raises:
        InvalidRequest: it cannot be written, or it is the feed itself.
    """
    from catalog.feeds import RowErrorWriter, is_folder

    if path.exists() and feed.exists() and path.samefile(feed):
        raise InvalidRequest(
            "The failed rows would be written over the feed", received=f"--errors {path}", expected="another file"
        )
    if is_folder(feed) and _is_file_of(path, feed):
        raise InvalidRequest(
            "The failed rows would be written over a file of the feed",
            received=f"--errors {path}",
            expected="a new file, or one outside of the folder",
        )
    try:
        return RowErrorWriter(path, feed.name or feed.resolve().name)
    except OSError as error:
        raise InvalidRequest(
            "The file for failed rows cannot be written",
            received=f"--errors {path}: {error.strerror or error}",
            expected="a file in a folder that can be written",
        ) from error


def _is_file_of(path: Path, folder: Path) -> bool:
    """Whether a file of the folder is there that no earlier run has written its failed rows to."""
    from catalog.feeds import is_error_file

    return path.is_file() and path.resolve().is_relative_to(folder.resolve()) and not is_error_file(path)


def ignore(error: object) -> None:
    """For errors that nobody wants one by one; they are counted all the same."""
