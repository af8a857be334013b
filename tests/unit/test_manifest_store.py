"""Model versions are added whole or not at all, found by name or path, and never change unnoticed."""

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from embeddings.errors import InvalidVersionName, UnusableModel, UnusableWeights
from embeddings.manifest import (
    MANIFEST_FILE,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    write_manifest,
)
from embeddings.model_store import SHIPPED_FOLDER, ModelStore, ModelVersionExists
from embeddings.taxonomy import Taxonomy

WEIGHTS = b"seven numbers"


def manifest(version):
    return ModelManifest(
        version=version,
        input_size=64,
        precision=Precision.FLOAT32,
        networks=(
            NetworkSpec(
                trunk="compact",
                head="multiattrib",
                weights="network.bin",
                sha256=hashlib.sha256(WEIGHTS).hexdigest(),
                preprocessing="unit",
                activation="sigmoid",
                features=("pool", "prob"),
            ),
        ),
        taxonomy=Taxonomy(("color=red", "color=blue")),
        features={"pool": FeatureSpec(8), "prob": FeatureSpec(2)},
        visual_feature="pool",
        provenance=Provenance(data="drawn", num_images=3, command="make"),
        scores={},
        created=date(2026, 1, 2),
    )


def write_version(folder, version, weights=WEIGHTS):
    (folder / "network.bin").write_bytes(weights)
    write_manifest(manifest(version), folder / MANIFEST_FILE)


def add(store, version, before_the_end=lambda _: None, **options):
    with store.adding(version, **options) as folder:
        write_version(folder, version)
        before_the_end(folder)


@pytest.fixture
def store(tmp_path):
    shipped = tmp_path / "shipped"
    (shipped / "small").mkdir(parents=True)
    write_version(shipped / "small", "small")
    return ModelStore(tmp_path / "models", shipped=shipped)


def test_an_added_version_is_listed_opened_and_verified(store, tmp_path):
    """After the block, the version is there under its name, readable and intact."""
    add(store, "mine-2")
    assert store.list() == ["mine-2", "small"]
    opened = store.open("mine-2")
    assert opened.manifest == manifest("mine-2")
    assert opened.folder == tmp_path / "models" / "mine-2"
    opened.verify()


def test_shipped_versions_are_found_before_anything_was_added(store, tmp_path):
    """A fresh machine has no models folder yet; the shipped versions still resolve, and nothing is written."""
    assert store.open("small").folder == tmp_path / "shipped" / "small"
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("form", [str, Path])
def test_a_path_opens_the_folder_itself(store, tmp_path, form):
    """A version can be used from any folder, whatever that folder is called."""
    folder = tmp_path / "somewhere else"
    folder.mkdir()
    write_version(folder, "travelled")
    assert store.open(form(folder)).manifest.version == "travelled"


def test_a_name_never_means_a_folder_of_the_working_directory(store, tmp_path, monkeypatch):
    """What lies around in the working directory cannot shadow a version."""
    (tmp_path / "here" / "small").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert store.open("small").folder == tmp_path / "shipped" / "small"


@pytest.mark.parametrize("name", ["large", "", ".", "..", "small.bfloat16"])
def test_an_unknown_name_lists_what_there_is(store, name):
    """The error helps the reader to the right name."""
    with pytest.raises(UnusableModel, match="expected: one of small"):
        store.open(name)


def test_a_block_that_raises_adds_nothing(store, tmp_path):
    """An interrupted training leaves neither the version nor a half of it."""

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(store, "mine", interrupt)
    assert store.list() == ["small"]
    assert list((tmp_path / "models").iterdir()) == []


