"""The first errors of an ingest, which its job keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from catalog.services.ingesting.ingest_run import OnError
from catalog.types import RowError

MOST_KEPT: Final = 100
_LONGEST: Final = 500


class FirstErrors:
    """Tells every error on, and keeps the first of them as JSON-serialisable values.

    Args:
        folder: Of the feed. Where that is means nothing to whoever reads a job over HTTP.

    Attributes:
        kept: At most ``MOST_KEPT`` of them, as they come.
    """

    def __init__(self, on_error: OnError, folder: Path) -> None:
        self.kept: list[Mapping[str, Any]] = []
        self._on_error = on_error
        self._folders = {str(folder.absolute()), str(folder.resolve())} - {"/"}

    def __call__(self, error: RowError) -> None:
        """Note one."""
        if len(self.kept) < MOST_KEPT:
            self.kept.append(
                {
                    "line": error.line,
                    "column": error.column,
                    "product": error.external_id,
                    "received": self.told(error.found),
                    "expected": self.told(error.expected),
                    "outcome": error.outcome.value,
                }
            )
        self._on_error(error)

    def told(self, text: str) -> str:
        """The text without the folder's place on this machine, as far as it is kept."""
        for folder in self._folders:
            text = text.replace(folder, "the feed's folder")
        # What PostgreSQL takes no text with.
        return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")[:_LONGEST]
