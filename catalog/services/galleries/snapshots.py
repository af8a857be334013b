"""The collections of all galleries as files in a folder, and back from there."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from catalog.errors import InvalidRequest
from catalog.ports.vector_index import VectorIndex
from catalog.ports.vector_snapshots import VectorSnapshots
from catalog.services.galleries.gallery_layout import collection_name
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.whole_file import written_whole

MANIFEST: Final = "snapshot.json"
"""Written last: a folder without it is no snapshot."""

OnCollection: TypeAlias = Callable[[str, int, int], None]
"""Told a collection's name, its number from 1, and how many there are."""


def _unheard(name: str, number: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class SavedCollection:
    """One collection's file.

    Args:
        num_points: How many it held, shortly before it was saved.
    """

    name: str
    file: str
    num_bytes: int
    sha256: str
    num_points: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder of saved collections.

    Args:
        format: Of the files.
        made_at: ISO 8601, UTC.
    """

    format: str
    made_at: str
    collections: tuple[SavedCollection, ...]


class SnapshotService:
    """Saves what would take long to embed again. It need not fit PostgreSQL: ``drape reconcile`` makes up for it.

    Args:
        clock: The time, with its zone.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        index: VectorIndex,
        snapshots: VectorSnapshots,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._snapshots = snapshots
        self._clock = clock

    def save(self, folder: Path, on_collection: OnCollection = _unheard) -> Snapshot:
        """Write every collection that a gallery was made of to a new folder.

        Raises:
            InvalidRequest: the folder has something in it, or the engine is a cluster.
            UnwritableFile: it cannot be written.
            IndexUnavailable, IndexBusy, DatabaseUnavailable: a service is down or busy.
        """
        with self._unit_of_work() as work:
            ours = {collection_name(version) for version in work.galleries.noted_versions()}
        names = [name for name in self._index.list_collections() if name in ours]
        _require_empty(folder)
        saved: list[SavedCollection] = []
        for number, name in enumerate(names, start=1):
            on_collection(name, number, len(names))
            path = folder / f"{name}.snapshot"
            num_points = self._index.count(name)
            self._snapshots.save(name, path)
            saved.append(SavedCollection(name, path.name, path.stat().st_size, _sha256(path), num_points))
        snapshot = Snapshot(self._snapshots.format, self._clock().isoformat(timespec="seconds"), tuple(saved))
        with written_whole(folder / MANIFEST) as file:
            file.write(json.dumps(asdict(snapshot), indent=1).encode())
        return snapshot

    def restore(self, folder: Path, on_collection: OnCollection = _unheard) -> Snapshot:
        """Put every saved collection in the place of what there is of its name. All files are checked before.

        Raises:
            InvalidRequest: the folder is no snapshot, is damaged, or is of another engine.
            IndexUnavailable, IndexBusy: the engine is down or busy.
        """
        snapshot = read_snapshot(folder)
        if snapshot.format != self._snapshots.format:
            raise InvalidRequest(
                "The snapshot is of another vector engine",
                received=f"{snapshot.format} in {folder}",
                expected=self._snapshots.format,
                remedy="restore it where it was made; or `drape reconcile --repair` embeds everything again",
            )
        for one in snapshot.collections:
            _require_whole(folder / one.file, one)
        for number, one in enumerate(snapshot.collections, start=1):
            on_collection(one.name, number, len(snapshot.collections))
            self._snapshots.restore(one.name, folder / one.file)
        return snapshot


def read_snapshot(folder: Path) -> Snapshot:
    """What a folder says that it holds.

    Raises:
        InvalidRequest: it is no snapshot.
    """
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        return Snapshot(told["format"], told["made_at"], tuple(_saved(one) for one in told["collections"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(
            "This folder is no snapshot",
            received=f"{folder}: {error}",
            expected=f"a folder with {MANIFEST}, which `drape snapshot save` writes last",
            remedy="name another folder; one whose saving was stopped is of no use",
        ) from error


def _saved(told: Mapping[str, Any]) -> SavedCollection:
    saved = SavedCollection(
        name=str(told["name"]),
        file=str(told["file"]),
        num_bytes=int(told["num_bytes"]),
        sha256=str(told["sha256"]),
        num_points=int(told["num_points"]),
    )
    if Path(saved.file).name != saved.file:
        raise ValueError(f"{saved.file!r} is not the name of a file in the folder")
    return saved


def _require_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise InvalidRequest(
            "No snapshot can be saved there", received=f"{folder}: {error.strerror}", expected="a folder to make"
        ) from error
    if not is_empty:
        raise InvalidRequest(
            "A snapshot goes into a folder of its own",
            received=f"{folder}, which has something in it",
            expected="a new folder, or an empty one",
            remedy="name another one, such as one of today's date",
        )


def _require_whole(path: Path, saved: SavedCollection) -> None:
    try:
        found = _sha256(path)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if found != saved.sha256:
        raise _damaged(path, f"sha256 {found}, {path.stat().st_size} bytes")


def _damaged(path: Path, received: str) -> InvalidRequest:
    return InvalidRequest(
        "The snapshot is damaged, and nothing was restored",
        received=f"{path}: {received}",
        expected=f"the file as {MANIFEST} describes it",
        remedy="copy the folder anew, or name an older snapshot",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
