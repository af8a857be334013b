"""Training ends in a model version that computes what was trained, made again exactly by the same seed."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.errors import UnusableWeights
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersionExists
from embeddings.networks import build
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import NO_AUGMENTATION, Augmentation
from embeddings.training.batches import TrainingBatches
from embeddings.training.calibration import fit_scales
from embeddings.training.config import HeadTrainingConfig, Schedule, TrainingConfig
from embeddings.training.head_training import train_head
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.network_training import train_network
from embeddings.training.optimization import adam
from embeddings.training.publication import Publication
from embeddings.training.retrieval_scores import retrieval_scores
from embeddings.weights import save_weights

SIZE = 32
TAXONOMY = Taxonomy(("color=blue", "color=green", "color=red", "shade=dark", "shade=light"))
COLORS = ("red", "green", "blue")


def swatches(num_items, seed, views=2):
    """Noisy images of one colour, dark or light: attributes that even a tiny training can learn."""
    random = np.random.default_rng(seed)
    images, attributes, items = [], [], []
    for item in range(num_items):
        color, light = int(random.integers(3)), bool(random.integers(2))
        for _ in range(views):
            image = random.normal(40, 12, (SIZE, SIZE, 3))
            image[..., color] += 160 if light else 70
            images.append(np.clip(image, 0, 255).astype(np.uint8))
            attributes.append([f"color={COLORS[color]}", f"shade={'light' if light else 'dark'}"])
            items.append(f"item-{item}")
    stacked = np.stack(images)
    stacked.flags.writeable = False
    return LabelledImages(stacked, attributes, items)


TINY = TrainingConfig(
    epochs=6,
    batch_size=8,
    learning_rate=5e-3,
    augmentation=replace(NO_AUGMENTATION, flip=0.5),
    seed=3,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A version trained on swatches, with what training reported."""
    store = ModelStore(tmp_path_factory.mktemp("models"))
    records = []
    version = train_network(
        TINY,
        swatches(24, seed=1),
        TAXONOMY,
        Publication(store=store, version="swatches", data="swatches, seed 1", command="train swatches"),
        held_out=swatches(10, seed=2),
        on_epoch=records.append,
    )
    return store, version, records


def test_training_tells_of_every_epoch(trained):
    """Each epoch reports its loss, its rate and what was measured on held-out images; the loss falls."""
    _, _, records = trained
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1].loss < records[0].loss / 2
    assert all(record.images_per_second > 0 for record in records)
    assert "prob/intersection same-item precision@1" in records[0].scores
    assert "prob/intersection attribute IoU@5" in records[0].scores
    assert str(records[0]).startswith("epoch 1/6: loss ")


def test_the_version_says_how_it_was_made(trained):
    """Data, number of images, command, recipe and final scores are in the manifest."""
    _, version, _ = trained
    manifest = version.manifest
    assert manifest.provenance.data == "swatches, seed 1"
    assert manifest.provenance.num_images == 48
    assert manifest.provenance.command == "train swatches"
    assert manifest.provenance.settings["seed"] == 3
    assert manifest.provenance.settings["augmentation"]["flip"] == 0.5
    assert manifest.taxonomy == TAXONOMY
    assert manifest.input_size == SIZE
    assert "prob/intersection attribute IoU@10" in manifest.scores


def test_the_version_has_learnt_the_attributes(trained):
    """On items it has never seen, the attributes with the highest prob are mostly the true ones."""
    _, version, _ = trained
    unseen = swatches(20, seed=5, views=1)
    prob = KerasEmbedder(version, batch_size=20).embed(unseen.images)["prob"]
    found = np.argsort(-prob, axis=1)[:, :2]
    truth = TAXONOMY.encode(unseen.attributes) > 0
    share = np.take_along_axis(truth, found, axis=1).mean()
    # 2 of 5 attributes are true: guessing finds 0.4 of them.
    assert share > 0.8


