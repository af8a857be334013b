"""Which precision a gallery's vectors are computed in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.adapters.networks.stored_models import StoredModels
from catalog.services.galleries.galleries import GalleryService
from embeddings.errors import UnusableModel
from embeddings.manifest import MANIFEST_FILE, Int8File, Precision, write_manifest
from embeddings.model_store import SHIPPED_FOLDER, ModelStore

SHIPPED = "compact-rendered"
# What Keras computes from the weights of any version; int8 needs a version that was quantized.
FROM_WEIGHTS = (Precision.FLOAT32, Precision.BFLOAT16)


@pytest.fixture
def models(tmp_path) -> StoredModels:
    """The versions that come with Drape."""
    return StoredModels(ModelStore(tmp_path), batch_size=1)


def _galleries(models: StoredModels, precision: Precision | None) -> GalleryService:
    def no_database():
        raise AssertionError("describing a version needs no database")

    return GalleryService(no_database, None, models, precision)  # type: ignore[arg-type]  # Needs no index either.


@pytest.mark.parametrize("precision", FROM_WEIGHTS)
def test_the_setting_decides_what_new_galleries_are_named_for(models, precision):
    """The version's own precision goes without saying; any other is part of the name, and the name is found again."""
    own = Precision(str(models.describe(SHIPPED).manifest["precision"]))
    name = _galleries(models, precision).describe(SHIPPED).version
    assert name == (SHIPPED if precision is own else f"{SHIPPED}.{precision}")
    assert models.describe(name).version == name


@pytest.mark.parametrize("setting", [None, *FROM_WEIGHTS])
@pytest.mark.parametrize("precision", FROM_WEIGHTS)
def test_a_precision_that_is_asked_for_by_name_wins_over_the_setting(models, setting, precision):
    """The setting is for names that leave it open."""
    asked = f"{SHIPPED}.{precision}"
    assert _galleries(models, setting).describe(asked).version == models.describe(asked).version


def test_a_gallery_keeps_its_precision_whatever_the_setting_becomes(models):
    """A gallery's version is looked up by its name alone: vectors of two precisions never meet in it."""
    for precision in FROM_WEIGHTS:
        _galleries(models, precision).describe(SHIPPED)
        assert models.describe(SHIPPED).version == SHIPPED


def test_int8_is_for_versions_that_were_quantized(models):
    """Any other is refused before a gallery is made, with the command that makes such a version."""
    with pytest.raises(UnusableModel, match=f"drape model quantize {SHIPPED} --name NEW"):
        _galleries(models, Precision.INT8).describe(SHIPPED)


def test_a_quantized_version_keeps_its_other_precisions_apart(tmp_path):
    """In int8 it has its own name, in float32 another: the same rule as for every version."""
    folder = tmp_path / "small-int8"
    folder.mkdir()
    manifest = ModelStore(tmp_path).open(SHIPPED).manifest
    int8 = Int8File("int8.tflite", "c3" * 32, "some photos", 40)
    quantized = replace(manifest, version="small-int8", precision=Precision.INT8, int8=int8)
    write_manifest(quantized, folder / MANIFEST_FILE)
    models = StoredModels(ModelStore(tmp_path), batch_size=1)
    assert _galleries(models, None).describe("small-int8").version == "small-int8"
    assert _galleries(models, Precision.INT8).describe("small-int8").version == "small-int8"
    assert _galleries(models, Precision.FLOAT32).describe("small-int8").version == "small-int8.float32"


def test_a_version_that_is_not_found_by_its_name_makes_no_gallery(models, tmp_path):
    """Given by path from outside of the store, it would not be found when the gallery is searched."""
    outside = tmp_path / "elsewhere" / "moved-1"
    outside.mkdir(parents=True)
    manifest = (SHIPPED_FOLDER / SHIPPED / "manifest.json").read_text(encoding="utf-8")
    (outside / "manifest.json").write_text(manifest.replace(f'"{SHIPPED}"', '"moved-1"'), encoding="utf-8")
    assert models.describe(str(outside)).version == "moved-1"
    with pytest.raises(UnusableModel, match="moved-1"):
        _galleries(models, None).describe(str(outside))
