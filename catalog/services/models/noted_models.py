"""Model versions, held to what they were when vectors were first made with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.ports.models import ModelDescription, Models
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.embedder import Embedder
from embeddings.errors import UnusableModel
from embeddings.manifest import ModelManifest

_WITHOUT_EFFECT = frozenset({"scores", "provenance", "created"})
"""Keys of a manifest that decide no vector."""


class NotedModels:
    """Model versions whose manifests the database noted when their first gallery was made.

    A folder that was edited or replaced since then gives vectors, or names of their components, that do not belong to
    those that are stored: whoever asks for such a version is told instead of given wrong results.
    """

    def __init__(self, models: Models, unit_of_work: UnitOfWorkFactory) -> None:
        self._models = models
        self._unit_of_work = unit_of_work
        self._checked: set[str] = set()

    def describe(self, version: str) -> ModelDescription:
        """What the version is. Loads no network.

        Raises:
            UnusableModel: no such version, its folder is damaged, or it is not what stored vectors were made with.
        """
        described = self._models.describe(version)
        if described.version not in self._checked:
            with self._unit_of_work() as work:
                noted = work.galleries.noted_manifest(described.version)
            if noted is not None:
                _require_same(described, noted)
                # A description is read once per process and a note never changes, so once is enough.
                self._checked.add(described.version)
        return described

    def embedder(self, version: str) -> Embedder:
        """The version's network, loaded on first use and kept.

        Raises:
            UnusableModel: as ``describe``.
        """
        self.describe(version)
        return self._models.embedder(version)

    def share(self, version: str) -> None:
        """Make the version available to workers on other machines."""
        self._models.share(version)


def _require_same(described: ModelDescription, noted: Mapping[str, Any]) -> None:
    try:
        found = difference(ModelManifest.from_json(noted), ModelManifest.from_json(described.manifest))
    except ValueError as error:
        found = f"a manifest that cannot be compared: {error}"
    if found is not None:
        raise UnusableModel(
            f"model version {described.version} is not the one that the stored vectors were made with",
            received=found,
            expected="the version as it was: versions never change",
            remedy="restore its folder; or import what is there now under a name of its own, "
            "and run `drape reindex --model NAME`",
        )


def difference(before: ModelManifest, now: ModelManifest) -> str | None:
    """The first thing that makes vectors of two manifests incomparable, in words; None where nothing does."""
    was, found = (dict(_leaves(manifest)) for manifest in (before, now))
    # In the order of the one that has more to say, so that a surplus attribute is named by its place, too.
    for key in was if len(was) >= len(found) else found:
        if was.get(key, _MISSING) != found.get(key, _MISSING):
            return f"{key} is {found.get(key, _MISSING)}, was {was.get(key, _MISSING)}"
    return None


_MISSING = "missing"


def _leaves(manifest: ModelManifest) -> Iterator[tuple[str, object]]:
    """Every value that decides a vector, by its place: ``networks[0].sha256``."""
    for key, value in manifest.to_json().items():
        if key not in _WITHOUT_EFFECT:
            yield from _within(key, value)


def _within(place: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _within(f"{place}.{key}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _within(f"{place}[{number}]", one)
    else:
        yield place, value
