"""Machines share model versions through a folder or an object store; what arrives is checked before it is used."""

from __future__ import annotations

import pytest

from catalog.adapters.files.shared_models import SharedModels, open_or_fetch
from catalog.adapters.networks.stored_models import StoredModels
from catalog.errors import ModelStoreUnavailable
from embeddings.errors import EmbeddingsError, UnusableModel
from embeddings.model_store import ModelStore

SHIPPED = "compact-rendered"


@pytest.fixture
def here(tmp_path):
    """A machine that has the shipped versions."""
    return ModelStore(tmp_path / "here")


@pytest.fixture
def there(tmp_path):
    """A machine that has none at all."""
    return ModelStore(tmp_path / "there", shipped=tmp_path / "nothing")


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_a_version_that_is_shared_is_fetched_where_it_lacks(here, there, tmp_path, place):
    shared = SharedModels(str(tmp_path / "shared") if place == "folder" else f"memory://{tmp_path.name}")
    StoredModels(here, batch_size=1, shared=shared).share(f"{SHIPPED}.bfloat16")
    models = StoredModels(there, batch_size=1, shared=shared)
    assert models.describe(f"{SHIPPED}.bfloat16").version == f"{SHIPPED}.bfloat16"
    assert there.list() == [SHIPPED]
    there.open(SHIPPED).verify()


def test_publishing_again_changes_nothing(here, tmp_path):
    shared = SharedModels(str(tmp_path / "shared"))
    shared.publish(here.open(SHIPPED))
    (archive,) = (tmp_path / "shared").iterdir()
    before = archive.stat().st_mtime_ns
    shared.publish(here.open(SHIPPED))
    assert [path.stat().st_mtime_ns for path in (tmp_path / "shared").iterdir()] == [before]


@pytest.mark.parametrize("name", ["never-published", "../escape", ""])
def test_what_nobody_shared_is_told_as_without_sharing(there, tmp_path, name):
    with pytest.raises(UnusableModel, match=r"no model version of that name|no readable manifest"):
        open_or_fetch(name, there, SharedModels(str(tmp_path / "shared")))


def test_a_damaged_archive_is_refused_and_leaves_nothing(here, there, tmp_path):
    shared = SharedModels(str(tmp_path / "shared"))
    shared.publish(here.open(SHIPPED))
    archive = tmp_path / "shared" / f"{SHIPPED}.tar"
    archive.write_bytes(archive.read_bytes()[:-40_000])
    with pytest.raises(EmbeddingsError):
        open_or_fetch(SHIPPED, there, shared)
    assert there.list() == []


def test_an_unknown_protocol_is_named():
    with pytest.raises(ModelStoreUnavailable, match="DRAPE_MODEL_STORE"):
        SharedModels("nowhere://models")
