"""LiteRT files find what the full network finds, and a version in int8 nearly what it finds in float32."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from embeddings.backend import keras
from embeddings.errors import UnusableModel, UnusableWeights
from embeddings.evaluation.networks import networks_of
from embeddings.export.agreement import compare
from embeddings.export.archive import read_archive, write_archive
from embeddings.export.calibration import CalibrationImages
from embeddings.export.litert_conversion import LiteRtPrecision, convert
from embeddings.export.litert_weights import UnknownWeights, marker, replace_weights
from embeddings.export.quantization import INT8_FILE, quantize
from embeddings.export.weight_rounding import RoundedWeights
from embeddings.export.whitened_version import WhiteningRequest, whiten
from embeddings.keras_embedder import KerasEmbedder
from embeddings.litert_embedder import LiteRtEmbedder, LiteRtNetwork
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersion, ModelVersionExists
from embeddings.open_embedder import open_embedder
from embeddings.postprocessing.stored_whitening import WHITENING_FILE, load_whitening
from embeddings.training.rendered_images import rendered_images
from tests.model_versions import INPUT_SIZE, RandomNetwork, add_version, random_images


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("models")).open("compact-rendered")


@pytest.fixture(scope="module")
def pictures(shipped):
    """144 rendered pictures: 48 items in three views, the first third for calibration."""
    return rendered_images(48, 3, seed=9, input_size=shipped.manifest.input_size, num_processes=1).images


@pytest.fixture(scope="module")
def files(shipped, pictures):
    """The shipped version's LiteRT files, by what they store."""
    return {one: convert(shipped, one, pictures[:48]) for one in LiteRtPrecision}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("quantized"))


@pytest.fixture(scope="module")
def two_networks(store):
    """A version of two small networks: pool from the one, prob from the other."""
    networks = [
        RandomNetwork("multiattrib", ("pool",)),
        # As fine-tuning leaves it, with no batch normalisation in its weights.
        RandomNetwork("multiattrib", ("prob",), folded=True),
    ]
    return add_version(store, "two", [(one, one.build(seed)) for seed, one in enumerate(networks, start=4)])


@pytest.fixture(scope="module")
def bilinear(store):
    """A version of one small network with the bilinear head."""
    network = RandomNetwork("bilinear", ("pool", "prob", "bilinear"), rank=4)
    return add_version(store, "bilinear", [(network, network.build(6))])


