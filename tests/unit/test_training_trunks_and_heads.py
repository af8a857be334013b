"""Every head on every trunk can be trained: from random weights, in whole steps, into a version."""

import h5py
import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.model_store import ModelStore
from embeddings.networks import HEADS, TRUNKS
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import NO_AUGMENTATION
from embeddings.training.config import Schedule, TrainingConfig
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.network_training import train_network
from embeddings.training.publication import Publication

SIZE = 32
TAXONOMY = Taxonomy(("color=blue", "color=green", "color=red"))


def swatches(count):
    random = np.random.default_rng(2)
    images = random.integers(0, 60, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for row in range(count):
        images[row, ..., 2 - row % 3] += 150
    return LabelledImages(images, [[TAXONOMY.names[row % 3]] for row in range(count)])


def kernels_of(model):
    """Every kernel with its layer's name, as the weights file has it."""
    return {layer.name: layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "trunk", [pytest.param(trunk, marks=[pytest.mark.slow] if trunk == "resnet50" else []) for trunk in TRUNKS]
)
def test_every_head_is_trained_on_every_trunk(trunk, head, tmp_path, monkeypatch):
    """Two steps move every kernel of trunk and head but the fixed projection, with a loss that is a number.

    Nothing decays, so that it is the loss alone that moves them.
    """
    before = {}
    fit = keras.Model.fit

    def spied_fit(model, *arguments, **named):
        before.update(kernels_of(model))
        return fit(model, *arguments, **named)

    monkeypatch.setattr(keras.Model, "fit", spied_fit)
    records = []
    version = train_network(
        TrainingConfig(
            trunk=trunk,
            head=head,
            projection_rank=4,
            calibrate=False,
            epochs=1,
            batch_size=3,
            learning_rate=1e-3,
            schedule=Schedule.CONSTANT,
            weight_decay=0,
            augmentation=NO_AUGMENTATION,
        ),
        swatches(6),
        TAXONOMY,
        Publication(store=ModelStore(tmp_path), version="two-steps", data="swatches", command="test"),
        on_epoch=records.append,
    )
    assert [np.isfinite(record.loss) for record in records] == [True]
    (network,) = version.manifest.networks
    assert (network.trunk, network.head) == (trunk, head)
    with h5py.File(version.weights_path(network)) as file:
        after = {name: np.asarray(file["layers"][name]["vars"]["0"]) for name in before}
    of_trunk = {name for name in before if name.startswith(("block", "conv", "stem", "stage", "top"))}
    # ResNet-50: the stem, 16 blocks of 3, and 4 shortcuts.
    assert len(of_trunk) == {"vgg16": 13, "resnet50": 1 + 16 * 3 + 4, "compact": 13}[trunk]
    fully_connected = {"fc6", "fc7"} if trunk == "vgg16" else set()
    assert before.keys() - of_trunk == {"scores"} | ({"projection"} if head == "bilinear" else fully_connected)
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == ({"projection"} if head == "bilinear" else set())
