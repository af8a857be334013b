"""A merchant trains on the catalog and changes to the new model version."""

from __future__ import annotations

import pytest
from PIL import Image

from embeddings.datasets.rendered.catalog import write_catalog
from embeddings.model_store import ModelStore
from embeddings.training.checkpoints import Checkpoints, TrainingState

NUM_ITEMS = 16
VIEWS = 2
RECIPE = ("--trunk", "compact", "--input-size", "64", "--min-count", "4", "--precision", "float32", "--json")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """A small rendered catalog: its feed."""
    return write_catalog(tmp_path_factory.mktemp("rendered") / "catalog", NUM_ITEMS, VIEWS, seed=5, height=96)


def _versions(drape) -> list[str]:
    return [one["version"] for one in drape.run_here("model", "list", "--json").json["versions"]]


@pytest.mark.slow
def test_a_catalog_is_trained_on_and_changed_to(drape, catalog, tmp_path):
    """A head on the shipped trunk becomes a version, and that the live gallery."""
    shipped = ModelStore(tmp_path).open("compact-rendered")
    weights = shipped.weights_path(shipped.manifest.networks[0])
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    head = drape.run_here("train", "--name", "head-1", "--weights", weights, "--epochs", "2", *RECIPE)
    assert head.code == 0, head.err
    assert head.json["version"] == "head-1"
    assert head.json["taxonomy"] == sorted(head.json["taxonomy"])
    assert head.json["scores"]
    assert "epoch 2/2" in head.err

    results = ("evaluate", "--merchant", "atelier", "--out", tmp_path / "results", "--model", "head-1", "--no-engine")
    flattered = drape.run_here(*results, "--feature", "prob", "--json")
    assert flattered.code == 0, flattered.err
    assert "head-1 was trained on photos of this very catalog" in " ".join(flattered.json["notes"])
    fair = drape.run_here(*results, "--feature", "prob", "--held-out-only", "--json")
    assert fair.code == 0, fair.err
    # A tenth of 16 products.
    assert fair.json["dataset"]["num_queries"] == fair.json["dataset"]["num_gallery"] == 2 * VIEWS
    assert "trained on photos" not in " ".join(fair.json["notes"])

    changed = drape.run("reindex", "--model", "head-1", "--json")
    assert changed.code == 0, changed.err
    assert (changed.json["embedded"], changed.json["live"]) == (NUM_ITEMS * VIEWS, True)
    checked = changed.json["checked"]
    assert (checked["images"], checked["points"]) == (NUM_ITEMS * VIEWS, NUM_ITEMS * VIEWS)
    assert checked["recall_at_10"][0] == {"filter": "no filter", "queries": 20, "pool": 1.0, "hist": 1.0}
    again = drape.run_here("reindex", "--model", "head-1", "--json")
    assert (again.json["embedded"], again.json["live"]) == (0, True)
    galleries = drape.run_here("status", "--json").json[0]["galleries"]
    states = {one["gallery"]["model_version"]: one["gallery"]["state"] for one in galleries}
    assert states == {"compact-rendered": "retired", "head-1": "live"}
    hits = drape.run_here("similar", "R5-00000", "--json")
    assert hits.json["model_version"] == "head-1"
    assert {reason["attribute"] for hit in hits.json["hits"] for reason in hit["why"]} <= set(head.json["taxonomy"])

    back = drape.run("reindex", "--rollback", "--json")
    assert back.code == 0, back.err
    assert (back.json["model"], back.json["embedded"], back.json["live"]) == ("compact-rendered", 0, True)
    assert drape.run_here("similar", "R5-00000", "--json").json["model_version"] == "compact-rendered"

    pruned = drape.run_here("reindex", "--prune", "--json")
    assert pruned.json["dropped"] == ["head-1"]
    assert (pruned.json["points"], pruned.json["collections"]) == (NUM_ITEMS * VIEWS, ["drape-head-1"])
    assert "nothing of atelier to drop" in drape.run_here("reindex", "--prune").out

    taken = drape.run_here("train", "--name", "head-1", "--end-to-end", "--epochs", "1", *RECIPE)
    assert taken.code == 1
    assert "head-1" in taken.err
    assert _versions(drape) == ["compact-rendered", "head-1"]


