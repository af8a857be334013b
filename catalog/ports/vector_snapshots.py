"""Collections as files: saved from the vector engine, and put back into it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class VectorSnapshots(Protocol):
    """Saves and restores whole collections.

    Attributes:
        format: What the files are; they go back into an engine of the same format only.
    """

    @property
    def format(self) -> str: ...

    def save(self, collection: str, path: Path) -> None:
        """Write a collection, as it is at one moment, to a new file. Searches and writes go on, or wait.

        Raises:
            GalleryNotFound: no such collection.
            IndexUnavailable, IndexBusy: the engine is down or busy, or has no room for it.
            UnwritableFile: the file cannot be written.
            InvalidRequest: the engine is a cluster, of which one node has only a part.
        """

    def restore(self, collection: str, path: Path) -> None:
        """Put a saved collection in the place of what there is of that name, if anything.

        Raises:
            InvalidRequest: the file is no such snapshot, or the engine is a cluster.
            IndexUnavailable, IndexBusy: the engine is down or busy, or has no room for it.
        """