def network_on_a_grid(random):
    """Small, with no batch normalisation, and kernels of -100..100 steps, another step in each channel."""
    network = RandomNetwork("multiattrib", ("pool", "prob"), folded=True)
    model = network.build(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            shape = layer.kernel.shape
            steps = random.uniform(0.5, 2, shape[-1]) / 100 / np.sqrt(np.prod(shape[:-1]))
            layer.kernel.assign(random.integers(-100, 101, shape) * steps)
    return network, model


def int8_weights(content):
    """The weights that a file has in int8, as what they stand for: (out, n)."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_tensor_details():
        steps = tensor["quantization_parameters"]["scales"]
        if tensor["dtype"] is np.int8 and len(steps) > 1:
            yield interpreter.get_tensor(tensor["index"]).reshape(len(steps), -1) * steps[:, None]


@pytest.fixture(scope="module")
def images():
    return random_images(19, seed=3)


@pytest.fixture(scope="module")
def quantized(two_networks, store):
    noise = CalibrationImages(random_images(32, seed=5), "noise: 32 of 32 images (seed 5)")
    return quantize(two_networks, "two-int8", store, noise)


@pytest.fixture(scope="module")
def embedder(quantized):
    return open_embedder(quantized)


@pytest.fixture(scope="module")
def features(embedder, images):
    return embedder.embed(images)


@pytest.mark.parametrize("precision", list(LiteRtPrecision))
def test_files_take_a_picture_and_give_named_features(shipped, files, pictures, precision):
    """Any LiteRT interpreter runs them: one uint8 picture in, the version's features out, by name, in float32."""
    interpreter = Interpreter(model_content=files[precision], num_threads=1)
    run = interpreter.get_signature_runner()
    found = run(images=pictures[:1])
    sizes = {name: feature.size for name, feature in shipped.manifest.features.items()}
    assert {name: (row.shape, row.dtype) for name, row in found.items()} == {
        name: ((1, size), np.float32) for name, size in sizes.items()
    }


def test_fewer_bits_make_smaller_files(files):
    """Weights are nearly all of a file: 2 bytes of 4 are just over half, 1 byte just over a quarter."""
    size = {one: len(content) for one, content in files.items()}
    assert 0.5 < size[LiteRtPrecision.FLOAT16] / size[LiteRtPrecision.FLOAT32] < 0.52
    assert 0.25 < size[LiteRtPrecision.INT8] / size[LiteRtPrecision.FLOAT32] < 0.3


@pytest.mark.parametrize(
    ("precision", "smallest"),
    [
        (LiteRtPrecision.FLOAT32, {"pool": 1.0, "prob": 1.0}),
        (LiteRtPrecision.FLOAT16, {"pool": 0.99, "prob": 0.99}),
        (LiteRtPrecision.INT8, {"pool": 0.95, "prob": 0.9}),
    ],
)
def test_files_find_the_full_networks_neighbours(shipped, files, pictures, precision, smallest):
    """recall@10 on pictures that were not calibrated on."""
    network = LiteRtNetwork(files[precision], shipped.manifest, num_threads=1)
    agreement = compare(KerasEmbedder(shipped, batch_size=32).embed, network.features, pictures[48:])
    assert (agreement.neighbours, agreement.num_images) == (10, 96)
    assert min(agreement.rate, agreement.full_rate) > 0
    for name, least in smallest.items():
        assert agreement.recall[name] >= least, agreement


def test_weights_that_were_in_eight_bits_lose_nothing(store):
    """Kernels of whole multiples of a step, another one in each channel, are in the file as they were."""
    network, model = network_on_a_grid(np.random.default_rng(6))
    version = add_version(store, "grid", [(network, model)])
    content = convert(version, LiteRtPrecision.INT8, random_images(32, seed=8))
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    rows = [kernel.reshape(-1, kernel.shape[-1]).T for kernel in kernels]
    found = list(int8_weights(content))
    # All convolutions but the stem, whose 648 weights the converter leaves in float32.
    assert len(found) == 12
    for weights in found:
        assert any(weights.shape == one.shape and np.allclose(weights, one, rtol=1e-6, atol=0) for one in rows)


def test_the_first_convolution_and_the_scores_stay_in_float32(files):
    """Of the shipped network's 14 layers with weights, 12 have theirs in int8: 24 channels read the pixels."""
    interpreter = Interpreter(model_content=files[LiteRtPrecision.INT8], num_threads=1)
    interpreter.allocate_tensors()
    whole = [tuple(one["shape"]) for one in interpreter.get_tensor_details() if one["dtype"] is np.float32]
    assert len(list(int8_weights(files[LiteRtPrecision.INT8]))) == 12
    assert (24, 3, 3, 3) in whole
    assert (96, 384) in whole


def one_marked_layer():
    """A file of one fully connected layer from 40 to 30 numbers, whose weights are the first marker."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 40), tf.float32, name="x")], autograph=False)
    def layer(x):
        return {"y": tf.matmul(x, tf.constant(marker(0), tf.float32, (40, 30)))}

    module = tf.Module()
    module.run = layer
    return tf.lite.TFLiteConverter.from_concrete_functions([layer.get_concrete_function()], module).convert()


def test_a_layer_without_a_bias_gets_one():
    """Such as one whose biases were zero: the converter leaves them out, and rounding may need them."""
    random = np.random.default_rng(12)
    rounded = RoundedWeights(
        random.integers(-127, 128, (30, 40)).astype(np.int8),
        random.uniform(0.01, 0.02, 30).astype(np.float32),
        random.uniform(-9, 9, 30).astype(np.float32),
    )

    content = replace_weights(one_marked_layer(), [rounded])
    inputs = random.normal(size=(1, 40)).astype(np.float32)
    found = Interpreter(model_content=content, num_threads=1).get_signature_runner()(x=inputs)["y"]
    expected = inputs @ (rounded.rows * rounded.steps[:, None]).T + rounded.bias
    # 255 steps between the smallest and the largest of the inputs.
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())
    assert len(list(int8_weights(content))) == 1


def test_a_marker_of_no_layer_is_refused():
    """It would be taken for weights otherwise."""
    layer = RoundedWeights(np.ones((48, 216), np.int8), np.ones(48, np.float32), np.zeros(48, np.float32))
    with pytest.raises(UnknownWeights, match="no layer of 1200 weights has the marker 1"):
        replace_weights(one_marked_layer(), [layer])


def test_a_quantized_version_is_a_version_of_its_own(two_networks, quantized, store):
    """It says what it is, holds its weights and its int8 file under their hashes, and tells whose scores it shows."""
    quantized.verify()
    manifest = quantized.manifest
    assert manifest.precision is Precision.INT8
    assert manifest.int8.calibration == "noise: 32 of 32 images (seed 5)"
    assert manifest.scores == {"pool precision@1 (of two)": 0.5}
    assert manifest.networks == two_networks.manifest.networks
    assert store.open("two").manifest.int8 is None


def test_features_are_nearly_those_of_the_weights(quantized, features, images):
    """Each comes from its network; in float32 the same version has another name."""
    full = open_embedder(quantized, precision=Precision.FLOAT32, batch_size=19)
    assert full.version == "two-int8.float32"
    for name, values in full.embed(images).items():
        assert (values * features[name]).sum(axis=1).min() > 0.97


@pytest.fixture(scope="module")
def whitened(two_networks, store, images):
    """The version of two networks with pool whitened to 6 components."""
    return whiten(two_networks, WhiteningRequest("two-white", 6), images, "noise", store, command="whiten it")


def test_a_whitened_version_runs_on_keras_and_in_a_file(whitened, two_networks, images):
    """Whitening is the last layer: of the embedder, of an evaluated network, and inside of an exported file."""
    pool = KerasEmbedder(two_networks, batch_size=19).embed(images)["pool"]
    embedder = open_embedder(whitened, batch_size=19)
    assert embedder.feature_sizes == {"pool": 6, "prob": len(two_networks.manifest.taxonomy)}
    found = embedder.embed(images)
    expected = load_whitening(whitened).apply(pool)
    assert found["pool"] == pytest.approx(expected, abs=1e-5)
    first, second = networks_of(whitened, None, batch_size=19)
    assert (first.sizes["pool"], second.sizes["pool"]) == (6, pool.shape[1])
    assert first.compute(images)["pool"] == pytest.approx(expected, abs=1e-4)
    file = LiteRtNetwork(convert(whitened, LiteRtPrecision.FLOAT32), whitened.manifest, num_threads=1)
    # The features of noise through random weights hardly differ, so whitening enlarges what rounding differs by.
    assert (file.features(images)["pool"] * expected).sum(axis=1).min() > 0.99


def test_a_whitened_version_runs_in_int8(whitened, quantized, store, images):
    """Quantized after whitening or whitened after quantizing: int8 networks, and the same last layer in float32."""
    noise = CalibrationImages(random_images(32, seed=5), "noise: 32 of 32 images (seed 5)")
    first = quantize(whitened, "white-int8", store, noise, command="round it")
    then = whiten(quantized, WhiteningRequest("int8-white", 6), images, "noise", store, command="whiten it")
    assert set(first.manifest.file_hashes) == {"0.weights.h5", "1.weights.h5", INT8_FILE, WHITENING_FILE}
    assert set(then.manifest.file_hashes) == set(first.manifest.file_hashes)
    assert quantized.manifest.provenance.origins == ()
    assert first.manifest.provenance.command == "round it"
    assert first.manifest.provenance.origins == (("two-white", "whiten it"), ("two", "test"))
    assert then.manifest.provenance.origins == (("two-int8", "test"),)
    networks = LiteRtEmbedder(quantized).embed(images)
    for model in (first, then):
        embedder = open_embedder(model)
        assert embedder.version == model.manifest.version
        assert embedder.feature_sizes["pool"] == 6
        found = embedder.embed(images)
        assert np.array_equal(found["pool"], load_whitening(model).apply(networks["pool"]))
        assert np.array_equal(found["prob"], networks["prob"])
    # An exported file has the same last layer inside, in float32 where the networks are in int8.
    content = convert(whitened, LiteRtPrecision.INT8, noise.images)
    file = LiteRtNetwork(content, whitened.manifest, num_threads=1)
    assert file.features(images)["pool"] == pytest.approx(open_embedder(first).embed(images)["pool"], abs=2e-3)


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()])
def test_an_altered_or_missing_file_is_not_loaded(quantized, tmp_path, spoil):
    """The hash in the manifest is checked when the version is loaded, and when it is verified."""
    for file in quantized.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    spoil(tmp_path / INT8_FILE)
    damaged = ModelVersion(quantized.manifest, tmp_path)
    with pytest.raises(UnusableWeights, match=INT8_FILE):
        LiteRtEmbedder(damaged)
    with pytest.raises(UnusableWeights, match=INT8_FILE):
        damaged.verify()


def test_a_version_that_was_not_quantized_has_no_int8(two_networks):
    """The error names the command that makes one."""
    with pytest.raises(UnusableModel, match="drape model quantize two --name NEW"):
        open_embedder(two_networks, precision=Precision.INT8)


def test_keras_refuses_int8(quantized):
    """A version in int8 is never silently run in something else."""
    with pytest.raises(UnusableModel, match="Keras does not compute in int8"):
        KerasEmbedder(quantized)


def test_a_file_of_another_version_is_refused(shipped, files, two_networks):
    """Sizes and names are compared with the manifest before the first picture."""
    with pytest.raises(UnusableModel, match=r"images \(1, 128, 128, 3\) uint8"):
        LiteRtNetwork(files[LiteRtPrecision.FLOAT16], two_networks.manifest)
    with pytest.raises(UnusableModel, match="cannot be run"):
        LiteRtNetwork(b"no network", two_networks.manifest)


def test_the_bilinear_descriptor_is_exported_but_not_in_int8(bilinear, images):
    """Its signed root makes much of what int8 rounds away; in float16 the descriptor is the network's own."""
    network = LiteRtNetwork(convert(bilinear, LiteRtPrecision.FLOAT16), bilinear.manifest)
    full = KerasEmbedder(bilinear, batch_size=19).embed(images)
    for name, values in network.features(images).items():
        assert (values * full[name]).sum(axis=1).min() > 0.999
    with pytest.raises(UnusableModel, match="bilinear head cannot be quantized"):
        convert(bilinear, LiteRtPrecision.INT8, images)


def test_another_backend_is_told(two_networks, monkeypatch):
    """Versions trained on JAX are converted all the same, on TensorFlow."""
    monkeypatch.setattr("embeddings.export.litert_conversion.keras.backend.backend", lambda: "jax")
    with pytest.raises(UnusableModel, match="KERAS_BACKEND=jax"):
        convert(two_networks, LiteRtPrecision.FLOAT16)


def test_int8_needs_images(two_networks):
    """Of the network's own size."""
    with pytest.raises(ValueError, match="received None"):
        convert(two_networks, LiteRtPrecision.INT8)
    with pytest.raises(ValueError, match=r"received \(32, 64, 64, 3\)"):
        convert(two_networks, LiteRtPrecision.INT8, np.zeros((32, 64, 64, 3), np.uint8))


def test_a_taken_name_is_refused_before_the_work(two_networks, store, quantized):
    """Versions never change."""
    with pytest.raises(ModelVersionExists):
        quantize(two_networks, "two-int8", store, CalibrationImages(np.zeros((32, 1, 1, 3), np.uint8), "none"))


def test_damaged_weights_are_not_converted(two_networks, tmp_path):
    """The hashes are checked on the way."""
    for file in two_networks.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "1.weights.h5").write_bytes(b"cut")
    with pytest.raises(UnusableWeights):
        convert(ModelVersion(two_networks.manifest, tmp_path), LiteRtPrecision.FLOAT16)


