"""A loaded model version gives its networks' outputs, normalised, whatever the batches and threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.errors import UnusableModel, UnusableWeights
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import (
    MANIFEST_FILE,
    FeatureSpec,
    ModelManifest,
    NetworkSpec,
    Precision,
    Provenance,
    write_manifest,
)
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.networks import build
from embeddings.similarity import l2_normalize
from embeddings.taxonomy import Taxonomy
from embeddings.weights import save_weights

INPUT_SIZE = 32
# Sums in another order differ in the last bits of float32. The signed root of the bilinear descriptor, whose slope near
# zero is 100, makes more of it there.
TOLERANCES = {"pool": 2e-6, "prob": 2e-6, "bilinear": 1e-4}
TAXONOMY = Taxonomy(("color=red", "color=blue", "sleeve=long"))


def random_network(head, seed, **arguments):
    """A network in which no constant of batch normalisation has its initial value, so that folding it matters."""
    keras.utils.set_random_seed(seed)
    network = build("compact", head, len(TAXONOMY), input_size=INPUT_SIZE, **arguments)
    random = np.random.default_rng(seed)
    for variable in network.variables:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind != "kernel":
            low, high = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 2.0)}.get(kind, (-0.3, 0.3))
            variable.assign(random.uniform(low, high, variable.shape))
    return network


@pytest.fixture(scope="module")
def networks():
    return random_network("multiattrib", 1), random_network("bilinear", 2, projection_rank=4, activation="softmax")


@pytest.fixture(scope="module")
def model(networks, tmp_path_factory):
    """A version of two networks: pool from the one, prob and the bilinear descriptor from the other."""
    store = ModelStore(tmp_path_factory.mktemp("models"))
    with store.adding("two") as folder:
        specs = [
            NetworkSpec(
                trunk="compact",
                head=head,
                weights=f"{head}.weights.h5",
                sha256=save_weights(network, folder / f"{head}.weights.h5"),
                preprocessing="torch",
                activation=activation,
                features=features,
                projection_rank=rank,
            )
            for network, head, activation, rank, features in [
                (networks[0], "multiattrib", "sigmoid", None, ("pool",)),
                (networks[1], "bilinear", "softmax", 4, ("prob", "bilinear")),
            ]
        ]
        sizes = {
            "pool": networks[0].output["pool"].shape[-1],
            "prob": len(TAXONOMY),
            "bilinear": networks[1].output["bilinear"].shape[-1],
        }
        manifest = ModelManifest(
            version="two",
            input_size=INPUT_SIZE,
            precision=Precision.FLOAT32,
            networks=tuple(specs),
            taxonomy=TAXONOMY,
            features={name: FeatureSpec(size) for name, size in sizes.items()},
            visual_feature="pool",
            provenance=Provenance(data="none", num_images=0, command="test"),
            scores={},
            created=date(2026, 5, 6),
        )
        write_manifest(manifest, folder / MANIFEST_FILE)
    return store.open("two")


@pytest.fixture(scope="module")
def embedder(model):
    return KerasEmbedder(model, batch_size=8)


@pytest.fixture(scope="module")
def images():
    array = np.random.default_rng(3).integers(0, 256, (19, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    array.flags.writeable = False
    return array


@pytest.fixture(scope="module")
def features(embedder, images):
    return embedder.embed(images)


def test_it_describes_the_version(embedder):
    """What the services need to know is there without running anything."""
    assert embedder.version == "two"
    assert embedder.input_size == INPUT_SIZE
    assert embedder.taxonomy == TAXONOMY
    assert embedder.visual_feature == "pool"
    assert set(embedder.feature_sizes) == {"pool", "prob", "bilinear"}


def test_features_are_the_networks_outputs_normalised(features, networks, images):
    """Each feature comes from the network the manifest names, batch normalisation and all, at unit length."""
    plain = images.astype(np.float32)
    first, second = (network.predict_on_batch(plain) for network in networks)
    for name, outputs in [("pool", first), ("prob", second), ("bilinear", second)]:
        np.testing.assert_allclose(features[name], l2_normalize(outputs[name]), atol=TOLERANCES[name])
    # The two networks differ, so taking prob from the wrong one would be seen.
    assert np.abs(l2_normalize(first["prob"]) - features["prob"]).max() > 0.05


def test_features_have_the_promised_form(embedder, features):
    """(n, size) float32 of unit rows; prob is non-negative."""
    for name, size in embedder.feature_sizes.items():
        assert features[name].shape == (19, size)
        assert features[name].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(features[name], axis=1), 1, atol=1e-6)
    assert features["prob"].min() >= 0


@pytest.mark.parametrize("num_images", [1, 2, 7, 8, 9, 10, 16, 19])
def test_company_does_not_matter(embedder, features, images, num_images):
    """An image's features do not depend on how many others come with it: filled, full and single batches agree."""
    found = embedder.embed(images[:num_images])
    for name, values in found.items():
        np.testing.assert_allclose(values, features[name][:num_images], atol=TOLERANCES[name])


def test_another_precision_is_another_version(model, features, images):
    """bfloat16 gives nearly the same directions under another name, so that galleries do not mix them."""
    half = KerasEmbedder(model, precision=Precision.BFLOAT16, batch_size=8)
    assert half.version == "two.bfloat16"
    for name, values in half.embed(images).items():
        assert values.dtype == np.float32
        cosines = (values * features[name]).sum(axis=1)
        assert cosines.min() > 0.99
        assert np.abs(values - features[name]).max() > 1e-6


def test_threads_get_the_same_features(model, features, images):
    """Threads that ask at once, before anything is compiled, each get their own images' features."""
    fresh = KerasEmbedder(model, batch_size=8)
    with ThreadPoolExecutor(4) as pool:
        starts = [0, 5, 9, 0, 11, 3]
        found = list(pool.map(lambda start: fresh.embed(images[start : start + 8]), starts))
    for start, values in zip(starts, found, strict=True):
        np.testing.assert_allclose(values["pool"], features["pool"][start : start + 8], atol=TOLERANCES["pool"])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, INPUT_SIZE, INPUT_SIZE, 3), np.uint8),
        np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8),
        np.zeros((2, INPUT_SIZE, INPUT_SIZE + 1, 3), np.uint8),
        np.zeros((2, INPUT_SIZE, INPUT_SIZE, 3), np.float32),
    ],
    ids=["none", "no batch axis", "another size", "floats"],
)
def test_images_of_another_form_are_refused(embedder, wrong):
    """What prepare() did not make is an error that says what was received, not a feature of something else."""
    with pytest.raises(ValueError, match=r"expected images of shape \(n, 32, 32, 3\).*received"):
        embedder.embed(wrong)


def test_altered_weights_are_not_loaded(model, tmp_path):
    """The hash in the manifest is checked when the version is loaded."""
    for file in model.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "bilinear.weights.h5").open("ab") as file:
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