def test_the_sigmoid_of_the_scores_is_calibrated(trained):
    """Training ends with prob near 1 for true attributes and near 0 for others, not at an arbitrary level."""
    _, version, _ = trained
    unseen = swatches(20, seed=5, views=1)
    truth = TAXONOMY.encode(unseen.attributes) > 0
    prob = KerasEmbedder(version, batch_size=20).embed(unseen.images)["prob"]
    # Two true attributes at 1, scaled to a sum of 1, are ½ each; at a level where all five are likely, 0.2.
    assert prob[truth].mean() > 0.35
    assert prob[~truth].mean() < 0.1
    np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)


def test_groups_of_one_value_share_a_softmax_from_training_to_features(tmp_path):
    """A swatch has one colour and one shade: in prob each group makes half of the sum, whatever the image."""
    notes = []
    version = train_network(
        replace(TINY, epochs=1, activation="auto", loss_within_groups=True),
        swatches(6, seed=1),
        TAXONOMY,
        Publication(store=ModelStore(tmp_path), version="groups", data="swatches", command="train swatches"),
        on_note=notes.append,
    )
    (network,) = version.manifest.networks
    assert network.activation == "groups"
    assert network.exclusive_groups == tuple(TAXONOMY.spans)
    prob = KerasEmbedder(version, batch_size=4).embed(swatches(2, seed=2, views=2).images)["prob"]
    for start, stop in TAXONOMY.spans.values():
        np.testing.assert_allclose(prob[:, start:stop].sum(axis=1), 1 / len(TAXONOMY.spans), rtol=1e-4)
    assert not [note for note in notes if "compares all attributes" in note]


def test_a_training_computes_in_bfloat16_where_asked_to(tmp_path, monkeypatch):
    """Convolutions in bfloat16, scores and everything that is kept in float32; what it learns lowers the loss."""
    trained = []
    fit = keras.Model.fit

    def spied_fit(model, *arguments, **named):
        trained.append(model)
        return fit(model, *arguments, **named)

    monkeypatch.setattr(keras.Model, "fit", spied_fit)
    records = []
    version = train_network(
        replace(TINY, compute_precision=Precision.BFLOAT16, epochs=4),
        swatches(12, seed=1),
        TAXONOMY,
        Publication(store=ModelStore(tmp_path), version="short", data="swatches", command="train swatches"),
        on_epoch=records.append,
    )
    (model,) = trained
    dtypes = {layer.name: (layer.compute_dtype, layer.output.dtype) for layer in model.layers}
    assert {dtypes[name] for name in dtypes if name.endswith("_conv")} == {("bfloat16", "bfloat16")}
    assert dtypes["scores"] == ("float32", "float32")
    kept = [*model.trainable_variables, *model.optimizer.variables]
    assert {variable.dtype for variable in kept if "iteration" not in variable.path} == {"float32"}
    assert records[-1].loss < records[0].loss * 0.8
    manifest = version.manifest
    assert manifest.provenance.settings["compute_precision"] == "bfloat16"
    # What the version computes in is another choice.
    assert manifest.precision is Precision.FLOAT32
    with h5py.File(version.weights_path(manifest.networks[0])) as file:
        assert file["layers"]["stem_conv"]["vars"]["0"].dtype == np.float32


def test_the_same_seed_trains_the_same_network(tmp_path):
    """A recipe with its seed decides the weights, up to the order in which threads add; another seed, others."""
    images = swatches(6, seed=9).images
    pools = []
    for number, seed in enumerate((3, 3, 4)):
        version = train_network(
            replace(TINY, epochs=1, seed=seed),
            swatches(4, seed=1),
            TAXONOMY,
            Publication(store=ModelStore(tmp_path), version=f"run-{number}", data="same", command="same"),
        )
        pools.append(KerasEmbedder(version, batch_size=12).embed(images)["pool"])
    first, same, other = pools
    assert (first * same).sum(axis=1).min() > 0.999
    assert (first * other).sum(axis=1).max() < 0.99


def test_a_taken_name_is_refused_before_training(trained):
    """Nobody waits for a training whose result has no place."""
    store, _, _ = trained
    with pytest.raises(ModelVersionExists):
        train_network(
            replace(TINY, epochs=10_000),
            swatches(24, seed=1),
            TAXONOMY,
            Publication(store=store, version="swatches", data="d", command="c"),
        )


