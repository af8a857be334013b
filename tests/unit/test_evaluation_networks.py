"""Networks as an evaluation sees them: every output, raw, of trained versions and of trunks without attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.errors import UnusableWeights
from embeddings.evaluation.evaluated_rows import NetworkRows, RowOptions
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.networks import networks_of, untrained_network
from embeddings.evaluation.picture_features import compute_features
from embeddings.evaluation.untrained import UntrainedNetwork
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.networks import build
from embeddings.normalization import Normalization
from embeddings.similarity import l2_normalize
from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import LabelActivation
from embeddings.training.publication import Publication, TrainedNetwork, publish
from embeddings.weights import file_sha256, save_weights

IMAGES = np.random.default_rng(8).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
IMAGES.flags.writeable = False


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("none")).open("compact-rendered")


def test_a_version_gives_every_output_raw_and_the_embedders_features_normalised(shipped):
    """scores, which is no feature of the version, is there, too; prob is its sigmoid."""
    (network,) = networks_of(shipped, Precision.FLOAT32, batch_size=4)
    assert set(network.sizes) == {"pool", "scores", "prob"}
    assert network.facts["weights_sha256"] == shipped.manifest.networks[0].sha256
    computed = network.compute(IMAGES)
    assert {name: values.shape for name, values in computed.items()} == {
        name: (3, size) for name, size in network.sizes.items()
    }
    assert computed["prob"] == pytest.approx(1 / (1 + np.exp(-computed["scores"])), abs=1e-5)
    embedded = KerasEmbedder(shipped, precision=Precision.FLOAT32).embed(IMAGES)
    for name, values in embedded.items():
        assert l2_normalize(computed[name]) == pytest.approx(values, abs=5e-6)


def test_another_precision_is_another_name(shipped):
    """Vectors of different precision never meet under one name, in tables either."""
    (own,) = networks_of(shipped, None, batch_size=2)
    (other,) = networks_of(shipped, Precision.BFLOAT16, batch_size=2)
    assert shipped.manifest.precision is Precision.FLOAT32
    assert (own.name, other.name) == ("compact-rendered", "compact-rendered.bfloat16")
    assert (own.facts["precision"], other.facts["precision"]) == ("float32", "bfloat16")


def test_a_trunk_of_a_weights_file_without_attributes(tmp_path):
    """Its pool is that of the network the weights came from; its scores, which nothing fills, are no output."""
    source = build("compact", "multiattrib", 5, input_size=32)
    path = tmp_path / "trunk.weights.h5"
    save_weights(source, path)
    network, notes = untrained_network(UntrainedNetwork("compact", path, input_size=32), None, batch_size=4)
    assert set(network.sizes) == {"pool"}
    assert len(notes) == 1
    assert "compact (untrained)" in notes[0]
    assert f"{path.name} gets its pixels in the way of" in notes[0]
    assert network.facts["weights_sha256"] == file_sha256(path)
    images = IMAGES[:, :32, :32]
    assert network.compute(images)["pool"] == pytest.approx(source.predict_on_batch(images)["pool"], rel=1e-3, abs=1e-4)


def test_random_trunks_are_the_same_every_time():
    """A seed makes them; a report says that nothing was learnt."""
    asked = UntrainedNetwork("compact", is_random=True, input_size=32)
    first, second = (untrained_network(asked, None, batch_size=4)[0] for _ in range(2))
    assert np.array_equal(first.compute(IMAGES[:, :32, :32])["pool"], second.compute(IMAGES[:, :32, :32])["pool"])
    assert first.name == "compact (random)"
    assert "random" in str(first.facts["trained_on"])


def test_weights_of_another_network_are_refused(tmp_path):
    """A file that does not fit the trunk is told before anything is computed."""
    path = tmp_path / "trunk.weights.h5"
    save_weights(build("compact", "multiattrib", 5, input_size=32), path)
    with pytest.raises(UnusableWeights):
        untrained_network(UntrainedNetwork("resnet50", path, input_size=32), None, batch_size=4)


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory):
    """A version of a VGG16 of full width with random weights, and the network itself."""
    keras.utils.set_random_seed(6)
    model = build("vgg16", "multiattrib", 3, input_size=32)
    trained = TrainedNetwork(
        model, "vgg16", "multiattrib", "caffe", LabelActivation("sigmoid"), Normalization.L2, None, 32
    )
    publication = Publication(ModelStore(tmp_path_factory.mktemp("models")), "wide", data="none", command="test")
    taxonomy = Taxonomy(("color=blue", "color=red", "sleeve=long"))
    return publish(trained, taxonomy, publication, num_images=0, settings={}, scores={}), model


def test_the_fully_connected_layers_of_vgg16_have_rows(vgg16, tmp_path):
    """fc6 and fc7 of 4096 and fc8, the scores, of one for each of 3 attributes, in the order of the table.

    fc7 is the ReLU of fc6 · W + b, and fc8 is fc7 · W + b.
    """
    version, model = vgg16
    (network,) = networks_of(version, None, batch_size=2)
    photos = IMAGES[:, :32, :32]
    files = compute_features(network, photos, tmp_path)
    fc6, fc7, fc8 = (files[name][:] for name in ("fc6", "fc7", "scores"))
    assert fc6.min() == 0 < fc6.std()
    for read, layer, expected in ((fc6, "fc7", fc7), (fc7, "scores", fc8)):
        kernel, bias = (np.asarray(weight) for weight in model.get_layer(layer).weights)
        below = read @ kernel + bias
        assert expected == pytest.approx(np.maximum(below, 0) if layer == "fc7" else below, rel=1e-3, abs=1e-3)

    items = tuple(DatasetImage(Path(f"{number}.jpg"), {"item": "same"}) for number in range(len(photos)))
    truth = GroundTruth(Dataset("photos", (), items, items))
    rows = NetworkRows("wide", files, truth, tmp_path, prob_normalization=Normalization.L2).rows(RowOptions())
    assert [(row.feature, row.size, row.metric) for row in rows] == [
        ("fc6", 4096, "L2 + Euclidean"),
        ("fc7", 4096, "L2 + Euclidean"),
        ("scores", 3, "L2 + Euclidean"),
        ("prob", 3, "L2 + hist. inter."),
    ]


@pytest.mark.slow
def test_an_untrained_vgg16_has_the_layers_that_its_weights_have(vgg16, tmp_path):
    """fc6 and fc7 of a whole file, without the scores of nothing; pool and a note where the file has no top."""
    version, model = vgg16
    whole = version.weights_path(version.manifest.networks[0])
    photos = IMAGES[:, :32, :32]
    network, notes = untrained_network(UntrainedNetwork("vgg16", whole, input_size=32), None, batch_size=3)
    assert (network.sizes, len(notes)) == ({"fc6": 4096, "fc7": 4096}, 1)
    assert network.compute(photos)["fc7"] == pytest.approx(
        np.asarray(model(photos.astype(np.float32))["fc7"]), rel=1e-3, abs=1e-3
    )

    without_top = tmp_path / "notop.weights.h5"
    save_weights(keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3)), without_top)
    network, notes = untrained_network(UntrainedNetwork("vgg16", without_top, input_size=32), None, batch_size=3)
    assert network.sizes == {"pool": 512}
    assert notes[1:] == ("The weights of vgg16 (untrained) have no fc6 and fc7, so its pool is evaluated instead.",)
