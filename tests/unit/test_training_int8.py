"""Versions that are made in int8 at once: trained, quantized by training images, measured as they will run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import InvalidRequest
from catalog.services.models import training
from catalog.services.models.training import DatasetSource, TrainingRequest, TrainingService
from embeddings.errors import UnusableModel
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.open_embedder import open_embedder
from embeddings.training.held_out_pictures import read_held_out
from embeddings.training.recipes import RECIPES
from embeddings.whole_file import UnwritableFile

COLORS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (20, 160, 60)}
NUM_ITEMS, VIEWS = 30, 2


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 training photos of 30 items in three colours."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(4)
    lines = ["image,split,attributes,item"]
    for number in range(NUM_ITEMS * VIEWS):
        item = number // VIEWS
        name = list(COLORS)[item % 3]
        noise = random.integers(-20, 20, (36, 36, 3))
        pixels = np.clip(np.array(COLORS[name]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,train,color={name},item-{item}")
    path = folder / "photos.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def models(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def service(models, tmp_path):
    """Data sets need neither a database nor an image store."""
    return TrainingService(None, None, models, None, tmp_path / "training", max_pixels=10**6)


@pytest.fixture
def request_(table):
    config = replace(RECIPES["scratch"].config, epochs=1, batch_size=16, seed=3)
    return TrainingRequest(
        version="colors-1",
        source=DatasetSource(f"table:{table}"),
        recipe=config,
        input_size=32,
        pretrained=False,
        min_count=2,
        held_out_share=0.3,
        precision=Precision.INT8,
    )


def failing(error):
    """A function of anything that raises."""

    def fail(*_, **__):
        raise error

    return fail


def test_a_version_is_made_in_int8(service, request_, models, tmp_path, monkeypatch):
    """Its scores are its own, it holds weights and history, and nothing of the way there is left.

    Where quantizing fails, as here at first, the same command goes on with the network that it trained.
    """
    with monkeypatch.context() as patch:
        patch.setattr(training, "quantize", failing(UnwritableFile("no space")))
        with pytest.raises(UnwritableFile):
            service.train(request_)
    assert models.list() == ["compact-rendered"]
    monkeypatch.setattr(training, "train_network", failing(RuntimeError("trained again")))
    notes = []
    made = service.train(request_, on_note=notes.append)
    made.verify()
    manifest = models.open("colors-1").manifest
    assert manifest.precision is Precision.INT8
    # 30 % of 30 items are held out, 9 of 2 photos: 42 of 60 are trained on, and all of them round the weights.
    assert manifest.int8.calibration == "training images: 42 of 42 images (seed 0)"
    assert "The network was trained already, by the same command on the same images: it is quantized now." in notes
    assert "Rounding weights to int8 by 42 training images." in notes
    assert "pool/cosine same-item precision@1" in manifest.scores
    assert "prob/intersection attribute IoU@5" in manifest.scores
    assert all(0 <= score <= 1 for score in manifest.scores.values())
    assert (made.folder / "history.csv").read_text().count("\n") == 2
    assert len(read_held_out(made.folder)) == 18
    assert [path.name for path in (tmp_path / "training").rglob("*") if path.is_file()] == []
    features = open_embedder(made).embed(np.zeros((1, 32, 32, 3), np.uint8))
    assert features["prob"].shape == (1, 3)
    with pytest.raises(RuntimeError, match="trained again"):
        service.train(replace(request_, version="colors-2"))


def test_what_another_command_left_is_not_taken(service, request_, tmp_path, monkeypatch):
    """It is cleared away, and the training begins."""
    left = tmp_path / "training" / ".unquantized" / "colors-1" / "manifest.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    monkeypatch.setattr(training, "train_network", failing(RuntimeError("trained")))
    with pytest.raises(RuntimeError, match="trained"):
        service.train(request_)
    assert not left.exists()


@pytest.mark.parametrize("changed", ["label", "pixels"])
def test_a_network_of_other_labels_or_photos_is_not_taken(service, request_, table, tmp_path, monkeypatch, changed):
    """The command and the number of images are the same: an item's colour is corrected, a photo is taken anew."""
    copied = shutil.copytree(Path(table).parent, tmp_path / "photos") / "photos.csv"
    request = replace(request_, source=DatasetSource(f"table:{copied}"))
    with monkeypatch.context() as patch:
        patch.setattr(training, "quantize", failing(UnwritableFile("no space")))
        with pytest.raises(UnwritableFile):
            service.train(request)
    left = ModelStore(tmp_path / "training" / ".unquantized").open("colors-1").folder
    if changed == "label":
        copied.write_text(copied.read_text().replace("color=red,item-3\n", "color=blue,item-3\n"))
    else:
        Image.new("RGB", (36, 36), COLORS["red"]).save(copied.parent / "7.png")
    monkeypatch.setattr(training, "train_network", failing(RuntimeError("trained again")))
    with pytest.raises(RuntimeError, match="trained again"):
        service.train(request)
    assert not left.exists()


def test_a_bilinear_head_is_refused_before_anything_is_read(service, request_):
    """There is no such table, and nobody notices."""
    request = replace(
        request_, source=DatasetSource("table:/nowhere.csv"), recipe=replace(request_.recipe, head="bilinear")
    )
    with pytest.raises(UnusableModel, match="bilinear head cannot be quantized"):
        service.train(request)


def test_too_few_training_images_are_found_before_training(service, request_, table, monkeypatch):
    """32 are needed, and 30 % of the items are held out: 24 of 34 photos are left."""
    monkeypatch.setattr(training, "train_network", failing(RuntimeError("trained")))
    few = Path(table).with_name("few.csv")
    few.write_text("\n".join(Path(table).read_text().splitlines()[:35]) + "\n")
    with pytest.raises(InvalidRequest, match=r"24 training images.*at least 32 photos.*another precision"):
        service.train(replace(request_, source=DatasetSource(f"table:{few}")))