def test_held_out_images_of_another_size_are_refused(tmp_path):
    """A network has one input size."""
    other = LabelledImages(np.zeros((2, 48, 48, 3), np.uint8), [[], []])
    publication = Publication(store=ModelStore(tmp_path), version="v", data="d", command="c")
    for train in (
        lambda data: train_network(TINY, data, TAXONOMY, publication, held_out=other),
        lambda data: train_head(
            HeadTrainingConfig(), data, TAXONOMY, publication, trunk_weights=tmp_path / "none", held_out=other
        ),
    ):
        with pytest.raises(ValueError, match="of 48 px do not fit training images of 32"):
            train(swatches(2, seed=0))


@pytest.fixture(scope="module")
def trunk_weights(tmp_path_factory):
    """A compact trunk with random weights: enough for colours to be told apart by a linear layer."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("weights") / "trunk.weights.h5"
    save_weights(build("compact", "multiattrib", 7, input_size=SIZE), path)
    return path


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
def test_a_head_on_a_frozen_trunk_learns_the_attributes(trunk_weights, tmp_path, precision):
    """The linear layer alone, trained on cached features, ranks the true attributes first on unseen items.

    The embedder computes what was trained: its prob agrees with the scores that training measured.
    """
    records, done = [], []
    held_out = swatches(10, seed=2)
    version = train_head(
        HeadTrainingConfig(trunk="compact", epochs=30, batch_size=16, learning_rate=2e-2, weight_decay=1e-3),
        swatches(30, seed=1),
        TAXONOMY,
        Publication(store=ModelStore(tmp_path), version="head", data="d", command="c", precision=precision),
        trunk_weights=trunk_weights,
        held_out=held_out,
        on_images=lambda count, total: done.append((count, total)),
        on_epoch=records.append,
    )
    assert version.manifest.precision is precision
    assert done == [(60, 80), (80, 80)]
    assert len(records) == 30
    assert records[-1].loss < records[0].loss / 2
    unseen = swatches(20, seed=5, views=1)
    prob = KerasEmbedder(version, batch_size=20).embed(unseen.images)["prob"]
    truth = TAXONOMY.encode(unseen.attributes) > 0
    assert np.take_along_axis(truth, np.argsort(-prob, axis=1)[:, :2], axis=1).mean() > 0.8
    features = KerasEmbedder(version, batch_size=20).embed(held_out.images)
    truth = TAXONOMY.encode(held_out.attributes) > 0
    found = retrieval_scores(features, truth, held_out.item_ids, (1, 5, 10))
    # Where two are nearly as near, rounding may decide otherwise for one of the 20 images, or for two in bfloat16.
    tolerance = (1 if precision is Precision.FLOAT32 else 2) / 20 + 1e-6
    assert version.manifest.scores == pytest.approx(found, abs=tolerance)
    # Neither none nor all are right, so that another layer of scores would show.
    assert 0.2 < found["prob/intersection same-item precision@1"] < 0.8
    while_training = {name: score for name, score in found.items() if not name.endswith("@10")}
    for record in records:
        assert set(record.scores) == set(while_training)
        # The trunk stays as it is, and so do the scores of its features.
        of_pool = {name: score for name, score in record.scores.items() if name.startswith("pool/")}
        assert of_pool
        # The manifest's are rounded to four digits.
        assert of_pool == pytest.approx({name: version.manifest.scores[name] for name in of_pool}, abs=1e-4)


def test_a_head_is_measured_on_some_of_many_images_and_calibrated_on_all(trunk_weights, tmp_path, monkeypatch):
    """Of 104 held-out images no more than the most, 20, are compared, items whole; the trunk's own features once."""
    monkeypatch.setattr("embeddings.training.measurement._MOST_MEASURED", 20)
    measured, calibrated = [], []

    def spied_scores(features, attributes, item_ids, ks, *more):
        measured.extend((name, len(rows), len(attributes), tuple(item_ids)) for name, rows in features.items())
        return retrieval_scores(features, attributes, item_ids, ks, *more)

    def spied_scales(scores, targets, *more, **named):
        calibrated.append((len(scores), len(targets)))
        return fit_scales(scores, targets, *more, **named)

    monkeypatch.setattr("embeddings.training.head_training.retrieval_scores", spied_scores)
    monkeypatch.setattr("embeddings.training.head_training.fit_scales", spied_scales)
    records = []
    version = train_head(
        HeadTrainingConfig(trunk="compact", epochs=3, batch_size=16),
        swatches(6, seed=1),
        TAXONOMY,
        Publication(store=ModelStore(tmp_path), version="head", data="d", command="c"),
        trunk_weights=trunk_weights,
        held_out=swatches(52, seed=2),
        on_epoch=records.append,
    )
    # 52 items of two images: 52 · 20 / 104 = 10 items.
    assert [name for name, *_ in measured] == ["pool", *["prob"] * (3 + 1)]
    for _, num_features, num_attributes, items in measured:
        assert num_features == num_attributes == len(items) == 20
        assert len(set(items)) == 10
    assert calibrated == [(104, 104)]
    assert {"pool/cosine attribute IoU@5", "prob/intersection attribute IoU@5"} <= set(records[-1].scores)
    assert {"pool/cosine attribute IoU@10", "prob/intersection attribute IoU@10"} <= set(version.manifest.scores)


