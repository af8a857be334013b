"""A loaded model version gives its networks' outputs, normalised; what is no such version is refused."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.embedder import PROB_SCALE
from embeddings.errors import UnusableModel, UnusableWeights
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import FeatureSpec, Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.similarity import l2_normalize
from tests.model_versions import RandomNetwork, add_version, random_images

# Sums in another order differ in the last bits of float32. The signed root of the bilinear descriptor, whose slope near
# zero is 100, makes more of it there.
TOLERANCES = {"pool": 2e-6, "prob": 2e-6, "bilinear": 1e-4}


NETWORKS = (
    RandomNetwork("multiattrib", ("pool",)),
    RandomNetwork("bilinear", ("prob", "bilinear"), activation="softmax", rank=4),
)


@pytest.fixture(scope="module")
def networks():
    return tuple(one.build(seed) for seed, one in enumerate(NETWORKS, start=1))


@pytest.fixture(scope="module")
def model(networks, tmp_path_factory):
    """A version of two networks: pool from the one, prob and the bilinear descriptor from the other."""
    return add_version(ModelStore(tmp_path_factory.mktemp("models")), "two", list(zip(NETWORKS, networks, strict=True)))


@pytest.fixture(scope="module")
def embedder(model):
    return KerasEmbedder(model, batch_size=8)


@pytest.fixture(scope="module")
def images():
    return random_images(19, seed=3)


@pytest.fixture(scope="module")
def features(embedder, images):
    return embedder.embed(images)


def test_features_are_the_networks_outputs_normalised(features, networks, images):
    """Each feature comes from the network the manifest names, batch normalisation and all, at unit length."""
    plain = images.astype(np.float32)
    first, second = (network.predict_on_batch(plain) for network in networks)
    for name, outputs in [("pool", first), ("prob", second), ("bilinear", second)]:
        np.testing.assert_allclose(features[name], l2_normalize(outputs[name]), atol=TOLERANCES[name])
    # The two networks differ, so taking prob from the wrong one would be seen.
    assert np.abs(l2_normalize(first["prob"]) - features["prob"]).max() > 0.05


def test_probabilities_come_back_by_their_scale(embedder, networks, images):
    """What the activation of the network that computes prob said, before it was scaled to unit length."""
    scaled = embedder.embed_with_scale(images)
    said = networks[1].predict_on_batch(images.astype(np.float32))["prob"]
    np.testing.assert_allclose(scaled["prob"] * scaled[PROB_SCALE], said, atol=TOLERANCES["prob"])


def test_another_precision_is_another_version(model, features, images):
    """bfloat16 gives nearly the same directions under another name, so that galleries do not mix them."""
    half = KerasEmbedder(model, precision=Precision.BFLOAT16, batch_size=8)
    assert half.version == "two.bfloat16"
    for name, values in half.embed(images).items():
        assert values.dtype == np.float32
        cosines = (values * features[name]).sum(axis=1)
        assert cosines.min() > 0.99
        assert np.abs(values - features[name]).max() > 1e-6


def test_altered_weights_are_not_loaded(model, tmp_path):
    """The hash in the manifest is checked when the version is loaded."""
    for file in model.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "1.weights.h5").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(UnusableWeights, match="SHA-256"):
        KerasEmbedder(ModelVersion(model.manifest, tmp_path))


def with_first_network(manifest, **changes):
    return replace(manifest, networks=(replace(manifest.networks[0], **changes), manifest.networks[1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: with_first_network(manifest, trunk="vgg99"), "cannot be built.*vgg99"),
        (
            lambda manifest: replace(manifest, features={**manifest.features, "pool": FeatureSpec(7)}),
            "expected: pool of 7 components",
        ),
        (
            lambda manifest: replace(
                manifest,
                networks=(replace(manifest.networks[0], features=("fc6",)), manifest.networks[1]),
                features={**{k: v for k, v in manifest.features.items() if k != "pool"}, "fc6": FeatureSpec(9)},
                visual_feature="fc6",
            ),
            "received: outputs pool, scores, prob; expected: fc6",
        ),
    ],
)
def test_a_manifest_that_promises_too_much_is_refused(model, change, message):
    """A version is checked against its networks when it is loaded, not when a search fails."""
    with pytest.raises(UnusableModel, match=message):
        KerasEmbedder(ModelVersion(change(model.manifest), model.folder))


def test_a_batch_size_below_one_is_refused(model):
    """Nothing could be run in batches of nothing."""
    with pytest.raises(ValueError, match="batch_size"):
        KerasEmbedder(model, batch_size=0)
