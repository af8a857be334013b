"""The state of a training on disk: written whole or not at all, after every epoch, and taken up again exactly."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import TrainingFailed
from embeddings.training.history import record_from_json, record_to_json, write_history
from embeddings.training.progress import EpochRecord

Arrays = Sequence[NDArray[Any]]

_STATE: Final = "state.npz"
_FACTS: Final = "facts"
_MOST_DIFFERENCES: Final = 5


@dataclass(frozen=True, slots=True)
class TrainingState:
    """A training after a finished epoch.

    Args:
        network: Every variable of the network, in its order.
        optimizer: Every variable of the optimizer, in its order.
        history: One record per finished epoch.
        best_epoch: The epoch whose weights are to be kept; None where the last one's are.
    """

    network: Arrays
    optimizer: Arrays
    history: tuple[EpochRecord, ...]
    best_epoch: int | None = None


class Checkpoints:
    """The state of one training in a folder of its own.

    Args:
        folder: Made when the first state is saved.
        identity: What makes the training this one, JSON-serialisable: recipe, data, initial weights. A state of
            another training is refused.
    """

    def __init__(self, folder: Path, identity: Mapping[str, object]) -> None:
        self._folder = folder
        self._identity = json.loads(json.dumps(identity))

    @property
    def folder(self) -> Path:
        return self._folder

    def load(self) -> TrainingState | None:
        """The state of the last finished epoch; None where nothing was saved.

        Raises:
            TrainingFailed: the state is damaged, or that of another training; the message names the difference.
        """
        path = self._folder / _STATE
        if not path.exists():
            return None
        facts, arrays = _read(path)
        self._require_same(facts["identity"])
        num_network = facts["num_network"]
        return TrainingState(
            network=arrays[:num_network],
            optimizer=arrays[num_network:],
            history=tuple(record_from_json(record) for record in facts["history"]),
            best_epoch=facts["best_epoch"],
        )

    def save(self, state: TrainingState) -> None:
        """Take the place of the state before, which stays as it was should this fail; write the history beside it.

        Raises:
            TrainingFailed: the disk is full, or the folder cannot be written.
        """
        facts = {
            "identity": self._identity,
            "num_network": len(state.network),
            "history": [record_to_json(record) for record in state.history],
            "best_epoch": state.best_epoch,
        }
        self._write(_STATE, facts, [*state.network, *state.optimizer])
        # The state names the best epoch's file, so others may go only after it was written.
        for path in self._folder.glob("best-*.npz"):
            if path.name != _best_name(state.best_epoch):
                path.unlink(missing_ok=True)
        with self._explained():
            write_history(state.history, self._folder)

    def save_best(self, epoch: int, network: Arrays) -> None:
        """Keep the weights of an epoch. To be called before ``save`` with a state that names the epoch.

        Raises:
            TrainingFailed: the disk is full, or the folder cannot be written.
        """
        self._write(_best_name(epoch), {"epoch": epoch}, network)

    def load_best(self, epoch: int) -> Arrays:
        """The weights that ``save_best`` kept.

        Raises:
            TrainingFailed: the file is missing or damaged.
        """
        return _read(self._folder / _best_name(epoch))[1]

    def clear(self) -> None:
        """Remove what was saved, and the folder if nothing else is in it."""
        remove_state(self._folder)

    def _write(self, name: str, facts: Mapping[str, object], arrays: Arrays) -> None:
        temporary = self._folder / f".{name}.{os.getpid()}.part"
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("wb") as file:
                    stored: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
                    stored[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
                    np.savez(file, allow_pickle=False, **stored)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._folder / name)
            finally:
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kept = self._folder / _STATE
            raise TrainingFailed(
                "The state of the training cannot be saved",
                received=f"{error.strerror or error}: {self._folder}",
                expected="room for the weights three times over, twice",
                remedy=(
                    f"make room, then run the same command: it goes on after the last epoch kept in {kept}"
                    if kept.exists()
                    else "make room, then run the same command"
                ),
            ) from error

    def _require_same(self, found: object) -> None:
        before, now = _flat(found), _flat(self._identity)
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if changed:
            shown = changed[:_MOST_DIFFERENCES]
            more = f" and {len(changed) - len(shown)} more" if len(changed) > len(shown) else ""
            raise TrainingFailed(
                "There is an unfinished training of this name, of something else",
                received="; ".join(f"{name} {_shown(now, name)}" for name in shown) + more,
                expected="; ".join(f"{name} {_shown(before, name)}" for name in shown) + more,
                remedy="run the first command again to go on with it, or begin anew with --restart",
            )


def remove_state(folder: Path) -> None:
    """Remove what a training saved in a folder, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    for path in [*folder.glob("*.npz"), *folder.glob("history.*"), *folder.glob(".*.part")]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _best_name(epoch: int | None) -> str:
    return f"best-{epoch}.npz"


def _read(path: Path) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    try:
        # Without pickle, so that nothing in the file can run.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            facts = json.loads(stored[_FACTS].tobytes())
            return facts, [stored[str(index)] for index in range(len(stored.files) - 1)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingFailed(
            "The state of an unfinished training is damaged",
            received=f"{path}: {error}",
            expected="a file that training wrote",
            remedy="begin anew with --restart",
        ) from error


def _flat(value: object, at: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {at: value}
    flat: dict[str, object] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{at}.{key}" if at else str(key))
    return flat


def _shown(values: Mapping[str, object], name: str) -> str:
    return str(values[name]) if name in values else "not given"
