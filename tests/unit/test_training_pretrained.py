"""A pretrained trunk is trained with its batch normalisation folded, and what comes out runs like any version."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import NetworkSpec
from embeddings.model_store import ModelStore
from embeddings.networks import build, feature_map_network, freeze_stages, projection
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import NO_AUGMENTATION
from embeddings.training.config import Projection, TrainingConfig
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.network_training import train_network
from embeddings.training.projection_start import start_projection
from embeddings.training.publication import Publication
from embeddings.weights import load_pretrained, load_weights, save_weights

SIZE = 32
TAXONOMY = Taxonomy(("color=blue", "color=green", "color=red"))
RECIPE = TrainingConfig(
    activation="auto", epochs=1, batch_size=4, learning_rate=1e-3, augmentation=NO_AUGMENTATION, seed=1
)


def swatches(count=12):
    random = np.random.default_rng(2)
    images = random.integers(0, 60, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for row in range(count):
        images[row, ..., 2 - row % 3] += 150
    return LabelledImages(images, [[TAXONOMY.names[row % 3]] for row in range(count)])


@pytest.fixture(scope="module")
def trunk_weights(tmp_path_factory):
    """A compact network whose batch normalisation has statistics worth losing."""
    keras.utils.set_random_seed(0)
    model = build("compact", "multiattrib", 7, input_size=SIZE)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            gamma, beta, mean, variance = layer.weights
            gamma.assign(random.uniform(0.5, 1.5, gamma.shape))
            beta.assign(random.uniform(0, 0.5, beta.shape))
            mean.assign(random.uniform(-0.2, 0.2, mean.shape))
            variance.assign(random.uniform(0.5, 1.5, variance.shape))
    path = tmp_path_factory.mktemp("weights") / "trunk.weights.h5"
    save_weights(model, path)
    return path


def publication(folder, version="tuned"):
    return Publication(store=ModelStore(folder), version=version, data="swatches", command="train")


def pool_of(version, images):
    return KerasEmbedder(version, batch_size=len(images)).embed(images)["pool"]


def test_a_pretrained_trunk_is_trained_folded_and_its_version_runs(trunk_weights, tmp_path):
    """The weights file has no batch normalisation; trained at a rate of nearly nothing, the trunk is what it was."""
    notes = []
    version = train_network(
        replace(RECIPE, learning_rate=1e-9),
        swatches(),
        TAXONOMY,
        publication(tmp_path),
        pretrained=trunk_weights,
        on_note=notes.append,
    )
    with h5py.File(version.weights_path(version.manifest.networks[0])) as file:
        names = list(file["layers"])
    assert not [name for name in names if name.endswith("_bn")]
    assert [name for name in names if name.endswith("_conv")]
    before = build("compact", "multiattrib", 7, input_size=SIZE)

    load_pretrained(before, trunk_weights)
    images = swatches().images
    expected = keras.ops.convert_to_numpy(before(images.astype(np.float32), training=False)["pool"])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(pool_of(version, images), expected, atol=1e-4)
    assert version.manifest.networks[0].activation == "softmax"
    assert any("softmax" in note for note in notes)


def test_a_bilinear_head_without_normalization_comes_back_as_it_was(trunk_weights, tmp_path):
    """The choice is in the manifest, and the loaded network computes it."""
    config = replace(RECIPE, head="bilinear", projection_rank=3, bilinear_normalization=False)
    config = replace(config, projection=Projection.ICA, projection_locations=40)
    notes = []
    version = train_network(
        config, swatches(), TAXONOMY, publication(tmp_path), pretrained=trunk_weights, on_note=notes.append
    )
    # 40 locations of maps of 2 × 2 are 10 images.
    assert any(note.startswith("The projection is fitted on 40 locations of 10 images: 0 MiB") for note in notes)
    spec = ModelStore(tmp_path).open("tuned").manifest.networks[0]
    assert isinstance(spec, NetworkSpec)
    assert (spec.head, spec.projection_rank, spec.bilinear_normalization) == ("bilinear", 3, False)
    features = KerasEmbedder(version, batch_size=12).embed(swatches().images)
    assert features["bilinear"].shape == (12, 240 * 3)


@pytest.mark.parametrize("kind", [Projection.PCA, Projection.ORTHONORMAL])
def test_a_projection_starts_in_balance_with_pooled_features(trunk_weights, kind):
    """Magnitudes of a descriptor add up to as much as those of the pooled map, so that scores learn as fast of both."""
    images = swatches().images.astype(np.float32)
    described, pooled, bases = [], [], []
    for balanced in (False, True):
        model = build("compact", "bilinear", 3, input_size=SIZE, projection_rank=3, bilinear_normalization=False)
        load_pretrained(model, trunk_weights)
        recipe = replace(RECIPE, head="bilinear", projection_rank=3, bilinear_normalization=False, projection=kind)
        start_projection(
            model, replace(recipe, balanced_projection=balanced), swatches(), lambda *_: None, lambda _: None
        )
        maps = keras.ops.convert_to_numpy(feature_map_network(model)(images, training=False))
        pooled.append(float(np.abs(maps.mean(axis=(1, 2))).sum()))
        descriptors = keras.ops.convert_to_numpy(model(images, training=False)["bilinear"])
        described.append(float(np.abs(descriptors).sum()))
        bases.append(projection(model))
    assert described[1] == pytest.approx(pooled[1], rel=1e-3)
    assert described[0] != pytest.approx(pooled[0], rel=0.2), "before, it is far from that"
    np.testing.assert_allclose(bases[1], bases[0] * (pooled[0] / described[0]), rtol=1e-3)


def test_frozen_stages_stay_as_they_were(trunk_weights, tmp_path):
    """Stem and two stages frozen: their kernels are the file's, folded; the third stage's are not."""
    kept = build("compact", "multiattrib", 3, input_size=SIZE, folded=True)

    load_pretrained(kept, trunk_weights)
    version = train_network(
        replace(RECIPE, frozen_stages=3), swatches(), TAXONOMY, publication(tmp_path), pretrained=trunk_weights
    )
    tuned = build("compact", "multiattrib", 3, input_size=SIZE, folded=True)
    load_weights(tuned, version.weights_path(version.manifest.networks[0]))

    def changed(name):
        return bool((tuned.get_layer(name).kernel.numpy() != kept.get_layer(name).kernel.numpy()).any())

    names = [layer.name for layer in kept.layers if layer.name.endswith("_conv")]
    assert not [name for name in names if name.startswith(("stem", "stage1", "stage2")) and changed(name)]
    assert all(changed(name) for name in names if name.startswith(("stage3", "top")))


@pytest.mark.parametrize(
    ("trunk", "num_stages", "first_trained"),
    [("vgg16", 4, "block5_conv1"), ("resnet50", 1, "conv2_block1_0_bn"), ("compact", 5, "scores")],
)
def test_stages_are_counted_from_the_image(trunk, num_stages, first_trained):
    """Everything before the first trained layer is frozen, the rest is trained."""
    model = build(trunk, "bilinear", 2, input_size=SIZE, width=1 / 64 if trunk != "compact" else 1.0)
    freeze_stages(model, trunk, num_stages)
    weighted = {layer.name: bool(layer.trainable_weights) for layer in model.layers if layer.weights}
    assert weighted[first_trained]
    prefixes = {"vgg16": "block", "resnet50": "conv", "compact": ("stem", "stage", "top")}[trunk]
    trained = {name for name, trains in weighted.items() if trains and name.startswith(prefixes)}
    if trunk == "compact":
        assert not trained
    else:
        assert trained
        assert min(trained) >= first_trained


@pytest.mark.parametrize(("trunk", "num_stages"), [("alexnet", 1), ("vgg16", 6), ("vgg16", -1)])
def test_impossible_stages_are_refused(trunk, num_stages):
    """Unknown trunks and numbers are named."""
    with pytest.raises(ValueError, match=r"received|unknown trunk"):
        freeze_stages(None, trunk, num_stages)
