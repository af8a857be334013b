"""Whether searches can be answered, as the resources themselves tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.errors import DrapeError
from catalog.ports.image_store import ImageStore, StoredImageMissing
from catalog.ports.vector_index import VectorIndex
from catalog.unit_of_work import UnitOfWorkFactory

_PROBE: Final = b"drape readiness probe"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """What came of asking one resource.

    Args:
        why: What is wrong, in a sentence that names no host and no folder; None where nothing is.
    """

    name: str
    why: str | None = None

    @property
    def is_ok(self) -> bool:
        return self.why is None


class ReadinessService:
    """Asks PostgreSQL, the vector index and the image store for something small."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, images: ImageStore) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._images = images

    def checks(self) -> Sequence[Check]:
        """One for each of them, whatever becomes of the others."""
        asked: Mapping[str, Callable[[], object]] = {
            "postgresql": self._ask_database,
            "vector_index": self._index.list_collections,
            "image_store": self._write_and_read,
        }
        return [_checked(name, ask) for name, ask in asked.items()]

    def _ask_database(self) -> None:
        with self._unit_of_work() as work:
            work.galleries.live_versions()

    def _write_and_read(self) -> None:
        # Written where it is not there, and read in any case.
        self._images.get(self._images.put(_PROBE))


def _checked(name: str, ask: Callable[[], object]) -> Check:
    try:
        ask()
    except StoredImageMissing:
        return Check(name, "What was written cannot be read")
    except DrapeError as error:
        _log.warning("Not ready: %s: %s", name, error)
        return Check(name, error.message)
    return Check(name)
