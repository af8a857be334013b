"""Model versions on disk: one folder each, found by name or path, added whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from embeddings.errors import EmbeddingsError, UnusableModel, UnusableWeights
from embeddings.manifest import MANIFEST_FILE, ModelManifest, NetworkSpec, check_version_name, read_manifest

SHIPPED_FOLDER = Path(__file__).resolve().parent / "pretrained"
"""The model versions that come with Drape."""

_STAGING_PREFIX = ".adding-"
_REPLACED_PREFIX = ".replaced-"
_STAGING_LIFETIME_SECONDS = 24 * 3600.0


class ModelVersionExists(EmbeddingsError):
    """A model version of that name is already there. Versions never change: vectors were made with them."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model version on disk.

    Args:
        manifest: What the version is.
        folder: Where its manifest and weights lie.
    """

    manifest: ModelManifest
    folder: Path

    def weights_path(self, network: NetworkSpec) -> Path:
        return self.folder / network.weights

    def verify(self) -> None:
        """Check that every file the manifest names is there and is the one it means.

        Raises:
            UnusableWeights: a file is missing, or its hash differs.
        """
        for name, sha256 in self.manifest.file_hashes.items():
            path = self.folder / name
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise UnusableWeights(
                    f"the weights of model version {self.manifest.version} cannot be read",
                    received=f"{path}: {error.strerror}",
                    expected=f"a file with SHA-256 {sha256}",
                    remedy="restore the model version's folder, or train it again",
                ) from error
            if found != sha256:
                raise UnusableWeights(
                    f"the weights of model version {self.manifest.version} were altered or cut off",
                    received=f"{path} with SHA-256 {found}",
                    expected=f"SHA-256 {sha256}",
                    remedy="restore the model version's folder, or train it again",
                )


class ModelStore:
    """The model versions in a folder, and those that come with Drape.

    Args:
        folder: Where added versions go; made when the first one is added.
        shipped: Versions that are found by name too, but never written here.
    """

    def __init__(self, folder: Path, shipped: Path = SHIPPED_FOLDER) -> None:
        self._folder = folder
        self._shipped = shipped

    def list(self) -> list[str]:
        """Names of all versions, in alphabetical order. A version that is listed may still be found unusable."""
        added = {path.parent.name for root in self._roots() for path in root.glob(f"[!.]*/{MANIFEST_FILE}")}
        left = self._folder.glob(f"{_REPLACED_PREFIX}*/{MANIFEST_FILE}")
        return sorted(added | {path.parent.name.removeprefix(_REPLACED_PREFIX) for path in left})

    def open(self, name_or_folder: str | Path) -> ModelVersion:
        """A version by name, or by the path of its folder.

        A text with a path separator is a path; any other text is a name, whatever the working directory holds.
        Weights are not read here; ``ModelVersion.verify`` does.

        Raises:
            UnusableModel: there is no such version, or its manifest is invalid.
        """
        if isinstance(name_or_folder, Path) or os.sep in name_or_folder:
            folder = Path(name_or_folder).expanduser()
            return ModelVersion(read_manifest(folder / MANIFEST_FILE), folder)
        for folder in (*(root / name_or_folder for root in self._roots()), self._replaced(name_or_folder)):
            if name_or_folder and (folder / MANIFEST_FILE).is_file():
                manifest = read_manifest(folder / MANIFEST_FILE)
                if manifest.version != name_or_folder:
                    raise UnusableModel(
                        f"the folder {folder} holds another model version",
                        received=manifest.version,
                        expected=name_or_folder,
                        remedy="give the folder the version's name back",
                    )
                return ModelVersion(manifest, folder)
        raise UnusableModel(
            "there is no model version of that name",
            received=name_or_folder,
            expected="one of " + (", ".join(self.list()) or "none: there are no versions yet"),
            remedy="train one, or give the path of a version's folder",
        )

    @contextmanager
    def adding(self, version: str, *, replace: bool = False) -> Iterator[Path]:
        """Add a version: write its weights and manifest into the folder that the ``with`` statement gives.

        When the block ends, what was written is checked, flushed to disk and appears under the version's name in one
        step. When the block raises, or the process dies, nothing appears. A version that is replaced is found until
        then, whenever the process dies.

        Args:
            version: The name, as in the manifest that will be written.
            replace: Let it take the place of a version of the same name.

        Raises:
            ModelVersionExists: there is a version of that name and ``replace`` is false.
            UnusableModel: the manifest written is missing, invalid or names another version.
            UnusableWeights: the weights written are missing or differ from the manifest.
            InvalidVersionName: the name is malformed.
        """
        self.require_free(version, replace=replace)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        with tempfile.TemporaryDirectory(prefix=_STAGING_PREFIX, dir=self._folder) as staging:
            # A folder of its own inside, because temporary folders are private and a version should be readable.
            folder = Path(staging) / version
            folder.mkdir()
            yield folder
            added = ModelVersion(read_manifest(folder / MANIFEST_FILE), folder)
            if added.manifest.version != version:
                raise UnusableModel(
                    "the manifest names another model version",
                    received=added.manifest.version,
                    expected=version,
                )
            added.verify()
            _flush(folder)
            self.require_free(version, replace=replace)
            self._put(folder, Path(staging))
            _flush(self._folder)

    def require_free(self, version: str, *, replace: bool = False) -> None:
        """Check that a version of this name can be added, before going to the trouble of making it.

        Raises:
            ModelVersionExists: there is a version of that name, and it is not to be replaced or comes with Drape.
            InvalidVersionName: the name is malformed.
        """
        check_version_name(version)
        of_this_store = (self._folder / version, self._replaced(version))
        for folder in (*of_this_store, self._shipped / version):
            if folder.exists() and not (replace and folder in of_this_store):
                raise ModelVersionExists(
                    f"model version {version} exists already",
                    received=str(folder),
                    expected="a new name: versions never change, because stored vectors were made with them",
                    remedy="choose another name",
                )

    def _roots(self) -> tuple[Path, ...]:
        return (self._folder, self._shipped)

    def _replaced(self, version: str) -> Path:
        """Where a version waits while another takes its name. It counts as the version until that one has it."""
        return self._folder / f"{_REPLACED_PREFIX}{version}"

    def _put(self, folder: Path, staging: Path) -> None:
        """Give a finished folder its place in the store; what it takes the place of goes into ``staging``."""
        target, replaced = self._folder / folder.name, self._replaced(folder.name)
        if target.exists():
            target.rename(replaced)
        folder.rename(target)
        # Away in one step and not file by file, so that no half of it is ever taken for the version.
        with suppress(FileNotFoundError):
            replaced.rename(staging / "replaced")

    def _remove_abandoned(self) -> None:
        """Remove what killed processes left behind; younger leftovers may belong to a process that is still writing."""
        oldest = time.time() - _STAGING_LIFETIME_SECONDS
        for leftover in self._folder.glob(f"{_STAGING_PREFIX}*"):
            # Another process may be done with it, or remove it, at this moment.
            with suppress(FileNotFoundError):
                if leftover.stat().st_mtime < oldest:
                    shutil.rmtree(leftover, ignore_errors=True)
        for replaced in self._folder.glob(f"{_REPLACED_PREFIX}*"):
            if (self._folder / replaced.name.removeprefix(_REPLACED_PREFIX)).exists():
                with suppress(FileNotFoundError):
                    replaced.rename(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=self._folder))


def _flush(folder: Path) -> None:
    """Flush the folder and the files in it to disk, so that a rename cannot outlive what it names."""
    for path in [*folder.iterdir(), folder]:
        if path.is_file() or path == folder:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
