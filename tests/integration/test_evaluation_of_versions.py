"""Model versions through the evaluation service, on Keras and the engine: several networks, several precisions."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.adapters.networks.stored_models import StoredModels
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import InvalidRequest
from catalog.services.models.evaluation import EvaluationRequest, EvaluationService
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.evaluation.embedder_network import EmbedderNetwork
from embeddings.evaluation.evaluated_rows import Fusion, RowOptions
from embeddings.evaluation.unusable_features import UnusableFeatures
from embeddings.export.whitened_version import WhiteningRequest, whiten
from embeddings.manifest import MANIFEST_FILE, write_manifest
from embeddings.model_store import ModelStore
from embeddings.normalization import Normalization
from embeddings.similarity import l2_normalize
from embeddings.training.held_out_pictures import write_held_out
from tests.fakes import INPUT_SIZE, ColorEmbedder
from tests.model_versions import RandomNetwork, add_version


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One version of two networks: pool from the one, prob and the bilinear descriptor from the other."""
    store = ModelStore(tmp_path_factory.mktemp("models"))
    networks = [RandomNetwork("multiattrib", ("pool",)), RandomNetwork("bilinear", ("bilinear", "prob"), rank=2)]
    add_version(store, "two", [(one, one.build(seed)) for seed, one in enumerate(networks, start=4)])
    return store


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photos of six colours, two of each, every one asking for the others."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(9)
    images = []
    for number in range(12):
        path = folder / f"{number}.png"
        pixels = np.full((40, 40, 3), 40 * (number // 2), np.uint8) + random.integers(0, 9, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        attributes = ("color=red", "pattern=dots") if number < 6 else ("color=blue",)
        images.append(DatasetImage(path, {"item": str(number // 2)}, attributes))
    return Dataset("grey", (), tuple(images), tuple(images))


@pytest.fixture
def service(store, tmp_path):
    @contextmanager
    def index():
        opened = QdrantEdgeIndex(tmp_path / "vectors")
        try:
            yield opened
        finally:
            opened.close()

    models = StoredModels(store, batch_size=4)
    return EvaluationService(store, models, index, batch_size=4, decode_threads=2, max_pixels=10**6)


def test_every_network_of_a_version_has_rows_and_the_engine_takes_features_from_both(service, photos):
    """The engine's visual row is ranked by the first network's pool, its prob rows by the second's."""
    report = service.evaluate(EvaluationRequest(photos, models=("two",)))
    rows = {(row.model, row.feature, row.metric): row for row in report.rows}
    first, second = "two (compact + multiattrib)", "two (compact + bilinear)"
    assert {model for model, _, _ in rows} == {first, second, "two"}
    pairs = [
        ((first, "pool", "L2 + Euclidean"), ("two", "pool", "engine, visual: cosine, int8")),
        ((second, "prob", "L2 + hist. inter."), ("two", "prob", "engine, native: L2 + hist. inter.")),
    ]
    for exact, engine in pairs:
        recall = rows[exact].measures.levels["item"].recall
        assert rows[engine].measures.levels["item"].recall == pytest.approx(recall, abs=0.1)
    assert {row.feature for row in report.rows if row.model == second} == {"pool", "bilinear", "scores", "prob"}
    assert [facts["weights_sha256"] for facts in report.models] == [
        network.sha256 for network in service._store.open("two").manifest.networks
    ]
    assert any("1 of the data set's 3 attributes (33% of all" in note for note in report.notes), report.notes


def test_the_engine_stands_beside_the_exact_row_of_what_it_ranks_by(service, store, photos):
    """A version that scales prob to sum 1: without any option there is that intersection, exact, native and re-ranked.

    The network's prob differs from photo to photo in its sum, so the two scalings differ in their curves.
    """
    network = RandomNetwork("multiattrib", ("pool", "prob"))
    add_version(store, "shares", [(network, network.build(6))], prob_normalization=Normalization.L1)
    report = service.evaluate(EvaluationRequest(photos, models=("shares",)))
    of_prob = {row.metric: row.measures for row in report.rows if row.feature == "prob"}
    assert set(of_prob) == {
        "L2 + hist. inter.",
        "L1 + hist. inter.",
        "engine, native: L1 + hist. inter.",
        "engine, rerank: L1 + hist. inter. of 200",
    }
    exact, paper = of_prob["L1 + hist. inter."], of_prob["L2 + hist. inter."]
    for metric, measures in of_prob.items():
        if metric.startswith("engine"):
            # Of 12 points the index loses nothing.
            assert measures == exact != paper


@pytest.mark.parametrize(
    ("data", "scores", "merchant", "said"),
    [
        ("catalog of atelier: 90 of 100 images", {"prob IoU@1": 0.5}, "atelier", "`drape model show {name}`"),
        ("catalog of atelier, category Hats: 90 of 100 images", {}, "atelier", "train with --held-out"),
        ("catalog of atelier-2: 90 of 100 images", {}, "atelier", None),
        ("catalog of atelier: 90 of 100 images", {}, None, None),
    ],
    ids=["held out", "nothing held out", "another catalog", "a data set"],
)
def test_a_catalog_that_was_trained_on_is_told_of(service, store, photos, data, scores, merchant, said):
    """Its photos are known to the version, so its rows flatter it; fair scores are named, or how to have some."""
    network = RandomNetwork("multiattrib", ("pool", "prob"))
    name = f"trained-{len(store.list())}"
    made = add_version(store, name, [(network, network.build(2))])
    provenance = replace(made.manifest.provenance, data=data)
    write_manifest(replace(made.manifest, provenance=provenance, scores=scores), made.folder / MANIFEST_FILE)
    asked = EvaluationRequest(photos, models=(name,), rows=RowOptions(features=("prob",)), engine=False)
    report = service.evaluate(replace(asked, merchant=merchant))
    told = [note for note in report.notes if "was trained on photos of this very catalog" in note]
    assert len(told) == (said is not None)
    assert all(note.startswith(f"{name} was") and said.format(name=name) in note for note in told)


def test_what_several_versions_held_out_is_what_all_of_them_did(service, store):
    """Versions of other catalogs take nothing away; one that does not know what it held out is named."""
    network = RandomNetwork("multiattrib", ("pool", "prob"))
    built = network.build(2)
    of_atelier = {"first": ["a", "b", "c"], "second": ["b", "c", "d"], "unknown": []}
    for name, pictures in of_atelier.items():
        made = add_version(store, name, [(network, built)])
        provenance = replace(made.manifest.provenance, data="catalog of atelier: 9 of 12 images")
        write_manifest(replace(made.manifest, provenance=provenance), made.folder / MANIFEST_FILE)
        write_held_out(pictures, made.folder)
    assert service.held_out_pictures(["first.bfloat16"], "atelier") == {"a", "b", "c"}
    assert service.held_out_pictures(["first", "two", "second"], "atelier") == {"b", "c"}
    with pytest.raises(InvalidRequest, match=r"not known.*received: unknown;"):
        service.held_out_pictures(["first", "unknown"], "atelier")
    with pytest.raises(InvalidRequest, match="no version that was trained on the catalog of salon"):
        service.held_out_pictures(["first"], "salon")


def test_a_version_in_two_precisions_side_by_side(service, store, photos):
    """By name with a precision at its end, and by folder; only what rows need is computed and kept."""
    request = EvaluationRequest(
        photos,
        models=(str(store.open("two").folder), "two.bfloat16"),
        rows=RowOptions(features=("pool",), fuse=(Fusion("bilinear", 0.5),)),
        engine=False,
    )
    report = service.evaluate(request)
    assert [facts["precision"] for facts in report.models] == ["float32", "float32", "bfloat16", "bfloat16"]
    assert {row.model.split(" ")[0] for row in report.rows} == {"two", "two.bfloat16"}
    assert {row.feature for row in report.rows} == {"pool", "bilinear + 0.5 prob"}
    assert len(report.notes) == len(set(report.notes))


def test_a_whitened_version_is_evaluated_as_it_is_searched(service, store, photos):
    """Its bilinear descriptor, whitened to 4 components, is what the engine searches; it is not whitened once more."""
    pictures = DatasetPhotos(photos.gallery, 32)
    request = WhiteningRequest("white", 4, feature="bilinear")
    whiten(store.open("two"), request, pictures, "photos", store, command="whiten it")
    report = service.evaluate(EvaluationRequest(photos, models=("white",), rows=RowOptions(whiten=(3,))))
    rows = {(row.feature, row.metric): row for row in report.rows}
    exact, engine = rows["bilinear", "L2 + Euclidean"], rows["bilinear", "engine, visual: cosine, int8"]
    assert (exact.size, engine.size) == (4, 4)
    expected = exact.measures.levels["item"].recall
    assert engine.measures.levels["item"].recall == pytest.approx(expected, abs=0.1)
    assert not any("whitened" in feature for feature, _ in rows)
    assert "white is whitened already: it has no rows that are whitened once more." in report.notes
    assert report.models[1]["whitening_sha256"] == store.open("white").manifest.whitening.sha256


def test_what_runs_elsewhere_gives_its_features_as_they_are():
    """An embedder that is no Keras network, as an int8 version is, under its own name."""
    embedder = ColorEmbedder("colors-7")
    network = EmbedderNetwork(embedder, {"precision": "int8"}, batch_size=3)
    images = np.random.default_rng(1).integers(0, 256, (2, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    assert (network.name, network.input_size, network.batch_size) == ("colors-7", INPUT_SIZE, 3)
    assert network.sizes == {"pool": 48, "prob": 6}
    expected = embedder.embed(images)
    for name, values in network.compute(images).items():
        assert np.array_equal(values, expected[name])


@pytest.mark.parametrize(
    ("weight", "value", "half_precision", "received", "remedy"),
    [
        # Weights that are no numbers are never saved; the sum over 384 channels is none.
        ("kernel", 3e38, False, "NaN or infinity in scores", "--precision float32"),
        ("bias", 7e4, True, "in scores", "--float16"),
    ],
    ids=["no number", "beyond float16"],
)
def test_a_network_whose_numbers_cannot_be_compared_is_named(
    tmp_path, photos, weight, value, half_precision, received, remedy
):
    """Scores that are no numbers, or too large for float16: an error with the version and what to do, no traceback."""
    store = ModelStore(tmp_path / "models")
    one = RandomNetwork("multiattrib", ("pool", "prob"))
    network = one.build(1)
    variable = getattr(network.get_layer("scores"), weight)
    variable.assign(np.full(variable.shape, value))
    add_version(store, "broken", [(one, network)])
    service = EvaluationService(
        store, StoredModels(store, batch_size=4), None, batch_size=4, decode_threads=2, max_pixels=10**6
    )
    request = EvaluationRequest(photos, models=("broken",), engine=False, half_precision=half_precision)
    with pytest.raises(UnusableFeatures, match="broken gives features") as refused:
        service.evaluate(request)
    assert received in refused.value.received
    assert remedy in refused.value.remedy


def test_what_runs_elsewhere_and_gives_no_numbers_is_named():
    """An embedder cannot scale NaN; that is said as of any other network."""

    class Broken(ColorEmbedder):
        def embed(self, images):
            return {"pool": l2_normalize(np.full((len(images), 48), np.nan, np.float32))}

    network = EmbedderNetwork(Broken("colors-8"), {}, batch_size=3)
    with pytest.raises(UnusableFeatures, match="colors-8 gives features that cannot be compared") as refused:
        network.compute(np.zeros((2, INPUT_SIZE, INPUT_SIZE, 3), np.uint8))
    assert "NaN" in refused.value.received


def test_missing_photos_are_named(service, photos):
    """A file that is not there ends the evaluation with its path."""
    gone = DatasetImage(Path("gone.png"), {"item": "0"})
    broken = Dataset("grey", (), (*photos.queries, gone), photos.gallery)
    with pytest.raises(UnusableDataset, match=r"gone\.png"):
        service.evaluate(EvaluationRequest(broken, models=("two",)))
