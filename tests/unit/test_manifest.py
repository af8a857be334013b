"""A manifest survives its JSON, refuses what contradicts itself, and names the key at fault."""

import copy
import json
import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.errors import UnusableModel
from embeddings.manifest import (
    FeatureSpec,
    Int8File,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    read_manifest,
    write_manifest,
)
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy

MULTIATTRIB = NetworkSpec(
    trunk="vgg16",
    head="multiattrib",
    weights="vgg16.weights.h5",
    sha256="a1" * 32,
    preprocessing="caffe",
    activation="sigmoid",
    features=("fc6",),
)
BILINEAR = NetworkSpec(
    trunk="vgg16",
    head="bilinear",
    weights="bilinear.weights.h5",
    sha256="b2" * 32,
    preprocessing="caffe",
    activation="softmax",
    features=("bilinear", "prob"),
    projection_rank=20,
)
MANIFEST = ModelManifest(
    version="paper-dresses-1",
    input_size=224,
    precision=Precision.FLOAT32,
    networks=(MULTIATTRIB, BILINEAR),
    taxonomy=Taxonomy(("color=red", "sleeve=long", "pattern=rayé")),
    features={"fc6": FeatureSpec(4096), "bilinear": FeatureSpec(10240), "prob": FeatureSpec(3, Normalization.L1)},
    visual_feature="fc6",
    provenance=Provenance(data="dresses", num_images=7, command="train it", settings={"seed": 5}),
    scores={"prob/intersection attribute IoU@1": 0.77},
    created=date(2026, 3, 4),
)


def test_manifest_survives_its_file(tmp_path):
    """What is written is read back equal, in the taxonomy's order, two networks and all."""
    write_manifest(MANIFEST, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == MANIFEST


@given(
    scores=st.dictionaries(st.text(max_size=10), st.floats(allow_nan=False, allow_infinity=False)),
    settings=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none()),
    version=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    created=st.dates(),
)
def test_any_manifest_survives_json(scores, settings, version, created):
    """The round trip through JSON text loses nothing, whatever the free fields hold."""
    provenance = replace(MANIFEST.provenance, settings=settings)
    manifest = replace(MANIFEST, scores=scores, provenance=provenance, version=version, created=created)
    assert ModelManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_a_provenance_tells_what_it_was_made_of():
    """Trained, whitened, then rounded: the training's settings stay, and each command is told once, the last first."""
    trained = MANIFEST.provenance
    whitened = trained.after("dresses-1", "whiten it")
    rounded = whitened.after("dresses-1-w64", "round it")
    assert (rounded.data, rounded.num_images, rounded.command) == ("dresses", 7, "round it")
    assert rounded.settings["seed"] == 5
    assert trained.origins == ()
    assert whitened.origins == (("dresses-1", "train it"),)
    assert rounded.origins == (("dresses-1-w64", "whiten it"), ("dresses-1", "train it"))
    manifest = replace(MANIFEST, provenance=rounded)
    assert ModelManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert trained.settings == {"seed": 5}


@pytest.mark.parametrize("made_of", ["dresses-1", None, 3, ["dresses-1"]])
def test_settings_that_name_no_origin_are_no_failure(made_of):
    """Settings are free; only what ``after`` writes is read."""
    assert replace(MANIFEST.provenance, settings={"made_of": made_of}).origins == ()


def test_exclusive_groups_survive_and_are_groups_of_the_taxonomy(tmp_path):
    """Written only where there are some, as every manifest before them; a group the taxonomy lacks is named."""
    in_groups = replace(BILINEAR, activation="groups", exclusive_groups=("color", "sleeve"))
    manifest = replace(MANIFEST, networks=(MULTIATTRIB, in_groups))
    write_manifest(manifest, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert "exclusive_groups" not in MANIFEST.to_json()["networks"][1]
    with pytest.raises(ValueError, match="received hem"):
        replace(MANIFEST, networks=(MULTIATTRIB, replace(in_groups, exclusive_groups=("color", "hem"))))
    with pytest.raises(ValueError, match="color"):
        replace(manifest, taxonomy=Taxonomy(("color=red", "sleeve=long", "color=blue")))


@pytest.mark.parametrize(("activation", "groups"), [("groups", ()), ("sigmoid", ("color",))])
def test_exclusive_groups_go_with_their_activation(activation, groups):
    """Neither means anything without the other."""
    with pytest.raises(ValueError, match="exclusive_groups belong to"):
        replace(BILINEAR, activation=activation, exclusive_groups=groups)


INT8 = Int8File(file="int8.tflite", sha256="c3" * 32, calibration="folder photos: 64 of 90 images", num_images=64)


def test_the_int8_file_survives_and_belongs_to_the_versions_files(tmp_path):
    """It is read back equal and hashed with the weights; a manifest without it has no such key, as ever."""
    quantized = replace(MANIFEST, precision=Precision.INT8, int8=INT8)
    write_manifest(quantized, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == quantized
    assert quantized.file_hashes == {**MANIFEST.file_hashes, "int8.tflite": "c3" * 32}
    assert "int8" not in MANIFEST.to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": Precision.INT8}, "needs the key 'int8'"),
        ({"int8": replace(INT8, file="vgg16.weights.h5")}, "must not be a weights file"),
    ],
)
def test_an_int8_version_that_contradicts_itself_is_refused(changes, message):
    """int8 without its file, or with a file that is something else."""
    with pytest.raises(ValueError, match=message):
        replace(MANIFEST, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "../int8.tflite"}, "name of a file in the version's folder"),
        ({"file": "manifest.json"}, "name of a file in the version's folder"),
        ({"sha256": "C3" * 32}, "64 lower-case"),
        ({"calibration": ""}, "calibration must not be empty"),
        ({"num_images": 0}, "num_images must be at least 1"),
        ({"surplus": 1}, "unknown key 'int8.surplus'"),
    ],
)
def test_a_malformed_int8_file_is_named(tmp_path, changes, message):
    """As with every other key of the manifest."""
    whole = replace(MANIFEST, int8=INT8).to_json()
    whole["int8"] = {**whole["int8"], **changes}
    (tmp_path / "manifest.json").write_text(json.dumps(whole))
    with pytest.raises(UnusableModel, match=message):
        read_manifest(tmp_path / "manifest.json")


