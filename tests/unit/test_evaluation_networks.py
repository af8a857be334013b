"""Networks as an evaluation sees them: every output, raw, of trained versions and of trunks without attributes."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.errors import UnusableWeights
from embeddings.evaluation.networks import networks_of, untrained_network
from embeddings.evaluation.untrained import UntrainedNetwork
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.networks import build
from embeddings.similarity import l2_normalize
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
