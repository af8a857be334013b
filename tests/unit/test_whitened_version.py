"""A version is whitened, carried elsewhere and run; what cannot be whitened is told."""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from cli.whitening import whiten_version
from embeddings.errors import UnusableModel, UnusableWeights
from embeddings.evaluation.embedder_network import EmbedderNetwork
from embeddings.export import whitened_version
from embeddings.export.archive import read_archive, write_archive
from embeddings.export.whitened_version import Unwhitenable, WhiteningRequest, whiten, whitenable_feature
from embeddings.manifest import (
    MANIFEST_FILE,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    WhiteningFile,
    read_manifest,
    write_manifest,
)
from embeddings.model_store import ModelStore, ModelVersionExists
from embeddings.postprocessing.stored_whitening import WHITENING_FILE, load_whitening, whitening_bytes
from embeddings.postprocessing.whitening import DEFAULT_SHRINKAGE, Whitening, fit_whitening
from embeddings.whitened_embedder import WhitenedEmbedder
from tests.fakes import ColorEmbedder

PLAIN = "colors-1"
WHITENED = "colors-8"
COMMAND = "drape model whiten colors-1 --name colors-8 --size 8"
NO_WEIGHTS = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
IMAGES = np.random.default_rng(3).integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
IMAGES.flags.writeable = False


@pytest.fixture
def store(tmp_path, monkeypatch):
    """One version of 48 components, whose networks are arithmetic."""
    store = ModelStore(tmp_path / "models", shipped=tmp_path / "none")
    embedder = ColorEmbedder(PLAIN)
    manifest = ModelManifest(
        version=PLAIN,
        input_size=embedder.input_size,
        precision=Precision.FLOAT32,
        networks=(
            NetworkSpec("compact", "bilinear", "w.h5", NO_WEIGHTS, "torch", "sigmoid", ("pool", "bilinear", "prob"), 2),
        ),
        taxonomy=embedder.taxonomy,
        features={
            **{name: FeatureSpec(size) for name, size in embedder.feature_sizes.items()},
            "bilinear": FeatureSpec(10_240),
        },
        visual_feature="pool",
        provenance=Provenance(data="none", num_images=0, command="test"),
        scores={"pool precision@1": 0.5},
        created=date(2026, 5, 6),
    )
    with store.adding(PLAIN) as folder:
        (folder / "w.h5").touch()
        write_manifest(manifest, folder / MANIFEST_FILE)
    monkeypatch.setattr(whitened_version, "open_embedder", lambda model, **_: ColorEmbedder(model.manifest.version))
    return store


def whitened(store, size=8, images=IMAGES, **options):
    request = WhiteningRequest(WHITENED, size, **options)
    return whiten(store.open(PLAIN), request, images, "random colours", store, command=COMMAND, batch_size=64)


