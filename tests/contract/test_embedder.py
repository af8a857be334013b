"""Every embedder keeps the same promises: Keras in float32 and bfloat16, LiteRT in int8, whitened, the fake, and that
one in a process beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from catalog.adapters.networks.process_models import ProcessEmbedder, ProcessModels
from embeddings.embedder import PROB_SCALE, Embedder
from embeddings.export.calibration import CalibrationImages
from embeddings.export.quantization import quantize
from embeddings.export.whitened_version import WhiteningRequest, whiten
from embeddings.keras_embedder import KerasEmbedder
from embeddings.litert_embedder import LiteRtEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.normalization import Normalization
from embeddings.open_embedder import open_embedder
from embeddings.taxonomy import Taxonomy
from embeddings.whitened_embedder import WhitenedEmbedder
from tests.color_networks import color_process
from tests.fakes import COLORS, ColorEmbedder, ColorModels
from tests.model_versions import TAXONOMY, RandomNetwork, add_version, random_images

NUM_IMAGES = 19


@dataclass(frozen=True)
class Kind:
    """An embedder under contract.

    Args:
        open: Another one of the same version.
        type, version, taxonomy: What it should be.
        tolerances: How far a component may be off in other company.
        prob_scale: Which norm of ``prob`` is 1: its length (2) or its sum (1).
    """

    open: Callable[[], Embedder]
    type: type
    version: str
    taxonomy: Taxonomy
    tolerances: Mapping[str, float]
    prob_scale: int = 2


@pytest.fixture(scope="module")
def keras_version(tmp_path_factory):
    """Two networks: pool from the one, prob and the bilinear descriptor from the other."""
    networks = [
        RandomNetwork("multiattrib", ("pool",)),
        RandomNetwork("bilinear", ("prob", "bilinear"), activation="softmax", rank=4),
    ]
    store = ModelStore(tmp_path_factory.mktemp("models"))
    return add_version(store, "two", [(one, one.build(seed)) for seed, one in enumerate(networks, start=1)])


@pytest.fixture(scope="module")
def float32(keras_version):
    # Sums in another order differ in the last bits. The signed root of the bilinear descriptor, whose slope near zero
    # is 100, makes more of it there.
    tolerances = {"pool": 2e-6, "prob": 2e-6, "bilinear": 1e-4}
    return Kind(lambda: open_embedder(keras_version, batch_size=8), KerasEmbedder, "two", TAXONOMY, tolerances)


@pytest.fixture(scope="module")
def bfloat16(keras_version):
    # A number has 8 significant bits, so that another order of additions may change it by 2⁻⁸ of itself.
    tolerances = {"pool": 2**-8, "prob": 2**-8, "bilinear": 2**-5}
    return Kind(
        lambda: open_embedder(keras_version, precision=Precision.BFLOAT16, batch_size=8),
        KerasEmbedder,
        "two.bfloat16",
        TAXONOMY,
        tolerances,
    )


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    networks = [RandomNetwork("multiattrib", ("pool",)), RandomNetwork("multiattrib", ("prob",), folded=True)]
    store = ModelStore(tmp_path_factory.mktemp("quantized"))
    built = [(one, one.build(seed)) for seed, one in enumerate(networks, start=4)]
    whole = add_version(store, "whole", built, prob_normalization=Normalization.L1)
    version = quantize(whole, "small", store, CalibrationImages(random_images(32, seed=5), "noise"))
    # Images are run one by one, in integers.
    return Kind(lambda: open_embedder(version), LiteRtEmbedder, "small", TAXONOMY, {"pool": 0, "prob": 0}, prob_scale=1)


@pytest.fixture(scope="module")
def whitened(tmp_path_factory):
    network = RandomNetwork("multiattrib", ("pool", "prob"))
    store = ModelStore(tmp_path_factory.mktemp("whitened"))
    whole = add_version(store, "whole", [(network, network.build(7))])
    # Of noise no direction tells more than another, so that hardly any is scaled up with its rounding.
    request = WhiteningRequest("white", 4, shrinkage=0.5)
    version = whiten(whole, request, random_images(32, seed=6), "noise", store, command="whiten it")
    tolerances = {"pool": 1e-3, "prob": 2e-6}
    return Kind(lambda: open_embedder(version, batch_size=8), WhitenedEmbedder, "white", TAXONOMY, tolerances)


@pytest.fixture(scope="module")
def fake():
    taxonomy = Taxonomy(tuple(f"color={name}" for name in COLORS))
    return Kind(lambda: ColorEmbedder("colors-7"), ColorEmbedder, "colors-7", taxonomy, {"pool": 0, "prob": 0})


@pytest.fixture(scope="module")
def beside(fake):
    with color_process() as process:
        models = ProcessModels(ColorModels(), process)
        yield dataclasses.replace(fake, open=lambda: models.embedder(fake.version), type=ProcessEmbedder)


@pytest.fixture(scope="module", params=["float32", "bfloat16", "int8", "whitened", "fake", "beside"])
def kind(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def embedder(kind):
    return kind.open()


@pytest.fixture(scope="module")
def images(embedder):
    size = embedder.input_size
    array = np.random.default_rng(3).integers(0, 256, (NUM_IMAGES, size, size, 3), dtype=np.uint8)
    array.flags.writeable = False
    return array


@pytest.fixture(scope="module")
def features(embedder, images):
    return embedder.embed(images)


def test_it_describes_the_version(embedder, kind):
    """What the services need to know is there without running anything."""
    assert type(embedder) is kind.type
    assert embedder.version == kind.version
    assert embedder.taxonomy == kind.taxonomy
    assert embedder.visual_feature == "pool"
    assert set(embedder.feature_sizes) == set(kind.tolerances)
    assert embedder.feature_sizes["prob"] == len(kind.taxonomy)


def test_features_have_the_promised_form(embedder, kind, features):
    """(n, size) float32 of unit rows; prob is non-negative, of length or sum 1."""
    assert set(features) == set(embedder.feature_sizes)
    for name, size in embedder.feature_sizes.items():
        assert (features[name].shape, features[name].dtype) == ((NUM_IMAGES, size), np.float32)
        scale = kind.prob_scale if name == "prob" else 2
        np.testing.assert_allclose(np.linalg.norm(features[name], ord=scale, axis=1), 1, atol=1e-6)
    assert features["prob"].min() >= 0


@pytest.mark.parametrize("num_images", [1, 2, 7, 8, 9, 10, 16, 19])
def test_company_does_not_matter(embedder, kind, features, images, num_images):
    """An image's features do not depend on how many others come with it: filled, full and single batches agree."""
    for name, values in embedder.embed(images[:num_images]).items():
        np.testing.assert_allclose(values, features[name][:num_images], rtol=0, atol=kind.tolerances[name])


