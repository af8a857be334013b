"""Model versions that machines share: archives under a fsspec URL, one a version, which never change."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path

from catalog.adapters.files.fsspec_location import open_location
from catalog.errors import ModelStoreUnavailable
from embeddings.errors import InvalidVersionName, UnusableModel
from embeddings.manifest import check_version_name
from embeddings.model_store import ModelStore, ModelVersion, ModelVersionExists


class SharedModels:
    """Archives ``NAME.tar``, as ``drape model export`` writes them.

    Args:
        url: Any fsspec URL, or a path that all machines see.

    Raises:
        ModelStoreUnavailable: the URL's protocol is unknown, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self._location = open_location(url, "shared model store", "DRAPE_MODEL_STORE", ModelStoreUnavailable)

    def publish(self, model: ModelVersion) -> None:
        """Make the version available to the other machines, if it is not yet.

        Raises:
            UnusableWeights: its weights are missing or altered. Nothing is published then.
            ModelStoreUnavailable: the store cannot be written.
        """
        from embeddings.export.archive import write_archive

        files, target = self._location.files, self._path(model.manifest.version)
        with self._location.reachable():
            if files.exists(target):
                return
            with tempfile.TemporaryDirectory(prefix="drape-model-") as folder:
                archive = Path(folder) / "version.tar"
                write_archive(model, archive)
                if self._location.is_local:
                    # Object stores show an object only once it is complete; a folder shows what is being written.
                    files.makedirs(self._location.root, exist_ok=True)
                    unfinished = f"{self._location.root}/.unfinished-{secrets.token_hex(8)}"
                    files.put_file(str(archive), unfinished)
                    files.mv(unfinished, target)
                else:
                    files.put_file(str(archive), target)

    def fetch(self, name: str, store: ModelStore) -> ModelVersion | None:
        """Add the version to this machine's store; None if it was never published.

        Raises:
            UnusableArchive, UnusableWeights, UnusableModel: what is there is no whole version.
            ModelStoreUnavailable: the store cannot be read.
        """
        from embeddings.export.archive import read_archive

        try:
            check_version_name(name)
        except InvalidVersionName:
            return None
        with tempfile.TemporaryDirectory(prefix="drape-model-") as folder:
            archive = Path(folder) / "version.tar"
            with self._location.reachable():
                try:
                    self._location.files.get_file(self._path(name), str(archive))
                except FileNotFoundError:
                    return None
            # Another process of this machine may have been quicker.
            with contextlib.suppress(ModelVersionExists):
                read_archive(archive, store)
        return store.open(name)

    def _path(self, name: str) -> str:
        return f"{self._location.root}/{name}.tar"


def open_or_fetch(name: str, store: ModelStore, shared: SharedModels | None) -> ModelVersion:
    """The version from this machine's store, or else from the shared one.

    Raises:
        UnusableModel: neither has it, or what they have cannot be used.
        ModelStoreUnavailable: the shared store would have to be asked, and cannot be read.
    """
    try:
        return store.open(name)
    except UnusableModel:
        fetched = None if shared is None or name in store.list() else shared.fetch(name, store)
        if fetched is None:
            raise
        return fetched