@pytest.mark.slow
def test_every_layer_is_trained_on_a_catalog(drape, catalog):
    """That is a version, too; a refused training of its name takes nothing from it."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    whole = drape.run_here("train", "--name", "whole-1", "--end-to-end", "--epochs", "1", *RECIPE)
    assert whole.code == 0, whole.err
    taken = drape.run_here("train", "--name", "whole-1", "--end-to-end", "--epochs", "1", *RECIPE)
    assert taken.code == 1
    assert "whole-1" in taken.err
    assert _versions(drape) == ["compact-rendered", "whole-1"]


@pytest.mark.slow
def test_a_version_is_carried_elsewhere_and_gone_back_to(drape, catalog, tmp_path):
    """A catalog changes to another precision and back at once; what is exported is checked when it is imported."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    missing = drape.run_here("model", "activate", "compact-rendered.bfloat16")
    assert missing.code == 1
    assert "drape reindex --model compact-rendered.bfloat16" in missing.err
    changed = drape.run_here("reindex", "--model", "compact-rendered.bfloat16")
    assert changed.code == 0
    assert "Recall@10, no filter: pool" in changed.out
    back = drape.run("model", "activate", "compact-rendered", "--merchant", "atelier", "--json")
    assert (back.code, back.json) == (0, {"merchant": "atelier", "model": "compact-rendered", "live": True})
    assert drape.run_here("model", "list", "--json").json["live"] == {"compact-rendered": ["atelier"]}
    assert "atelier" in drape.run_here("model", "list").out

    archive = tmp_path / "version.tar"
    exported = drape.run("model", "export", "compact-rendered", "--out", archive, "--json")
    assert (exported.code, exported.json["bytes"]) == (0, archive.stat().st_size)
    taken = drape.run("model", "import", archive)
    assert taken.code == 1
    assert "compact-rendered exists already" in taken.err
    refused = drape.run_here("model", "export", "compact-rendered", "--out", tmp_path / "none" / "version.tar")
    assert refused.code == 1
    assert "cannot be written" in refused.err


@pytest.mark.slow
def test_a_version_is_quantized_changed_to_and_exported(drape, catalog, tmp_path):
    """The catalog's own photos calibrate it; searches then run in int8; a file for phones is checked on the way out."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    made = drape.run("model", "quantize", "compact-rendered", "--name", "small-int8", "--json")
    assert made.code == 0, made.err
    assert made.json["precision"] == "int8"
    assert made.json["int8"]["calibration"] == "catalog of atelier: 32 of 32 images (seed 0)"
    changed = drape.run_here("reindex", "--model", "small-int8", "--json")
    assert (changed.code, changed.json["live"]) == (0, True), changed.err
    photo = next((catalog.parent).rglob("*.jpg"))
    assert drape.run_here("search", photo, "--json").json["model_version"] == "small-int8"
    assert "small-int8" in drape.run_here("model", "show", "small-int8").out

    file = tmp_path / "small.tflite"
    options = ("--format", "tflite", "--out", file, "--json")
    exported = drape.run("model", "export", "compact-rendered", *options, "--precision", "int8", "--check")
    assert exported.code == 0, exported.err
    assert exported.err == ""
    assert exported.json["bytes"] == file.stat().st_size
    assert exported.json["agreement"]["recall"]["pool"] > 0.8
    refused = drape.run_here(
        "model", "export", "compact-rendered", *options, "--precision", "int8", "--calibration-images", tmp_path
    )
    assert refused.code == 1
    assert "0 usable images" in refused.err
    nonsense = drape.run_here("model", "export", "compact-rendered", "--check", "--out", file)
    assert nonsense.code == 2


def test_too_little_to_train_on_is_said_so(drape, catalog):
    """The numbers that were found, and the option that would help."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    ran = drape.run_here("train", "--name", "none", "--min-count", "10000")
    assert ran.code == 2
    assert "32 images, 0 attributes" in ran.err
    assert "--min-count" in ran.err


