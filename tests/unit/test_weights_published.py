"""Files in the layout of Keras's published weights land in the right layers, or are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from embeddings.errors import UnusableWeights
from embeddings.networks import build, feature_map_network
from embeddings.weights import PUBLISHED, download_published, file_sha256, load_pretrained

VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
NARROW = 1 / 16  # 4 channels where VGG16 has 64, 256 units where it has 4096.


def write_legacy(path, layers):
    """A file as Keras 1 and 2 wrote them: names as attributes, one group per layer, one array per weight name."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        file.attrs["backend"] = b"tensorflow"
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, values in weights.items():
                group.create_dataset(weight, data=values)
    return path


def vgg16_layers(rng, *, width=NARROW, top_input=None):
    """The layers of a VGG16 file, in its order and with its weight names; the pools have none."""
    layers = {}
    channels = 3
    for block, (count, filters) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, count + 1):
            name = f"block{block}_conv{index}"
            layers[name] = dense_pair(rng, name, (3, 3, channels, int(filters * width)))
            channels = int(filters * width)
        layers[f"block{block}_pool"] = {}
    if top_input is not None:
        units = int(4096 * width)
        layers["flatten"] = {}
        layers["fc1"] = dense_pair(rng, "fc1", (top_input, units))
        layers["fc2"] = dense_pair(rng, "fc2", (units, units))
        layers["predictions"] = dense_pair(rng, "predictions", (units, 1000))
    return layers


def dense_pair(rng, name, shape):
    return {
        f"{name}_W_1:0": rng.normal(size=shape).astype(np.float32),
        f"{name}_b_1:0": rng.normal(size=shape[-1:]).astype(np.float32),
    }