def test_a_quantized_version_travels_with_its_int8_file(quantized, tmp_path):
    """The archive holds what the manifest names."""
    write_archive(quantized, tmp_path / "two.tar")
    moved = read_archive(tmp_path / "two.tar", ModelStore(tmp_path / "elsewhere"))
    assert moved.manifest == quantized.manifest
    assert (moved.folder / INT8_FILE).read_bytes() == (quantized.folder / INT8_FILE).read_bytes()


def test_int8_runs_without_tensorflow(quantized):
    """A CPU worker in int8 starts in a second and needs a tenth of the memory."""
    program = f"""
import sys
from pathlib import Path
import numpy as np
from embeddings.model_store import ModelStore
from embeddings.open_embedder import open_embedder
embedder = open_embedder(ModelStore(Path({str(quantized.folder.parent)!r})).open("two-int8"))
embedder.embed(np.zeros((1, {INPUT_SIZE}, {INPUT_SIZE}, 3), np.uint8))
print({{"tensorflow", "keras"}} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
    assert ended.stderr == ""


def test_a_manifest_that_promises_another_network_is_refused(two_networks):
    """As when it is run."""
    networks = (replace(two_networks.manifest.networks[0], trunk="vgg99"), two_networks.manifest.networks[1])
    with pytest.raises(UnusableModel, match=r"cannot be built.*vgg99"):
        convert(
            ModelVersion(replace(two_networks.manifest, networks=networks), two_networks.folder),
            LiteRtPrecision.FLOAT16,
        )
