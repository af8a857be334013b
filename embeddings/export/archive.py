"""A model version as one tar file, to be carried to another machine and checked there."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from embeddings.errors import EmbeddingsError
from embeddings.export.companion_files import COMPANION_FILES
from embeddings.manifest import MANIFEST_FILE, ModelManifest, read_manifest
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.postprocessing.stored_whitening import load_whitening
from embeddings.weights.digest import file_sha256
from embeddings.whole_file import written_whole

# The shipped manifest has 5 kB; one of 100,000 attributes would still fit.
_LARGEST_MANIFEST_BYTES: Final = 16 * 2**20
_EVERYONE_MAY_READ: Final = 0o644
# Of files that the manifest does not name; keywords of applications are in capitals, by the format's rules.
_SHA256: Final = "DRAPE.sha256"


class UnusableArchive(EmbeddingsError):
    """The file is no archive of a model version, or it is damaged, or it holds what such an archive never holds."""


def write_archive(model: ModelVersion, path: Path) -> int:
    """Write a version's folder as ``VERSION/…`` into a tar file, and return the file's size in bytes.

    Manifest, every file that it names, and what is known of the training: its history, and what it held out. The same
    version gives the same bytes wherever it is written: owners and times are left out. It is not compressed, because
    weights hardly are compressible.

    Raises:
        UnusableWeights: the weights are missing or altered; nothing is written then.
        UnwritableFile: the archive cannot be written.
    """
    model.verify()
    named = [MANIFEST_FILE, *sorted(model.manifest.file_hashes)]
    unnamed = [name for name in COMPANION_FILES if name not in named and (model.folder / name).is_file()]
    with (
        written_whole(path) as file,
        # A fixed format, because Python's default may change, and with it the bytes.
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in [*named, *unnamed]:
            source = model.folder / name
            entry = tarfile.TarInfo(f"{model.manifest.version}/{name}")
            entry.size = source.stat().st_size
            entry.mode = _EVERYONE_MAY_READ
            if name in unnamed:
                entry.pax_headers = {_SHA256: file_sha256(source)}
            with source.open("rb") as content:
                archive.addfile(entry, content)
    return path.stat().st_size


def read_archive(path: Path, store: ModelStore) -> ModelVersion:
    """Add the version in an archive of ``write_archive`` to a store.

    Nothing of the archive decides where something is written but the version's name and the file names of its
    manifest, both of which cannot lead out of the store. The hashes of all files are checked before it appears, and
    whether its whitening fits it.

    Raises:
        UnusableArchive: no such file, no tar file, cut off, or its entries are not those of one model version.
        UnusableModel: its whitening is not what its manifest says.
        UnusableWeights: its weights are not those that the manifest names.
        ModelVersionExists: the store has a version of that name.
    """
    try:
        with tarfile.open(path, mode="r:") as archive:
            entries = _entries(archive, path)
            manifest = _manifest(archive, entries, path)
            with store.adding(manifest.version) as folder:
                for name, entry in entries.items():
                    content = archive.extractfile(entry)
                    # Only entries without content have none, and those were refused above.
                    if content is None:
                        raise _unusable(path, f"{entry.name} without content")
                    with content, (folder / name).open("wb") as target:
                        shutil.copyfileobj(content, target)
                    if name in COMPANION_FILES and name not in manifest.file_hashes:
                        _check_companion(folder / name, entry, path)
                # What was checked is what was written: the manifest is read once more from the folder.
                if read_manifest(folder / MANIFEST_FILE) != manifest:
                    raise _unusable(path, "a manifest that changes while it is read")
                load_whitening(ModelVersion(manifest, folder))
    except (tarfile.TarError, EOFError) as error:
        raise _unusable(path, str(error)) from error
    except FileNotFoundError as error:
        if error.filename is not None and Path(error.filename) == path:
            raise _unusable(path, "nothing at this path") from error
        raise
    except IsADirectoryError as error:
        raise _unusable(path, "a folder") from error
    return store.open(manifest.version)


def _entries(archive: tarfile.TarFile, path: Path) -> dict[str, tarfile.TarInfo]:
    """The archive's entries by their file name, all regular files in one and the same folder."""
    found: dict[str, tarfile.TarInfo] = {}
    folders: set[str] = set()
    for entry in archive:
        parts = PurePosixPath(entry.name).parts
        if not entry.isreg():
            raise _unusable(path, f"{entry.name}, which is not a plain file")
        if len(parts) != 2 or "/".join(parts) != entry.name or ".." in parts or parts[0] == "/":
            raise _unusable(path, f"the path {entry.name}")
        if parts[1] in found:
            raise _unusable(path, f"{entry.name} twice")
        found[parts[1]] = entry
        folders.add(parts[0])
    if MANIFEST_FILE not in found or len(folders) != 1:
        raise _unusable(path, f"{len(found)} files in {len(folders)} folders, {MANIFEST_FILE} " + _whether(found))
    return found


def _whether(found: dict[str, tarfile.TarInfo]) -> str:
    return "among them" if MANIFEST_FILE in found else "not among them"


def _manifest(archive: tarfile.TarFile, entries: dict[str, tarfile.TarInfo], path: Path) -> ModelManifest:
    """The manifest, which names exactly the archive's other files and its folder."""
    entry = entries[MANIFEST_FILE]
    if entry.size > _LARGEST_MANIFEST_BYTES:
        raise _unusable(path, f"a manifest of {entry.size:,} bytes")
    content = archive.extractfile(entry)
    try:
        manifest = ModelManifest.from_json(json.load(content or io.BytesIO()))
    except (ValueError, RecursionError) as error:
        raise _unusable(path, f"{entry.name}: {error}") from error
    expected = {MANIFEST_FILE, *manifest.file_hashes}
    if expected != set(entries) - (set(COMPANION_FILES) - expected):
        raise _unusable(
            path, f"the files {', '.join(sorted(entries))}; its manifest names {', '.join(sorted(expected))}"
        )
    if PurePosixPath(entry.name).parts[0] != manifest.version:
        raise _unusable(path, f"the folder {PurePosixPath(entry.name).parts[0]} for version {manifest.version}")
    return manifest


def _check_companion(written: Path, entry: tarfile.TarInfo, path: Path) -> None:
    """The manifest knows no hash of these files, so the archive itself has it."""
    if file_sha256(written) != entry.pax_headers.get(_SHA256):
        raise _unusable(path, f"{entry.name}, altered or without its SHA-256")


def _unusable(path: Path, received: str) -> UnusableArchive:
    return UnusableArchive(
        f"{path} is no archive of a model version",
        received=received,
        expected="a file of `drape model export --format archive`: a manifest and the files it names, in one folder",
        remedy="export the model version again, and carry the file over whole",
    )