def assert_holds(model, layer, weights):
    for ours, theirs in zip(model.get_layer(layer).weights, weights.values(), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


@pytest.fixture
def narrow_vgg16():
    return build("vgg16", "multiattrib", 6, input_size=64, width=NARROW)


def test_with_top_fills_all_but_the_scores(tmp_path, rng, narrow_vgg16):
    """fc1 goes to fc6 and fc2 to fc7; ImageNet's 1000 classes are left in the file, and scores stay random."""
    # pool5 of 64 pixels is 2 × 2 × 32.
    layers = vgg16_layers(rng, top_input=2 * 2 * 32)
    scores = [weight.numpy() for weight in narrow_vgg16.get_layer("scores").weights]
    report = load_pretrained(narrow_vgg16, write_legacy(tmp_path / "top.h5", layers))
    for name in layers:
        if name.startswith("block") and "conv" in name:
            assert_holds(narrow_vgg16, name, layers[name])
    assert_holds(narrow_vgg16, "fc6", layers["fc1"])
    assert_holds(narrow_vgg16, "fc7", layers["fc2"])
    for before, after in zip(scores, narrow_vgg16.get_layer("scores").weights, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert report.untouched == ("scores",)
    assert len(report.loaded) == 13 + 2


def test_without_top_leaves_fc6_and_fc7_and_says_so(tmp_path, rng, narrow_vgg16):
    """The convolutions are filled; the fully connected layers keep their random start, and the report names them."""
    layers = vgg16_layers(rng)
    fc6 = narrow_vgg16.get_layer("fc6").kernel.numpy()
    report = load_pretrained(narrow_vgg16, write_legacy(tmp_path / "notop.h5", layers))
    assert report.untouched == ("fc6", "fc7", "scores")
    assert_holds(narrow_vgg16, "block5_conv3", layers["block5_conv3"])
    np.testing.assert_array_equal(narrow_vgg16.get_layer("fc6").kernel.numpy(), fc6)


@pytest.mark.parametrize("top_input", [None, 2 * 2 * 32])
def test_bilinear_network_takes_either_file(tmp_path, rng, top_input):
    """The bilinear head has no fc6: the file's top is passed over, the projection stays."""
    model = build("vgg16", "bilinear", 6, input_size=64, width=NARROW)
    report = load_pretrained(model, write_legacy(tmp_path / "vgg16.h5", vgg16_layers(rng, top_input=top_input)))
    assert report.untouched == ("projection", "scores")


def test_layer_names_cut_into_several_attributes_are_read(tmp_path, rng, narrow_vgg16):
    """HDF5 limits an attribute to 64 KB, so long lists are stored as layer_names0, layer_names1, …"""
    layers = vgg16_layers(rng)
    path = write_legacy(tmp_path / "cut.h5", layers)
    with h5py.File(path, "a") as file:
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:5], names[5:]
    load_pretrained(narrow_vgg16, path)
    assert_holds(narrow_vgg16, "block5_conv3", layers["block5_conv3"])


def test_full_size_vgg16_computes_what_keras_computes(tmp_path):
    """The published size without top: conv5_3 equals Keras's own VGG16 with the same weights and preprocessing."""
    reference = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    layers = {
        layer.name: {f"{layer.name}_{weight.name}:0": weight.numpy() for weight in layer.weights}
        for layer in reference.layers
    }
    path = write_legacy(tmp_path / "notop.h5", layers)
    model = build("vgg16", "bilinear", 3, input_size=32)
    assert load_pretrained(model, path, sha256=file_sha256(path)).untouched == ("projection", "scores")
    images = np.random.default_rng(8).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    conv5_3 = keras.Model(reference.input, reference.get_layer("block5_conv3").output)
    expected = conv5_3(keras.applications.vgg16.preprocess_input(images.astype(np.float32)))
    np.testing.assert_allclose(feature_map_network(model)(images), expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def keras_resnet50():
    """Keras's ResNet-50 with batch normalisation as after training: every constant its own value."""
    reference = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg")
    rng = np.random.default_rng(9)
    for layer in reference.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, beta = rng.uniform(0.5, 1.0, shape), rng.normal(0, 0.1, shape)
            layer.set_weights([gamma, beta, rng.normal(0, 0.1, shape), rng.uniform(0.5, 2.0, shape)])
    return reference


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("layout", ["legacy", "weights.h5"])
def test_resnet50_computes_what_keras_computes(tmp_path, keras_resnet50, layout, folded):
    """Pooled features equal Keras's own, from both layouts, also with batch normalisation folded away."""
    path = tmp_path / f"resnet50.{layout}"
    if layout == "legacy":
        # The order of names within a layer is not the networks' order here, so names must decide.
        layers = {
            layer.name: {f"{layer.name}/{weight.name}:0": weight.numpy() for weight in reversed(layer.weights)}
            for layer in keras_resnet50.layers
        }
        write_legacy(path, layers)
    else:
        write_keras3(path, keras_resnet50)
    model = build("resnet50", "multiattrib", 4, input_size=32, folded=folded)
    report = load_pretrained(model, path)
    assert report.untouched == ("scores",)
    assert len(report.loaded) == (53 if folded else 106)
    images = np.random.default_rng(8).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = keras_resnet50(keras.applications.resnet.preprocess_input(images.astype(np.float32))).numpy()
    np.testing.assert_allclose(model(images)["pool"], expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def write_keras3(path, model):
    """Keras 3's layout, groups numbered by class, with the layer's own name as an attribute of its variables."""
    counts = {}
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            kind = type(layer).__name__.lower()
            counts[kind] = counts.get(kind, -1) + 1
            variables = file.create_group(f"layers/{kind}_{counts[kind]}/vars")
            variables.attrs["name"] = layer.name
            for index, weight in enumerate(layer.weights):
                variables.create_dataset(str(index), data=weight.numpy())


def test_layout_is_the_one_keras_writes_today(tmp_path):
    """Keras's own ``save_weights`` and ours are read alike: a file of a folded compact network round-trips."""
    saved = build("compact", "multiattrib", 4, input_size=32, folded=True)
    with pytest.warns(DeprecationWarning, match="__array__ implementation"):
        # Keras reads its own variables in a way that NumPy 2 warns about.
        saved.save_weights(tmp_path / "keras.weights.h5")
    model = build("compact", "multiattrib", 9, input_size=32, folded=True)
    load_pretrained(model, tmp_path / "keras.weights.h5")
    np.testing.assert_array_equal(
        model.get_layer("top_conv").kernel.numpy(), saved.get_layer("top_conv").kernel.numpy()
    )


def test_other_network_is_named(tmp_path, rng):
    """A VGG16 file for a ResNet-50: the message says what is missing and what the file holds."""
    model = build("resnet50", "multiattrib", 4, input_size=32, width=NARROW)
    path = write_legacy(tmp_path / "vgg16.h5", vgg16_layers(rng))
    with pytest.raises(UnusableWeights, match="made for another network than resnet50_multiattrib") as caught:
        load_pretrained(model, path)
    assert "no layer 'conv1_conv'" in caught.value.received
    assert "13 layers: block1_conv1, block1_conv2" in caught.value.received
    assert caught.value.remedy


def test_deeper_relative_is_refused(tmp_path, rng, narrow_vgg16):
    """VGG19 has every layer of VGG16 and more: its first layers alone would compute nonsense."""
    layers = vgg16_layers(rng)
    layers["block3_conv4"] = dense_pair(rng, "block3_conv4", (3, 3, 16, 16))
    with pytest.raises(UnusableWeights, match="another network") as caught:
        load_pretrained(narrow_vgg16, write_legacy(tmp_path / "vgg19.h5", layers))
    assert "block3_conv4" in caught.value.received


def test_refused_file_changes_nothing(tmp_path, rng, narrow_vgg16):
    """Another width: the shapes are named, and no layer was touched although the first ones were readable."""
    layers = vgg16_layers(rng)
    layers["block5_conv3"] = dense_pair(rng, "block5_conv3", (3, 3, 32, 31))
    before = narrow_vgg16.get_weights()
    with pytest.raises(UnusableWeights, match="does not fit the network") as caught:
        load_pretrained(narrow_vgg16, write_legacy(tmp_path / "odd.h5", layers))
    assert caught.value.received == "layer 'block5_conv3' with shapes (3, 3, 32, 31), (31,)"
    assert caught.value.expected == "shapes (3, 3, 32, 32), (32,)"
    for old, new in zip(before, narrow_vgg16.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_top_for_another_input_size_is_explained(tmp_path, rng, narrow_vgg16):
    """fc6 of 96 pixels reads 3·3·32 numbers, that of 64 pixels 2·2·32: the remedy names the input size."""
    path = write_legacy(tmp_path / "top96.h5", vgg16_layers(rng, top_input=3 * 3 * 32))
    with pytest.raises(UnusableWeights) as caught:
        load_pretrained(narrow_vgg16, path)
    assert "(288, 256)" in caught.value.received
    assert "(128, 256)" in caught.value.expected
    assert "input size" in caught.value.remedy


def test_table_agrees_with_keras():
    """Addresses and hashes are those that the installed Keras downloads from."""
    from keras.src.applications import resnet, vgg16

    assert PUBLISHED["vgg16", True].url == vgg16.WEIGHTS_PATH
    assert PUBLISHED["vgg16", False].url == vgg16.WEIGHTS_PATH_NO_TOP
    for with_top, md5 in zip((True, False), resnet.WEIGHTS_HASHES["resnet50"], strict=True):
        published = PUBLISHED["resnet50", with_top]
        assert published.md5 == md5
        assert published.url == resnet.BASE_WEIGHTS_PATH + published.file_name
    source = Path(vgg16.__file__).read_text(encoding="utf-8")
    assert PUBLISHED["vgg16", True].md5 in source
    assert PUBLISHED["vgg16", False].md5 in source


def test_download_keeps_a_file_that_is_there(tmp_path, monkeypatch):
    """A file of the published hash is used as it is, with no connection."""
    content = b"stands for the published file"
    published = PUBLISHED["vgg16", False]
    (tmp_path / published.file_name).write_bytes(content)
    with_this_hash = {("vgg16", False): type(published)(published.url, hashlib.md5(content).hexdigest(), "caffe")}
    monkeypatch.setattr("embeddings.weights.published.PUBLISHED", with_this_hash)
    assert download_published("vgg16", with_top=False, folder=tmp_path).read_bytes() == content


@pytest.mark.parametrize("served", [None, b"<html>not found</html>"])
def test_failed_download_is_explained(tmp_path, monkeypatch, served):
    """Nothing there, or an error page of another hash: the address, the hash and the way out stand in the error."""
    source = tmp_path / "server" / PUBLISHED["vgg16", False].file_name
    source.parent.mkdir()
    if served is not None:
        source.write_bytes(served)
    local = {("vgg16", False): type(PUBLISHED["vgg16", False])(source.as_uri(), "0" * 32, "caffe")}
    monkeypatch.setattr("embeddings.weights.published.PUBLISHED", local)
    with pytest.raises(UnusableWeights, match="could not be downloaded") as caught:
        download_published("vgg16", with_top=False, folder=tmp_path / "cache")
    assert source.as_uri() in caught.value.expected
    assert "0" * 32 in caught.value.expected
    assert "give its path" in caught.value.remedy


def test_nothing_is_published_for_compact():
    """The trunk that this project trains is not among Keras's."""
    with pytest.raises(ValueError, match="'compact', expected one of resnet50, vgg16"):
        download_published("compact", with_top=False)


@pytest.fixture
def rng():
    return np.random.default_rng(1)