def test_threads_get_the_same_features(kind, features, images):
    """Threads that ask at once, before anything is compiled, each get their own images' features."""
    fresh = kind.open()
    with ThreadPoolExecutor(4) as pool:
        starts = [0, 5, 9, 0, 11, 3]
        found = list(pool.map(lambda start: fresh.embed(images[start : start + 8]), starts))
    for start, values in zip(starts, found, strict=True):
        for name, rows in values.items():
            np.testing.assert_allclose(
                rows, features[name][start : start + 8], rtol=0, atol=kind.tolerances[name], err_msg=name
            )


def test_what_was_given_belongs_to_the_caller(embedder, features, images):
    """Writing to features changes nothing for whoever asks next, or asked before."""
    for values in embedder.embed(images[:2]).values():
        values[...] = 7
    for name, values in embedder.embed(images[:2]).items():
        assert np.abs(values).max() <= 1 + 1e-6
        assert np.abs(features[name]).max() <= 1 + 1e-6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda size: np.zeros((0, size, size, 3), np.uint8),
        lambda size: np.zeros((size, size, 3), np.uint8),
        lambda size: np.zeros((2, size, size + 1, 3), np.uint8),
        lambda size: np.zeros((2, size, size, 3), np.float32),
    ],
    ids=["none", "no batch axis", "another size", "floats"],
)
def test_images_of_another_form_are_refused(embedder, wrong):
    """What prepare() did not make is an error that says what was received, not a feature of something else."""
    size = embedder.input_size
    with pytest.raises(ValueError, match=rf"expected images of shape \(n, {size}, {size}, 3\).*received"):
        embedder.embed(wrong(size))


def test_the_scale_gives_the_networks_own_probabilities_back(embedder, kind, features, images):
    """Beside the same features, what ``prob`` was divided by: times that, it is what the activation said."""
    scaled = embedder.embed_with_scale(images)
    assert set(scaled) == {*features, PROB_SCALE}
    for name, values in features.items():
        np.testing.assert_allclose(scaled[name], values, rtol=0, atol=kind.tolerances[name])
    assert (scaled[PROB_SCALE].shape, scaled[PROB_SCALE].dtype) == ((NUM_IMAGES, 1), np.float32)
    probabilities = scaled["prob"] * scaled[PROB_SCALE]
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1 + 1e-6
    lengths = np.linalg.norm(probabilities, ord=kind.prob_scale, axis=1, keepdims=True)
    np.testing.assert_allclose(lengths, scaled[PROB_SCALE], rtol=1e-5)
