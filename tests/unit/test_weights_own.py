"""Saving and loading a network's own weights: nothing lost, nothing loaded that does not fit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from embeddings.errors import UnusableWeights
from embeddings.networks import build
from embeddings.weights import file_sha256, load_pretrained, load_weights, save_weights


def compact(num_attributes=5, head="multiattrib", **options):
    return build("compact", head, num_attributes, input_size=32, **options)


@pytest.fixture
def trained():
    """A compact network whose batch normalisation has seen images, so that no constant is what it started as."""
    model = compact()
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            size = layer.gamma.shape
            gamma, beta = rng.uniform(0.5, 1.5, size), rng.normal(0, 0.2, size)
            layer.set_weights([gamma, beta, rng.normal(0, 0.2, size), rng.uniform(0.5, 2.0, size)])
    return model


@pytest.fixture
def images():
    return np.random.default_rng(4).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_round_trip_is_exact(tmp_path, trained, images):
    """In float32 the loaded network gives the very same numbers."""
    path = tmp_path / "compact.weights.h5"
    digest = save_weights(trained, path)
    model = compact()
    load_weights(model, path, digest)
    for name, expected in trained(images).items():
        np.testing.assert_array_equal(model(images)[name], expected)


def test_hash_is_of_the_file_and_repeats(tmp_path, trained):
    """The returned hash is the file's SHA-256; the same weights give the same bytes whenever they are saved."""
    path = tmp_path / "a.weights.h5"
    digest = save_weights(trained, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() == file_sha256(path)
    assert save_weights(trained, tmp_path / "b.weights.h5") == digest
    trained.get_layer("scores").bias.assign(np.ones(5))
    assert save_weights(trained, path) != digest


def test_optimizer_state_is_not_saved(tmp_path, trained):
    """A compiled network's file is no larger than a plain one: three times the space would be the optimizer's."""
    plain = save_weights(trained, tmp_path / "plain.weights.h5")
    trained.compile("adam", loss={"scores": "mse"})
    trained.optimizer.build(trained.trainable_variables)
    assert save_weights(trained, tmp_path / "compiled.weights.h5") == plain


def test_float16_halves_the_file_and_keeps_the_features(tmp_path, trained, images):
    """Half the space within 5 %, features of cosine above 0.9999; the weights come back as float32."""
    save_weights(trained, tmp_path / "full.weights.h5")
    digest = save_weights(trained, tmp_path / "half.weights.h5", float16=True)
    full, half = ((tmp_path / f"{name}.weights.h5").stat().st_size for name in ("full", "half"))
    assert 0.5 < half / full < 0.55
    model = compact()
    load_weights(model, tmp_path / "half.weights.h5", digest)
    a, b = trained(images)["pool"].numpy(), model(images)["pool"].numpy()
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.9999
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("head", ["multiattrib", "bilinear"])
def test_folded_network_computes_the_same(tmp_path, images, head, trained):
    """Loaded without batch normalisation, features and scores agree to float32 accuracy."""
    model = compact(head=head)
    load_pretrained(model, _saved(tmp_path, trained))
    digest = save_weights(model, tmp_path / "unfolded.weights.h5")
    folded = compact(head=head, folded=True)
    load_weights(folded, tmp_path / "unfolded.weights.h5", digest)
    assert folded.count_params() < model.count_params()
    for name, expected in model(images).items():
        scale = np.abs(expected.numpy()).max()
        np.testing.assert_allclose(folded(images)[name], expected, rtol=1e-3, atol=1e-4 * scale)


def test_another_taxonomy_is_named_by_its_size(tmp_path, trained):
    """Which K was found and which was expected stand in the error, and the network is as before."""
    model = compact(num_attributes=8)
    before = model.get_weights()
    with pytest.raises(UnusableWeights, match="another taxonomy") as caught:
        load_weights(model, _saved(tmp_path, trained))
    assert caught.value.received == "K = 5 attributes"
    assert caught.value.expected == "K = 8 attributes"
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_taxonomy_can_start_from_the_trunk(tmp_path, trained, images):
    """``load_pretrained`` takes all but the scores, so a catalog's own attributes start from trained features."""
    model = compact(num_attributes=8)
    assert load_pretrained(model, _saved(tmp_path, trained)).untouched == ("scores",)
    np.testing.assert_array_equal(model(images)["pool"], trained(images)["pool"])


def test_another_head_is_refused(tmp_path, trained):
    """A file must have every layer of the network: one of a multiattrib head lacks the bilinear head's projection."""
    with pytest.raises(UnusableWeights, match="made for another network than compact_bilinear") as caught:
        load_weights(compact(head="bilinear"), _saved(tmp_path, trained))
    assert "no layer 'projection'" in caught.value.received


def test_surplus_layers_are_refused(tmp_path):
    """A bilinear network's file for a multiattrib network: its projection has no place there."""
    path = _saved(tmp_path, compact(head="bilinear", projection_rank=2))
    with pytest.raises(UnusableWeights) as caught:
        load_weights(compact(), path)
    assert "a layer 'projection' that the network has not" in caught.value.received


def test_altered_file_is_refused_by_its_hash(tmp_path, trained):
    """One changed byte inside an array opens as HDF5, but does not have the hash."""
    path = tmp_path / "compact.weights.h5"
    digest = save_weights(trained, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnusableWeights, match="was altered, or is another file") as caught:
        load_weights(compact(), path, digest)
    assert digest in caught.value.expected
    assert file_sha256(path) in caught.value.received


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_weights_are_not_saved(tmp_path, trained, value):
    """NaN or infinity raises before a byte is written; an older file stays."""
    path = _saved(tmp_path, trained)
    digest = file_sha256(path)
    trained.get_layer("scores").bias.assign(np.full(5, value))
    with pytest.raises(UnusableWeights, match="no numbers"):
        save_weights(trained, path)
    assert file_sha256(path) == digest
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_values_beyond_float16_are_refused(tmp_path, trained):
    """70,000 is above float16's largest, 65,504: it would be stored as infinity."""
    kernel = trained.get_layer("scores").kernel
    kernel.assign(np.full(kernel.shape, 70_000.0))
    with pytest.raises(UnusableWeights, match="do not fit into float16") as caught:
        save_weights(trained, tmp_path / "half.weights.h5", float16=True)
    assert "70000" in caught.value.received
    save_weights(trained, tmp_path / "full.weights.h5")


def _saved(folder, model):
    path = folder / "saved.weights.h5"
    save_weights(model, path)
    return path