def test_weights_without_the_layers_that_are_read_are_refused(tmp_path):
    """A frozen VGG16 reads fc7; a file without top would leave it random, and nothing would be learnt."""
    donor = build("vgg16", "bilinear", 2, input_size=SIZE, width=1 / 64)
    save_weights(donor, tmp_path / "notop.weights.h5")
    with pytest.raises(UnusableWeights):
        train_head(
            HeadTrainingConfig(trunk="vgg16"),
            swatches(2, seed=0),
            TAXONOMY,
            Publication(store=ModelStore(tmp_path / "models"), version="v", data="d", command="c"),
            trunk_weights=tmp_path / "notop.weights.h5",
        )


def batches_of(seed, batch_size=4, augmentation=NO_AUGMENTATION):
    data = swatches(5, seed=0)
    numbered = np.arange(len(data), dtype=np.float32)[:, np.newaxis]
    return TrainingBatches(data, numbered, batch_size=batch_size, augmentation=augmentation, seed=seed)


def test_an_epoch_sees_every_image_once_in_a_new_order():
    """Batches of one size; targets stay with their images; every epoch has an order of its own."""
    batches = batches_of(seed=1, batch_size=5)
    data = swatches(5, seed=0)
    orders = []
    for _ in range(2):
        order = []
        for index in range(len(batches)):
            images, targets = batches[index]
            assert images.shape == (5, SIZE, SIZE, 3)
            positions = [int(target) for target in targets[:, 0]]
            np.testing.assert_array_equal(images, data.batch(positions))
            order += positions
        assert sorted(order) == list(range(10))
        orders.append(order)
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_batches_are_decided_by_their_seed():
    """The same seed gives the same augmented pixels, another seed others."""
    first, same, other = (batches_of(seed, augmentation=Augmentation())[0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_a_batch_is_never_larger_than_the_data():
    """Ten images in batches of a hundred are one batch of ten."""
    batches = batches_of(seed=0, batch_size=100)
    assert len(batches) == 1
    assert len(batches[0][0]) == 10


def test_the_cosine_schedule_rises_and_falls():
    """Warmed up over a tenth of 100 steps to the highest rate, then down to zero; constant stays."""
    rate = adam(1e-2, num_steps=100, schedule=Schedule.COSINE, warm_up=0.1, weight_decay=0.0)._learning_rate
    values = [float(rate(step)) for step in (0, 5, 10, 55, 100)]
    assert values == pytest.approx([0, 0.5e-2, 1e-2, 0.5e-2, 0], abs=1e-6)
    constant = adam(1e-2, num_steps=100, schedule=Schedule.CONSTANT, warm_up=0.1, weight_decay=0.0)
    assert float(constant.learning_rate) == pytest.approx(1e-2)


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"seed": -1}, {"warm_up": 1.0}],
)
def test_impossible_recipes_are_refused(changes):
    """A recipe names the number that makes no sense."""
    name = next(iter(changes))
    with pytest.raises(ValueError, match=name):
        TrainingConfig(**changes)
    if name != "warm_up":
        with pytest.raises(ValueError, match=name):
            HeadTrainingConfig(**changes)
