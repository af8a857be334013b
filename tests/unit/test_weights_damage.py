"""Files that are no weights, or no longer: each refused with what was found, before the network is touched."""

from __future__ import annotations

import re
import zipfile

import h5py
import numpy as np
import pytest

from embeddings.errors import UnusableWeights
from embeddings.networks import build
from embeddings.weights import load_pretrained, load_weights, save_weights


@pytest.fixture(scope="module")
def model():
    return build("compact", "multiattrib", 5, input_size=32)


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "compact.weights.h5"
    save_weights(model, path)
    return path


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html><title>404</title></html>", "a web page"),
        (b"\n <HTML>Sign in</HTML>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5", "a Git LFS pointer"),
        (b"\x93NUMPY\x01\x00rest", "bytes starting with 93 4e 55 4d 50 59 01 00"),
    ],
)
def test_no_hdf5_is_described(tmp_path, model, load, content, found):
    """What the file is instead stands in the error."""
    wrong = tmp_path / "weights.h5"
    wrong.write_bytes(content)
    with pytest.raises(UnusableWeights, match="holds no weights") as caught:
        load(model, wrong)
    assert found in caught.value.received
    assert caught.value.expected == "an HDF5 file"


def test_whole_keras_archive_is_described(tmp_path, model):
    """A ``.keras`` file is a ZIP archive."""
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UnusableWeights) as caught:
        load_weights(model, tmp_path / "model.keras")
    assert "a whole .keras model" in caught.value.received


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_missing_file_and_folder_are_told_apart(tmp_path, model, sha256):
    """With or without a hash to check, the path and what is there are named."""
    with pytest.raises(UnusableWeights, match="nowhere") as caught:
        load_weights(model, tmp_path / "nowhere.h5", sha256)
    assert caught.value.received == "nothing at this path"
    with pytest.raises(UnusableWeights) as caught:
        load_weights(model, tmp_path, sha256)
    assert "directory" in caught.value.received


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_truncated_file_says_how_much_is_there(path, model, share):
    """A download that broke off: bytes found and bytes expected."""
    content = path.read_bytes()
    kept = int(len(content) * share)
    path.write_bytes(content[:kept])
    with pytest.raises(UnusableWeights, match="is truncated") as caught:
        load_weights(model, path)
    assert caught.value.received == f"{kept:,} bytes"
    assert caught.value.expected == f"{len(content):,} bytes"


@pytest.mark.parametrize("structure", [b"TREE", b"SNOD", b"HEAP"])
def test_garbage_never_escapes_as_another_error(path, model, structure):
    """HDF5's own structures overwritten: whatever the library makes of it arrives as UnusableWeights."""
    content = path.read_bytes()
    places = [found.start() for found in re.finditer(structure, content)]
    assert len(places) > 10
    rng = np.random.default_rng(6)
    for place in places[::12]:
        damaged = bytearray(content)
        damaged[place : place + 32] = rng.bytes(32)
        path.write_bytes(damaged)
        with pytest.raises(UnusableWeights, match=r"damaged|holds no weights|another network"):
            load_weights(model, path)


def test_nan_is_refused(path, model):
    """The layer that holds it is named."""
    with h5py.File(path, "a") as file:
        file["layers/scores/vars/1"][2] = np.nan
    with pytest.raises(UnusableWeights, match="is damaged") as caught:
        load_weights(model, path)
    assert caught.value.received == "NaN or infinity in layer 'scores'"


def test_hdf5_without_weights_is_described(tmp_path, model):
    """Another program's HDF5: its groups are named."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(UnusableWeights, match="holds no weights") as caught:
        load_weights(model, tmp_path / "other.h5")
    assert caught.value.received == "groups: images"


def test_numbers_in_another_file_are_not_followed(path, model, tmp_path):
    """Links and external storage could make the loader read any file of the machine; both are refused."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["bias"] = np.zeros(5, np.float32)
    (tmp_path / "raw").write_bytes(np.zeros(5, np.float32).tobytes())

    def outside(file):
        file["layers/scores/vars/1"] = h5py.ExternalLink("other.h5", "bias")

    def external(file):
        storage = [(tmp_path / "raw", 0, 20)]
        file.create_dataset("layers/scores/vars/1", (5,), np.float32, external=storage)

    def soft(file):
        file["layers/scores/vars/1"] = h5py.SoftLink("/layers/top_bn/vars/0")

    for replace in (outside, external, soft):
        with h5py.File(path, "a") as file:
            del file["layers/scores/vars/1"]
            replace(file)
        with pytest.raises(UnusableWeights, match="is damaged") as caught:
            load_weights(model, path)
        assert "'1'" in caught.value.received


def test_shape_is_refused_before_it_is_read(path, model):
    """An array that claims a terabyte and stores nothing costs no memory: its shape alone refuses it."""
    with h5py.File(path, "a") as file:
        del file["layers/scores/vars/0"]
        file.create_dataset("layers/scores/vars/0", (384, 2**31), np.float32, chunks=(1, 1024))
    with pytest.raises(UnusableWeights, match="another taxonomy") as caught:
        load_weights(model, path)
    assert caught.value.received == "K = 2147483648 attributes"
