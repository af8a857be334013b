"""Catalogs, data sets and versions that cannot do what is asked of them, on the command line: what is said, and how."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from embeddings.manifest import MANIFEST_FILE
from embeddings.model_store import SHIPPED_FOLDER
from tests.full_disk import files_end_at

SHIPPED = SHIPPED_FOLDER / "compact-rendered"
WEIGHTS = SHIPPED / "compact_multiattrib.weights.h5"
FROZEN = ("--trunk", "compact", "--weights", str(WEIGHTS), "--input-size", "32", "--min-count", "1")
SCRATCH = ("--recipe", "scratch", "--input-size", "32", "--min-count", "1")
COLORS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


def picture(folder, number):
    """A noisy red one for even numbers, a blue one for odd ones; its name."""
    random = np.random.default_rng(number)
    color = np.array(list(COLORS.values())[number % 2])
    pixels = np.clip(color + random.integers(-20, 20, (64, 48, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"{number}.png")
    return f"{number}.png"


@pytest.fixture
def table(tmp_path):
    """Writes a data set of labelled photos: attributes of each; by its name for --dataset."""

    def write(*attributes):
        path = tmp_path / "photos.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "split", "attributes"])
            writer.writerows([picture(tmp_path, number), "train", text] for number, text in enumerate(attributes))
        return f"table:{path}"

    return write


@pytest.fixture
def feed(tmp_path):
    """Writes a feed, a row per photo: its attributes and its box."""

    def write(rows):
        path = tmp_path / "feed.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "title", "category", "attributes", "image", "image_box"])
            writer.writerows(
                [f"P{number}", f"Item {number}", "Dresses", text, picture(tmp_path, number), box]
                for number, (text, box) in enumerate(rows)
            )
        return path

    return write


RED_AND_BLUE = ("color=red", "color=blue") * 6


def versions(drape):
    folder = drape.home / "models"
    return sorted(path.name for path in folder.glob("[!.]*")) if folder.exists() else []


def test_a_catalog_without_attributes_or_with_one_is_no_training_set(drape, feed):
    """Told with what was looked at; it is searched all the same; its attribute IoU is said to tell nothing."""
    assert drape.run_here("ingest", feed([("", "")] * 6), "--merchant", "plain").code == 0
    none = drape.run_here("train", "--name", "v", "--merchant", "plain", *FROZEN)
    assert none.code == 2
    assert "catalog of plain: no image with an attribute, of 6 looked at" in none.err
    assert "mine its texts with --attributes both" in none.err
    mined = drape.run_here("train", "--name", "v", "--merchant", "plain", "--attributes", "both", *FROZEN)
    assert mined.code == 2
    assert "--vocabulary" in mined.err
    judged = drape.run_here(
        "evaluate", "--merchant", "plain", "--model", "compact-rendered", "--out", feed([]).parent / "out"
    )
    assert judged.code == 1
    assert "no query of 6 has attributes or a relevant image in the gallery" in judged.err

    assert drape.run_here("ingest", feed([("color=red", "")] * 6), "--merchant", "red").code == 0
    one = drape.run_here("train", "--name", "v", "--merchant", "red", *FROZEN)
    assert one.code == 2
    assert "6 images, 1 attributes" in one.err
    assert "at least two products and two attributes" in one.err
    options = ("--model", "compact-rendered", "--out", feed([]).parent / "out", "--no-engine", "--feature", "prob")
    same = drape.run_here("evaluate", "--merchant", "red", *options)
    assert same.code == 0, same.err
    assert "All images have the same attributes (color=red): their IoU tells nothing." in same.out


def test_a_name_that_no_version_can_have_is_told_before_anything_runs(drape, table):
    """A precision at the end would be read as that precision of another version."""
    labelled = table(*RED_AND_BLUE)
    for command in (
        ("train", "--name", "dresses.int8", "--dataset", labelled, *FROZEN),
        ("model", "quantize", "compact-rendered", "--name", "dresses.int8"),
        ("model", "whiten", "compact-rendered", "--name", "dresses.int8", "--size", "4", "--dataset", labelled),
    ):
        ran = drape.run_here(*command)
        assert ran.code == 1
        assert "no model version can have that name" in ran.err
        assert "'dresses.int8'" in ran.err
        assert "choose another name" in ran.err
    assert versions(drape) == []


def test_a_box_outside_of_its_photo_is_told_and_the_others_are_indexed(drape, feed):
    """A box that is none fails its row, one outside of the photo its image; one that juts out is cut off."""
    boxes = ["0,0,40,60", "500,500,600,600", "10,10,5,5", "30,40,90,90"]
    ran = drape.run_here("ingest", feed([("color=red", box) for box in boxes]), "--merchant", "boxes", "--json")
    assert ran.code == 1
    told = ran.json
    assert (told["rows_failed"], told["embedded"], told["quarantined"]) == (1, 2, 1)
    reasons = " ".join(told["reasons"])
    assert "the crop box lies outside of the image; received: box from (500, 500) to (600, 600)" in reasons
    assert "a box that meets the image's 48 × 64 pixels" in reasons
    assert "0 <= left < right" in reasons


def test_fewer_images_than_a_batch_are_told(drape, table):
    """Batches are as large as there are images, on a frozen trunk, too."""
    few = drape.run_here(
        "train", "--name", "v", "--dataset", table(*RED_AND_BLUE), *FROZEN, "--epochs", "1", "--held-out", "0"
    )
    assert few.code == 0, few.err
    assert "There are fewer images than a batch of 128: batches have 12." in few.err
    assert "gets its pixels in the way of torch, as model version compact-rendered was trained." in few.err


def test_a_class_without_positives_is_left_out_and_named(drape, table):
    """An attribute that only held-out images have cannot be learnt: the version does not pretend to know it."""
    attributes = [f"color={('red', 'blue')[number % 2]}; tag=t{number}" for number in range(12)]
    ran = drape.run_here(
        "train", "--name", "v", "--dataset", table(*attributes), *FROZEN, "--epochs", "1", "--held-out", "0.3"
    )
    assert ran.code == 0, ran.err
    assert "Left out, because no training image has them: tag=t" in ran.err
    manifest = json.loads((drape.home / "models" / "v" / MANIFEST_FILE).read_text())
    assert len(manifest["taxonomy"]) < 2 + 12


@pytest.mark.parametrize(
    "recipe", [pytest.param(FROZEN, id="frozen"), pytest.param(SCRATCH, id="scratch", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("held_out", ["0", "0.3"])
def test_a_training_whose_numbers_break_ends_with_an_error(drape, table, recipe, held_out):
    """At a rate beyond all measure the first step breaks weights whose loss was fine: told at the end of the epoch."""
    options = ("--epochs", "2", "--held-out", held_out, "--learning-rate", "1e38", "--batch-size", "64")
    ran = drape.run_here("train", "--name", "v", "--dataset", table(*RED_AND_BLUE), *recipe, *options)
    assert ran.code == 1, ran.err
    assert "Training diverged" in ran.err
    assert "--learning-rate" in ran.err
    assert versions(drape) == []


@pytest.mark.parametrize(
    ("recipe", "said"),
    [(FROZEN, "weights"), (SCRATCH, "state")],
    ids=["frozen", "scratch"],
)
def test_a_full_disk_ends_a_training_with_an_error(drape, table, recipe, said):
    """While weights, or the state after an epoch, are written; then there is no version, and space helps."""
    dataset = table(*RED_AND_BLUE)
    command = ("train", "--name", "v", "--dataset", dataset, *recipe, "--epochs", "1", "--held-out", "0")
    # The network has three megabytes.
    with files_end_at(500_000):
        full = drape.run_here(*command)
    assert full.code == 1, full.err
    assert said in full.err
    assert "space" in full.err or "make room" in full.err
    assert versions(drape) == []
    assert drape.run_here(*command).code == 0


def test_a_version_that_was_edited_after_indexing_gives_no_wrong_results(drape, feed, tmp_path):
    """Two attributes swapped in the manifest: every answer would name the wrong reasons. Nothing is answered."""
    folder = drape.home / "models" / "mine"
    shutil.copytree(SHIPPED, folder)
    manifest = folder / MANIFEST_FILE
    original = json.loads(manifest.read_text()) | {"version": "mine"}
    manifest.write_text(json.dumps(original))
    drape = dataclasses.replace(drape, settings={"DRAPE_MODEL": "mine"})
    rows = [(text, "") for text in RED_AND_BLUE]
    assert drape.run_here("ingest", feed(rows[:6]), "--merchant", "atelier").code == 0
    photo = feed(rows[:6]).with_name("0.png")
    assert drape.run_here("search", photo).code == 0

    first, second, *others = original["taxonomy"]
    manifest.write_text(json.dumps(original | {"taxonomy": [second, first, *others]}))
    for arguments in (
        ("search", photo),
        ("similar", "P1"),
        ("reindex", "--model", "mine"),
        ("ingest", feed(rows), "--merchant", "atelier"),
    ):
        ran = drape.run_here(*arguments)
        assert ran.code == 1, ran.out
        assert "model version mine is not the one that the stored vectors were made with" in ran.err
        assert f"taxonomy[0] is {second}, was {first}" in ran.err
        assert "drape reindex --model NAME" in ran.err
    # What is not compared with stored vectors still can be measured.
    options = ("--model", "mine", "--out", tmp_path / "out", "--no-engine", "--feature", "pool", "--sheet-queries", "0")
    assert drape.run_here("evaluate", "--merchant", "atelier", *options).code == 0

    manifest.write_text(json.dumps(original))
    again = drape.run_here("ingest", feed(rows), "--merchant", "atelier")
    assert again.code == 0, again.err
    assert drape.run_here("search", photo).code == 0
