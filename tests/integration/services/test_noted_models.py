"""A version that was edited or replaced after vectors were stored is told, whoever asks for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from catalog.adapters.networks.stored_models import StoredModels
from catalog.rows import GalleryState
from catalog.services.galleries.galleries import GalleryService
from catalog.services.models.noted_models import NotedModels, difference
from embeddings.errors import UnusableModel
from embeddings.manifest import (
    MANIFEST_FILE,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    write_manifest,
)
from embeddings.model_store import ModelStore
from embeddings.taxonomy import Taxonomy

VERSION = "mine"
MANIFEST = ModelManifest(
    version=VERSION,
    input_size=32,
    precision=Precision.FLOAT32,
    networks=(NetworkSpec("compact", "multiattrib", "w.h5", "a" * 64, "torch", "sigmoid", ("pool", "prob")),),
    taxonomy=Taxonomy(("color=blue", "color=red", "sleeve=long")),
    features={"pool": FeatureSpec(8), "prob": FeatureSpec(3)},
    visual_feature="pool",
    provenance=Provenance(data="none", num_images=0, command="test"),
    scores={"pool precision@1": 0.5},
    created=date(2026, 5, 6),
)
OTHER_NETWORK = replace(MANIFEST.networks[0], sha256="b" * 64)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(MANIFEST, scores={}, created=date(2026, 6, 7)), None),
        (
            replace(MANIFEST, taxonomy=Taxonomy(("color=red", "color=blue", "sleeve=long"))),
            "taxonomy[0] is color=red, was color=blue",
        ),
        (
            replace(
                MANIFEST,
                taxonomy=Taxonomy((*MANIFEST.taxonomy.names, "sleeve=short")),
                features={"pool": FeatureSpec(8), "prob": FeatureSpec(4)},
            ),
            "features.prob.size is 4, was 3",
        ),
        (replace(MANIFEST, networks=(OTHER_NETWORK,)), f"networks[0].sha256 is {'b' * 64}, was {'a' * 64}"),
        (
            replace(MANIFEST, networks=(replace(MANIFEST.networks[0], preprocessing="caffe"),)),
            "networks[0].preprocessing is caffe, was torch",
        ),
        (replace(MANIFEST, input_size=64), "input_size is 64, was 32"),
    ],
    ids=["scores", "order", "attributes", "weights", "preprocessing", "input"],
)
def test_what_makes_vectors_incomparable_is_named(now, told):
    """The first difference, by its place; scores and the day it was made decide no vector."""
    assert difference(MANIFEST, now) == told


def services(shop, folder):
    """As a new process has them: nothing is remembered from before."""
    models = NotedModels(StoredModels(ModelStore(folder, shipped=folder / "none"), batch_size=4), shop.unit_of_work)
    return models, GalleryService(shop.unit_of_work, shop.index, models)


def test_a_version_that_was_edited_after_indexing_is_told(shop, tmp_path):
    """Its galleries cannot be made or gone back to, and no network of it is loaded; put back, it works again."""
    with shop.unit_of_work() as work:
        merchant = work.merchants.ensure("atelier")
        work.commit()
    folder = tmp_path / "models"
    path = folder / VERSION / MANIFEST_FILE
    path.parent.mkdir(parents=True)
    write_manifest(MANIFEST, path)
    models, galleries = services(shop, folder)
    # Before its first gallery there is nothing to hold it to.
    assert models.describe(VERSION).taxonomy == MANIFEST.taxonomy
    assert galleries.ensure_live(merchant, VERSION).state == GalleryState.LIVE

    write_manifest(replace(MANIFEST, taxonomy=Taxonomy(("color=red", "color=blue", "sleeve=long"))), path)
    models, galleries = services(shop, folder)
    for ask in (
        lambda: models.describe(VERSION),
        lambda: models.embedder(VERSION),
        lambda: galleries.build_beside(merchant, VERSION),
        lambda: galleries.activate(merchant, VERSION),
    ):
        with pytest.raises(UnusableModel, match=r"taxonomy\[0\] is color=red, was color=blue") as refused:
            ask()
        assert "drape reindex --model NAME" in refused.value.remedy

    write_manifest(MANIFEST, path)
    models, galleries = services(shop, folder)
    assert models.describe(VERSION).version == VERSION
    assert galleries.build_beside(merchant, VERSION).model_version == VERSION