def edited(path, value):
    """The manifest's JSON with one place changed; a value of ``...`` removes the key."""
    whole = copy.deepcopy(MANIFEST.to_json())
    place = whole
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["version"], ..., "key 'version' is missing"),
        (["colour"], "red", "unknown key 'colour'"),
        (["networks", 1, "trunk"], ..., r"key 'networks\[1\].trunk' is missing"),
        (["networks", 0, "depth"], 3, r"unknown key 'networks\[0\].depth'"),
        (["features", "fc6", "unit"], "m", "unknown key 'features.fc6.unit'"),
        (["features", "fc6", "normalization"], "l3", "features.fc6.normalization: 'l3' is not a valid"),
        (["features", "fc6", "size"], 0, "features.fc6: a feature's size must be at least 1"),
        (["features", "prob", "size"], 4, "features.prob.size must be the number of attributes, 3; received 4"),
        (["features", "fc7"], {"size": 4, "normalization": "l2"}, "must be those of the networks"),
        (["provenance", "command"], "", "provenance: data and command must not be empty"),
        (["input_size"], "224", "input_size must be a whole number, received '224'"),
        (["input_size"], True, "input_size must be a whole number, received True"),
        (["input_size"], 0, "input_size must be at least 1"),
        (["precision"], "float16", "precision: 'float16' is not a valid"),
        (["networks"], [], "networks must not be empty"),
        (["networks", 0, "sha256"], "A1" * 32, r"networks\[0\]: sha256 must be 64 lower-case"),
        (["networks", 0, "weights"], "../elsewhere.h5", r"networks\[0\]: weights must be the name of a file"),
        (["networks", 0, "weights"], "manifest.json", r"networks\[0\]: weights must be the name of a file"),
        (["networks", 0, "features"], [], r"networks\[0\]: features must name at least one"),
        (["networks", 0, "features"], ["fc6", "prob"], "must provide each feature once"),
        (["networks", 1, "weights"], "vgg16.weights.h5", "must not share a weights file"),
        (["visual_feature"], "bilinear", "visual_feature must be one of"),
        (["visual_feature"], "pool", "visual_feature must be one of"),
        (["taxonomy"], ["Color: Red"], "taxonomy: 'Color: Red' is not in normal form"),
        (["taxonomy"], [], "taxonomy: a taxonomy needs at least one attribute"),
        (["scores", "IoU"], "high", "scores.IoU must be a number"),
        (["scores", "IoU"], float("nan"), "scores.IoU must be finite"),
        (["scores", "IoU"], 10**400, r"scores.IoU must lie within ±1.798e\+308, received 1000"),
        (["scores", "IoU"], -(10**400), "scores.IoU must lie within"),
        (["created"], "yesterday", "created: Invalid isoformat"),
        (["format"], 2, "format must be 1, received 2"),
        (["version"], "Paper", "no model version can have that name.*1 to 64 lower-case"),
        (["version"], "paper.bfloat16", "not ending in a precision"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, path, value, message):
    """A missing, unknown, ill-typed or contradictory key is an error that names the file and the key."""
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(edited(path, value)))
    with pytest.raises(UnusableModel, match=message) as caught:
        read_manifest(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused(tmp_path, content):
    """Cut-off, foreign and absurd files are one kind of error, never another exception."""
    file = tmp_path / "manifest.json"
    file.write_bytes(content)
    with pytest.raises(UnusableModel, match=r"manifest\.json is invalid"):
        read_manifest(file)


def test_a_missing_file_is_named(tmp_path):
    """Where there is no manifest, the error says which file was looked for."""
    with pytest.raises(UnusableModel, match="No such file") as caught:
        read_manifest(tmp_path / "manifest.json")
    assert str(tmp_path) in str(caught.value)


def test_the_precision_is_part_of_the_versions_identity():
    """Vectors computed in another precision than the version's own get another name."""
    assert MANIFEST.version_in(Precision.FLOAT32) == "paper-dresses-1"
    assert MANIFEST.version_in(Precision.BFLOAT16) == "paper-dresses-1.bfloat16"
    half = replace(MANIFEST, precision=Precision.BFLOAT16)
    assert half.version_in(Precision.BFLOAT16) == "paper-dresses-1"
    assert half.version_in(Precision.FLOAT32) == "paper-dresses-1.float32"


def test_reading_manifests_needs_no_network_library():
    """Commands that only name model versions stay quick: neither TensorFlow nor Keras is imported."""
    program = (
        "import sys, embeddings.manifest, embeddings.model_store; print({'tensorflow','keras'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