def test_a_killed_process_adds_nothing(tmp_path):
    """kill -9 between writing and the end of the block leaves no version, and the name can be used again."""
    program = f"""
import os, signal
from pathlib import Path
from embeddings.model_store import ModelStore
with ModelStore(Path({str(tmp_path)!r})).adding("mine") as folder:
    (folder / "network.bin").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", program], check=False)
    assert result.returncode == -signal.SIGKILL
    store = ModelStore(tmp_path, shipped=tmp_path / "none")
    assert store.list() == []
    (leftover,) = tmp_path.iterdir()
    os.utime(leftover, (0, 0))
    add(store, "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda folder: (folder / MANIFEST_FILE).unlink(), UnusableModel, "no readable manifest"),
        (lambda folder: write_manifest(manifest("other"), folder / MANIFEST_FILE), UnusableModel, "received: other"),
        (lambda folder: (folder / "network.bin").write_bytes(b"six"), UnusableWeights, "altered or cut off"),
        (lambda folder: (folder / "network.bin").unlink(), UnusableWeights, "cannot be read"),
    ],
)
def test_what_is_not_whole_is_not_added(store, spoil, error, message):
    """The store checks what was written before it shows it."""
    with pytest.raises(error, match=message):
        add(store, "mine", spoil)
    assert store.list() == ["small"]


@pytest.mark.parametrize("name", ["small", "mine"])
def test_versions_never_change(store, name):
    """Neither an added nor a shipped version is overwritten by a new one of its name."""
    add(store, "mine")
    with pytest.raises(ModelVersionExists, match=f"{name} exists already"):
        add(store, name)


def test_a_version_added_meanwhile_is_not_overwritten(store):
    """Two trainings of one name: the first to finish keeps it."""
    with pytest.raises(ModelVersionExists):
        add(store, "mine", lambda _: add(store, "mine"))
    store.open("mine").verify()


def test_replacing_is_possible_when_asked_for(store, tmp_path):
    """A version that is being made anew on purpose takes the old one's place; shipped ones stay."""
    add(store, "mine")
    (tmp_path / "models" / "mine" / "notes.txt").write_text("of the first")
    add(store, "mine", replace=True)
    assert sorted(path.name for path in (tmp_path / "models" / "mine").iterdir()) == [MANIFEST_FILE, "network.bin"]
    with pytest.raises(ModelVersionExists):
        add(store, "small", replace=True)


@pytest.mark.parametrize(("renames", "found"), [(1, "first"), (2, "second"), (3, "second")])
def test_a_process_killed_while_it_replaces_leaves_one_of_both(tmp_path, renames, found):
    """kill -9 after any of the three renames: the version is listed and opens, and the next replacement goes on."""
    store = ModelStore(tmp_path, shipped=tmp_path / "none")
    add_with_note(store, "first")
    program = f"""
import os, signal
from pathlib import Path
from embeddings.model_store import ModelStore
from tests.unit.test_manifest_store import add_with_note

rename, done = Path.rename, 0

def counted(path, target):
    global done
    rename(path, target)
    done += 1
    if done == {renames}:
        os.kill(os.getpid(), signal.SIGKILL)

Path.rename = counted
add_with_note(ModelStore(Path({str(tmp_path)!r}), shipped=Path("none")), "second", replace=True)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert store.list() == ["mine"]
    store.open("mine").verify()
    assert (store.open("mine").folder / "notes.txt").read_text() == found
    with pytest.raises(ModelVersionExists):
        add(store, "mine")
    add_with_note(store, "third", replace=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "third"
    for leftover in tmp_path.glob(".adding-*"):
        os.utime(leftover, (0, 0))
    add(store, "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]


def add_with_note(store, text, **options):
    """The version ``mine`` with a text of its own beside its weights."""
    add(store, "mine", lambda folder: (folder / "notes.txt").write_text(text), **options)


def test_leftovers_that_another_process_removes_are_no_failure(store, tmp_path, monkeypatch):
    """Found a moment ago, gone when it is looked at."""
    (tmp_path / "models" / ".adding-gone").mkdir(parents=True)
    looked_at = Path.stat

    def gone(path, **options):
        if path.name == ".adding-gone":
            path.rmdir()
        return looked_at(path, **options)

    monkeypatch.setattr(Path, "stat", gone)
    add(store, "mine")
    assert store.list() == ["mine", "small"]


def test_altered_weights_are_noticed(store):
    """A flipped byte in the weights is an error that names the file and both hashes."""
    add(store, "mine")
    opened = store.open("mine")
    path = opened.weights_path(opened.manifest.networks[0])
    path.write_bytes(WEIGHTS.replace(b"seven", b"eight"))
    with pytest.raises(UnusableWeights) as caught:
        opened.verify()
    assert str(path) in str(caught.value)
    assert hashlib.sha256(WEIGHTS).hexdigest() in str(caught.value)


def test_a_renamed_folder_is_noticed(store, tmp_path):
    """A version under another version's name would mix their vectors; it is refused."""
    add(store, "mine")
    (tmp_path / "models" / "mine").rename(tmp_path / "models" / "yours")
    with pytest.raises(UnusableModel, match="received: mine; expected: yours"):
        store.open("yours")


def test_malformed_names_are_refused_before_anything_is_written(store, tmp_path):
    """A name that could leave the folder, or that stands for a precision, is no name."""
    for name in ("../mine", "Mine", "", "mine.float32", "a/b"):
        with pytest.raises(InvalidVersionName, match="no model version can have that name"), store.adding(name):
            pass
    assert not (tmp_path / "models").exists()


def test_the_shipped_versions_are_whole():
    """Every version that comes with Drape opens and matches its hashes."""
    store = ModelStore(SHIPPED_FOLDER)
    assert "compact-rendered" in store.list()
    for name in store.list():
        version = store.open(name)
        version.verify()
        assert replace(version.manifest, version=name) == version.manifest
