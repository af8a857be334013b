"""Batch sizes that were measured on this machine, kept in a file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from embeddings.whole_file import UnwritableFile, written_whole

_log = logging.getLogger(__name__)


class BatchSizes:
    """By model version, precision and device. What cannot be read is measured again; what cannot be kept, each time.

    Args:
        path: A JSON file, there or not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, version: str, device: str) -> int | None:
        """The batch size that was kept, or None."""
        size = self._read().get(_key(version, device))
        return size if isinstance(size, int) and size >= 1 else None

    def keep(self, version: str, device: str, batch_size: int) -> None:
        """Keep it for the next process."""
        sizes = {**self._read(), _key(version, device): batch_size}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path) as file:
                file.write(json.dumps(sizes, indent=2).encode())
        except (OSError, UnwritableFile) as error:
            _log.warning("The batch size of %s is measured again next time: %s", version, error)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _key(version: str, device: str) -> str:
    return f"{version} on {device}"
