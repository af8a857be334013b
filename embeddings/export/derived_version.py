"""Versions made of others: the same networks, and a file more."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from embeddings.export.companion_files import COMPANION_FILES
from embeddings.manifest import MANIFEST_FILE, ModelManifest, write_manifest
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.whole_file import UnwritableFile


def add_derived(model: ModelVersion, manifest: ModelManifest, store: ModelStore, files: Mapping[str, bytes]) -> None:
    """Add a version that has its own manifest and some files of its own, and takes the others from ``model``.

    The history of its training and what that held out, where they are there, go with it.

    Raises:
        ModelVersionExists: the name is taken.
        UnusableWeights: a file of ``model`` was altered.
        UnwritableFile: the new version's folder cannot be written.
    """
    try:
        with store.adding(manifest.version) as folder:
            for name in manifest.file_hashes:
                if name in files:
                    (folder / name).write_bytes(files[name])
                else:
                    shutil.copyfile(model.folder / name, folder / name)
            for name in COMPANION_FILES:
                if (model.folder / name).is_file():
                    shutil.copyfile(model.folder / name, folder / name)
            write_manifest(manifest, folder / MANIFEST_FILE)
    except OSError as error:
        raise UnwritableFile(
            f"model version {manifest.version} cannot be written",
            received=f"{error.strerror or error}: {error.filename}",
            expected=f"space for copies of {', '.join(manifest.file_hashes)}",
            remedy="free space, or set DRAPE_HOME to another disk",
        ) from error


def scores_of_origin(manifest: ModelManifest) -> dict[str, float]:
    """The scores of a version under names that say whose they are, for a version made of it."""
    return {
        name if name.endswith(")") and " (of " in name else f"{name} (of {manifest.version})": score
        for name, score in manifest.scores.items()
    }