def test_whitened_vectors_are_of_the_size_and_of_equal_variance(store):
    """8 of 48 components, of unit length; before that, mean zero and covariance one over the fitting sample."""
    told = []
    request = WhiteningRequest(WHITENED, 8, shrinkage=0)
    model = whiten(
        *(store.open(PLAIN), request, IMAGES, "colours", store),
        command=COMMAND,
        batch_size=64,
        on_images=lambda *done: told.append(done),
    )
    assert told[-1] == (200, 200)
    embedder = WhitenedEmbedder(ColorEmbedder(WHITENED), load_whitening(model))
    assert embedder.feature_sizes == {"pool": 8, "prob": 6}
    found = embedder.embed(IMAGES)
    plain = ColorEmbedder(WHITENED).embed(IMAGES)
    assert np.array_equal(found["prob"], plain["prob"])
    assert found["pool"].shape == (200, 8)
    assert np.linalg.norm(found["pool"], axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    whitening = load_whitening(model)
    before = (plain["pool"] - whitening.mean) @ whitening.projection
    assert before.mean(axis=0) == pytest.approx(np.zeros(8), abs=1e-3)
    assert np.cov(before.T) == pytest.approx(np.eye(8), abs=1e-2)


def test_the_manifest_tells_what_was_done(store):
    """Sizes before and after, photos, whose scores those are; the version it was made of stays as it was."""
    manifest = whitened(store, seed=4, shrinkage=0.25).manifest
    assert manifest.features["pool"] == FeatureSpec(8)
    assert manifest.network_sizes["pool"] == 48
    assert manifest.whitening.fitted_on == "random colours: 200 of 200 images (seed 4)"
    assert (manifest.whitening.num_images, manifest.whitening.shrinkage) == (200, 0.25)
    assert manifest.scores == {"pool precision@1 (of colors-1)": 0.5}
    assert (manifest.provenance.data, manifest.provenance.command) == ("none", COMMAND)
    assert manifest.provenance.origins == (("colors-1", "test"),)
    assert ModelManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert store.open(PLAIN).manifest.whitening is None
    assert "whitening" not in store.open(PLAIN).manifest.to_json()


def test_the_command_shrinks_as_the_library_does():
    """The command line states the number, because it must not load the library for its help."""
    shrinkage = inspect.signature(whiten_version).parameters["shrinkage"].default
    assert shrinkage == WhiteningRequest(WHITENED, 8).shrinkage == DEFAULT_SHRINKAGE


def test_a_whitened_version_survives_the_journey(store, tmp_path):
    """Through the archive, whose every file is checked, into another store."""
    model = whitened(store)
    write_archive(model, tmp_path / "version.tar")
    elsewhere = ModelStore(tmp_path / "elsewhere", shipped=tmp_path / "none")
    moved = read_archive(tmp_path / "version.tar", elsewhere)
    assert moved.manifest == model.manifest
    assert np.array_equal(load_whitening(moved).projection, load_whitening(model).projection)
    assert load_whitening(elsewhere.open(WHITENED)).size == 8


def test_the_same_photos_give_the_same_file(store):
    """The name of a version stands for its bytes."""
    first = whitened(store).manifest.whitening
    request = WhiteningRequest("again", 8)
    model = whiten(store.open(PLAIN), request, IMAGES, "random colours", store, command=COMMAND, batch_size=16)
    assert model.manifest.whitening == first


def test_of_many_photos_a_bounded_sample_is_looked_at(store, monkeypatch):
    """2²⁵ numbers at the most: of 48 components and a limit of 2,400 numbers, 50 photos."""
    monkeypatch.setattr(whitened_version, "MOST_SAMPLE_ELEMENTS", 2400)
    manifest = whitened(store).manifest
    assert manifest.whitening.num_images == 50
    assert manifest.whitening.fitted_on == "random colours: 50 of 200 images (seed 0)"


@pytest.mark.parametrize(
    ("size", "feature", "num_images", "received", "expected"),
    [
        (49, None, 200, "49 components of 48", "at most 48"),
        (900, "bilinear", 200, "900 components of 10,240", "at most 819: a matrix of 10,240 × 819 is 32 MiB"),
        (8, "fc6", 200, "fc6", "pool, bilinear"),
        (8, "prob", 200, "prob", "pool, bilinear"),
        (8, None, 8, "8 images", "more than 8"),
    ],
)
def test_what_cannot_be_whitened_is_told(store, size, feature, num_images, received, expected):
    """Too many components, a feature there is not, too few photos: before any is read."""
    with pytest.raises(Unwhitenable) as refused:
        whitened(store, size, IMAGES[:num_images], feature=feature)
    assert received in refused.value.received
    assert expected in refused.value.expected
    assert store.list() == [PLAIN]


def test_photos_that_hardly_differ_are_told(store):
    """Fifty photos of two kinds differ in one direction."""
    with pytest.raises(Unwhitenable, match="varies in 1 directions"):
        whitened(store, 4, np.concatenate([IMAGES[:2]] * 25))
    with pytest.raises(Unwhitenable, match="do not differ"):
        whitened(store, 4, np.concatenate([IMAGES[:1]] * 25))


def test_no_version_is_whitened_twice_or_replaced(store):
    """Neither would be what its name stands for."""
    model = whitened(store)
    with pytest.raises(Unwhitenable, match="48 components, whitened to 8"):
        whitenable_feature(model.manifest, WhiteningRequest("twice", 4))
    with pytest.raises(ModelVersionExists):
        whitened(store)


def test_a_file_that_was_altered_is_refused(store):
    """Missing, changed, or of other shapes than the manifest says."""
    model = whitened(store)
    path = model.folder / WHITENING_FILE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(UnusableWeights, match="altered"):
        load_whitening(model)
    with pytest.raises(UnusableWeights):
        model.verify()
    path.unlink()
    with pytest.raises(UnusableWeights, match="missing"):
        load_whitening(model)


def with_content(model, content):
    """The version with another file, of which the manifest knows the hash."""
    import hashlib

    (model.folder / WHITENING_FILE).write_bytes(content)
    described = replace(model.manifest.whitening, sha256=hashlib.sha256(content).hexdigest())
    return replace(model, manifest=replace(model.manifest, whitening=described))


def npz(**entries):
    """A ZIP archive of these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", entries.pop("compression", zipfile.ZIP_STORED)) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array, shape=None):
    """NumPy's file of one array, under a header that promises another shape."""
    file = io.BytesIO()
    described = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue() + array.tobytes()


WHOLE = whitening_bytes(Whitening(np.zeros(48, np.float32), np.ones((48, 8), np.float32)))
MEAN, PROJECTION = npy(np.zeros(48, np.float32)), npy(np.ones((48, 8), np.float32))


@pytest.mark.parametrize(
    "content",
    [
        b"no arrays",
        b"",
        WHOLE[:-30],
        WHOLE[:200],
        WHOLE.replace(b"NUMPY", b"NUMPI"),
        WHOLE.replace(b"(48, 8), }", b"(((((((((("),
        MEAN,
        npz(mean=MEAN),
        npz(mean=MEAN, projection=PROJECTION, more=MEAN),
        npz(mean=MEAN, projection=PROJECTION, compression=zipfile.ZIP_DEFLATED),
        npz(mean=MEAN, projection=npy(np.ones((48, 8), np.float32), shape=(2**40, 2**20))),
        npz(mean=MEAN, projection=npy(np.ones((47, 8), np.float32), shape=(48, 8))),
        npz(mean=npy(np.array([object()] * 48)), projection=PROJECTION),
        whitening_bytes(Whitening(np.zeros(48, np.float32), np.zeros((48, 7), np.float32))),
        whitening_bytes(Whitening(np.zeros(48, np.float32), np.full((48, 8), np.nan, np.float32))),
    ],
    ids=[
        *("bytes", "nothing", "cut off", "half", "magic", "header", "array", "one array", "three arrays", "compressed"),
        *("huge", "too few numbers", "objects", "size", "nan"),
    ],
)
def test_a_file_of_something_else_is_refused(store, content):
    """Its hash may be right and its content no whitening of this version; nor does it come in from elsewhere."""
    model = with_content(whitened(store), content)
    with pytest.raises(UnusableModel, match="does not fit"):
        load_whitening(model)
    write_manifest(model.manifest, model.folder / MANIFEST_FILE)
    write_archive(model, model.folder.parent / "version.tar")
    elsewhere = ModelStore(model.folder.parent / "elsewhere", shipped=model.folder / "none")
    with pytest.raises(UnusableModel, match="does not fit"):
        read_archive(model.folder.parent / "version.tar", elsewhere)
    assert elsewhere.list() == []


def test_a_file_of_the_arrays_expected_is_read(store):
    """What the files above are spoilt from: a matrix stored by rows or by columns."""
    by_columns = Whitening(np.zeros(48, np.float32), np.ones((48, 8), np.float32, order="F"))
    model = whitened(store)
    for content in (npz(mean=MEAN, projection=PROJECTION), whitening_bytes(by_columns)):
        assert np.array_equal(load_whitening(with_content(model, content)).projection, np.ones((48, 8)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "abc"}, "whitening: sha256 must be"),
        ({"size_before": 7}, "must not exceed whitening.size_before, 7"),
        ({"file": "w.h5"}, "a file of its own"),
        ({"file": "../w"}, "whitening: file must be"),
        ({"shrinkage": 1}, "whitening: shrinkage"),
        ({"num_images": 1}, "num_images at least 2"),
        ({"fitted_on": ""}, "fitted_on"),
        ({"other": 1}, "unknown key 'whitening.other'"),
    ],
)
def test_a_manifest_with_an_impossible_whitening_is_refused(store, change, message):
    """The key at fault is named."""
    model = whitened(store)
    body = model.manifest.to_json()
    body["whitening"] |= change
    path = model.folder / MANIFEST_FILE
    path.write_text(json.dumps(body))
    with pytest.raises(UnusableModel, match=message):
        read_manifest(path)


def test_bilinear_is_searched_by_only_where_it_is_whitened(store):
    """Ten thousand components are too many for a gallery, whitened ones are not."""
    manifest = store.open(PLAIN).manifest
    with pytest.raises(ValueError, match="visual_feature must be one of"):
        replace(manifest, visual_feature="bilinear")
    file = WhiteningFile("whitening.npz", NO_WEIGHTS, 10_240, "photos", 300)
    features = {**manifest.features, "bilinear": FeatureSpec(64)}
    made = replace(manifest, features=features, visual_feature="bilinear", whitening=file)
    assert made.network_sizes == {"pool": 48, "prob": 6, "bilinear": 10_240}


def test_an_evaluation_sees_a_whitened_embedder_as_any_other():
    """Of an int8 version: its features, of the version's sizes."""
    whitening = fit_whitening(ColorEmbedder(PLAIN).embed(IMAGES)["pool"], 5)
    network = EmbedderNetwork(WhitenedEmbedder(ColorEmbedder(PLAIN), whitening), {}, batch_size=4)
    assert network.sizes == {"pool": 5, "prob": 6}
    assert network.compute(IMAGES[:3])["pool"].shape == (3, 5)