@pytest.mark.slow
def test_attributes_of_texts_are_trained_where_asked_for(drape, catalog):
    """Words of titles and descriptions become the taxonomy; the manifest says so, the history lies beside it."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    ran = drape.run_here(
        *("train", "--name", "words-1", "--attributes", "text", "--recipe", "small", "--trunk", "compact"),
        *("--input-size", "32", "--min-count", "4", "--epochs", "1", "--json"),
    )
    assert ran.code == 0, ran.err
    assert any(name.startswith("color=") for name in ran.json["taxonomy"])
    assert "attributes from texts" in ran.json["provenance"]["data"]
    assert ran.json["provenance"]["settings"]["trunk"] == "compact"
    assert (drape.home / "models" / "words-1" / "history.csv").read_text().count("\n") == 2
    assert not (drape.home / "training" / "words-1").exists()


@pytest.fixture
def table(tmp_path):
    """A table of 16 photos, red and blue by turns."""
    lines = ["image,split,attributes"]
    for number in range(16):
        color = ((220, 30, 30), (30, 30, 220))[number % 2]
        Image.new("RGB", (40, 40), color).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,train,color={('red', 'blue')[number % 2]}")
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_a_data_set_is_trained_on_without_a_database(drape, table, tmp_path):
    """A table of photos, by a recipe for all layers; a photo that cannot be read is named when it is reached."""
    recipe = ("--recipe", "scratch", "--input-size", "32", "--epochs", "1", "--min-count", "1", "--held-out", "0")
    ran = drape.run("train", "--name", "table-1", "--dataset", f"table:{table}", *recipe)
    assert ran.code == 0, ran.err
    assert "There are fewer images than a batch of 32: batches have 16." in ran.err
    assert "prob is the softmax of the scores" in ran.err
    assert "drape reindex --model table-1 --merchant MERCHANT" in ran.out
    assert not (drape.home / "postgres").exists()

    (tmp_path / "9.png").write_bytes(b"no photo")
    broken = drape.run_here("train", "--name", "table-2", "--dataset", f"table:{table}", *recipe)
    assert broken.code == 1
    assert "9.png" in broken.err
    assert "Traceback" not in broken.err


def test_an_unfinished_training_is_begun_anew_where_asked_to(drape, table):
    """What is left of another recipe is refused and stays, until --restart drops it and trains every epoch."""
    recipe = ("--recipe", "scratch", "--input-size", "32", "--epochs", "1", "--min-count", "1", "--held-out", "0")
    command = ("train", "--name", "table-1", "--dataset", f"table:{table}", *recipe)
    left = TrainingState(network=[], optimizer=[], history=[], best_epoch=None)
    Checkpoints(drape.home / "training" / "table-1", {"recipe": {"epochs": 9}}).save(left)
    state = drape.home / "training" / "table-1" / "state.npz"
    kept = state.read_bytes()

    refused = drape.run_here(*command)
    assert refused.code == 1
    assert "expected: recipe.epochs 9" in refused.err
    assert "begin anew with --restart" in refused.err
    assert state.read_bytes() == kept

    anew = drape.run_here(*command, "--restart")
    assert anew.code == 0, anew.err
    assert "epoch 1/1" in anew.err
    assert not state.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--merchant", "a", "--dataset", "table:t.csv"), "two sources"),
        (("--dataset", "table:t.csv", "--head", "bilinear"), "--head"),
        (("--dataset", "table:t.csv", "--recipe", "small", "--learning-rate", "-1"), "learning_rate must be above 0"),
        (("--dataset", "table:t.csv", "--learn-words", "5"), "--learn-words"),
    ],
    ids=["sources", "frozen", "rate", "words"],
)
def test_options_that_contradict_each_other_are_refused(drape, options, said):
    """Before anything is read; the option at fault is named."""
    ran = drape.run_here("train", "--name", "v", *options)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "none of them"),
        (("--model", "v", "--rollback"), "--model v and --rollback"),
        (("--rollback", "--prune"), "--rollback and --prune"),
        (("--rollback", "--building"), "--building with --rollback"),
        (("--rollback", "--min-recall", "0"), "--min-recall with --rollback"),
        (("--model", "v", "--min-precision", "80"), "from 0 to 1"),
        (("--prune", "--max-rate", "5"), "--max-rate with --prune"),
    ],
    ids=["nothing", "model", "prune", "building", "checks of a rollback", "percentage", "rate of nothing"],
)
def test_reindex_does_one_thing(drape, options, said):
    """What was asked for and what can be is told, before any part is started."""
    ran = drape.run_here("reindex", *options)
    assert ran.code == 2
    assert said in ran.err
    assert not (drape.home / "postgres").exists()
