"""Weights that get their pixels in the wrong way are warned of, where that can be known."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from embeddings.model_store import SHIPPED_FOLDER
from embeddings.weights import expected_preprocessing
from embeddings.weights.expected_preprocessing import preprocessing_for
from embeddings.weights.published import PublishedWeights

COMPACT = SHIPPED_FOLDER / "compact-rendered" / "compact_multiattrib.weights.h5"


def resnet50_file(path, mode):
    """A first layer of usual spread for torch pixels, in the terms of another preprocessing: the same function."""
    random = np.random.default_rng(2)
    # Unit-variance pixels that go together: an average of 147 of weights w has a spread near |Σ w| ≈ 0.4.
    kernel = random.normal(0, 0.4 / np.sqrt(147), (7, 7, 3, 64)) + random.normal(0, 0.4 / 147, (1, 1, 1, 64))
    std = np.array([0.229, 0.224, 0.225])[:, np.newaxis]
    if mode == "caffe":
        kernel = (kernel / (255 * std))[:, :, ::-1]
    with h5py.File(path, "w") as file:
        for name, arrays in (
            ("conv1_conv", [kernel, np.zeros(64)]),
            ("conv1_bn", [np.ones(64), np.zeros(64), np.zeros(64), np.ones(64)]),
        ):
            variables = file.create_group(f"layers/{name}/vars")
            variables.attrs["name"] = name
            for index, array in enumerate(arrays):
                variables.create_dataset(str(index), data=array.astype(np.float32))
    return path


@pytest.mark.parametrize("made_for", ["caffe", "torch"])
@pytest.mark.parametrize("taken", ["caffe", "torch", None])
def test_a_resnet50_of_the_other_convention_is_warned_of(tmp_path, made_for, taken):
    """Caffe's pixels are 57 times as large as torch's, and the first layer's output with them."""
    found = preprocessing_for("resnet50", resnet50_file(tmp_path / "w.h5", made_for), taken, "caffe")
    mode = taken or "caffe"
    assert found.mode == mode
    assert (f"WARNING: it seems to expect {made_for}" in found.note) == (mode != made_for), found.note
    assert f"in the way of {mode}" in found.note
    assert ("--preprocessing says otherwise" in found.note) == (taken is None)


def test_weights_of_a_model_version_bring_their_preprocessing(tmp_path):
    """The manifest beside them says it; whoever names another is warned; without a manifest nothing is known."""
    found = preprocessing_for("compact", COMPACT, None, "unit")
    assert found.mode == "torch"
    assert "as model version compact-rendered was trained" in found.note
    assert "WARNING" not in found.note
    other = preprocessing_for("compact", COMPACT, "unit", "unit")
    assert other.mode == "unit"
    assert "WARNING: it expects torch" in other.note
    alone = Path(shutil.copy(COMPACT, tmp_path / "alone.h5"))
    assert preprocessing_for("compact", alone, None, "unit").mode == "unit"


def test_published_files_are_known_by_their_hash(tmp_path, monkeypatch):
    """Whatever a published file is called here. Of the bytes b"published", MD5 is what md5sum prints."""
    path = tmp_path / "renamed.h5"
    path.write_bytes(b"published")
    published = PublishedWeights("https://example.org/w.h5", "8f888fedf6bd5ff7c93c6d76bb8dc21c", "caffe")
    monkeypatch.setattr(expected_preprocessing, "PUBLISHED", {("vgg16", True): published})
    assert preprocessing_for("vgg16", path, None, "torch").mode == "caffe"
    wrong = preprocessing_for("vgg16", path, "torch", "caffe")
    assert "WARNING: it expects caffe, as Keras publishes this file of vgg16" in wrong.note


def test_nothing_is_guessed_of_other_files(tmp_path):
    """No weights at all, or weights whose first layer is another: whoever loads them tells what is wrong."""
    path = tmp_path / "w.h5"
    path.write_bytes(b"no weights")
    for weights in (path, tmp_path / "missing.h5"):
        found = preprocessing_for("resnet50", weights, "torch", "caffe")
        assert found.note == f"{weights.name} gets its pixels in the way of torch, as asked for."


@pytest.mark.shared
def test_real_weights_are_recognised(shared_folder):
    """ImageNet's ResNet-50 as converted from PyTorch: told, where caffe is taken for it by default."""
    path = shared_folder / "weights" / "resnet50_imagenet.weights.h5"
    assert "WARNING: it seems to expect torch" in preprocessing_for("resnet50", path, None, "caffe").note
    assert "WARNING" not in preprocessing_for("resnet50", path, "torch", "caffe").note
