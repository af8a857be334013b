"""What ``build`` promises: sizes, parameter counts, names and dtypes of outputs, and refusals."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from embeddings.losses import LSEP
from embeddings.networks import (
    HEADS,
    TRUNKS,
    attribute_probabilities,
    build,
    default_input_size,
    default_preprocessing,
)
from embeddings.networks.probabilities import AttributeProbabilities

SMALL = {
    "vgg16": {"input_size": 32, "width": 1 / 16},
    "resnet50": {"input_size": 32, "width": 1 / 16},
    "compact": {"input_size": 32},
}


def build_small(trunk, head, num_attributes=5, **options):
    return build(trunk, head, num_attributes, **{**SMALL[trunk], **options})


def photos(model, count=3, seed=11):
    return np.random.default_rng(seed).integers(0, 256, (count, *model.input_shape[1:]), dtype=np.uint8)


def num_parameters(model, *layers):
    return sum(model.get_layer(layer).count_params() for layer in layers)


def output_sizes(model):
    return {name: tensor.shape[1] for name, tensor in model.output.items()}


@pytest.fixture(scope="module")
def vgg16_of_the_paper():
    return build("vgg16", "multiattrib", 336)


def test_vgg16_multiattrib_has_the_papers_parameters(vgg16_of_the_paper):
    """N = 336: fc6 7·7·512·4096 + 4096, fc7 4096² + 4096, fc8 4096·336 + 336; head, trunk and sum as in the paper."""
    model = vgg16_of_the_paper
    assert num_parameters(model, "fc6") == 7 * 7 * 512 * 4096 + 4096 == 102_764_544
    assert num_parameters(model, "fc7") == 4096 * 4096 + 4096 == 16_781_312
    assert num_parameters(model, "scores") == 4096 * 336 + 336 == 1_376_592
    assert num_parameters(model, "fc6", "fc7", "scores") == 120_922_448
    assert model.count_params() == 14_714_688 + 120_922_448 == 135_637_136


def test_vgg16_multiattrib_has_the_papers_features(vgg16_of_the_paper):
    """fc6 and fc7 of 4096, one score and one probability per attribute, at 224 × 224 pixels."""
    assert output_sizes(vgg16_of_the_paper) == {"fc6": 4096, "fc7": 4096, "scores": 336, "prob": 336}
    assert vgg16_of_the_paper.input_shape == (None, 224, 224, 3)


def test_vgg16_bilinear_has_the_papers_parameters():
    """512·20 = 10,240 features; 10,240·336 + 336 in the head; 18,155,664 in all plus the projection's 10,240."""
    model = build("vgg16", "bilinear", 336)
    assert output_sizes(model) == {"pool": 512, "bilinear": 10_240, "scores": 336, "prob": 336}
    assert num_parameters(model, "scores") == 10_240 * 336 + 336 == 3_440_976
    assert num_parameters(model, "projection") == 512 * 20
    assert model.count_params() == 14_714_688 + 3_440_976 + 10_240 == 18_155_664 + 10_240


def test_vgg16_bilinear_leaves_out_pool5():
    """The bilinear layer reads conv5_3 at 14 × 14 locations; the fully connected head reads pool5 at 7 × 7."""
    bilinear = build("vgg16", "bilinear", 3, width=1 / 16)
    multiattrib = build("vgg16", "multiattrib", 3, width=1 / 16)
    assert bilinear.get_layer("feature_map").output.shape == (None, 14, 14, 32)
    assert multiattrib.get_layer("block5_pool").output.shape == (None, 7, 7, 32)


def test_resnet50_is_keras_resnet50():
    """The trunk has exactly the layers and weights of ``keras.applications.ResNet50`` without top, in its order."""
    reference = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))
    model = build("resnet50", "multiattrib", 7, input_size=32)
    theirs = [(layer.name, [weight.shape for weight in layer.weights]) for layer in reference.layers if layer.weights]
    ours = [(layer.name, [weight.shape for weight in layer.weights]) for layer in model.layers if layer.weights]
    assert ours == [*theirs, ("scores", [(2048, 7), (7,)])]
    assert output_sizes(model) == {"pool": 2048, "scores": 7, "prob": 7}


def test_compact_is_compact():
    """Fewer than 1.5 million parameters, 384 = 48 + 96 + 240 features at 128 pixels, 240·20 with the bilinear head."""
    model = build("compact", "multiattrib", 60)
    assert 500_000 < model.count_params() < 1_500_000
    assert output_sizes(model) == {"pool": 384, "scores": 60, "prob": 60}
    assert model.input_shape == (None, 128, 128, 3)
    assert output_sizes(build("compact", "bilinear", 60))["bilinear"] == 4800


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_outputs_are_float32_rows_in_range(trunk, head, precision):
    """Every output is (n, size) float32 and finite in both precisions; features ≥ 0 but bilinear; prob in 0..1."""
    model = build_small(trunk, head, precision=precision)
    outputs = model(photos(model))
    assert list(outputs)[-2:] == ["scores", "prob"]
    for name, tensor in outputs.items():
        values = keras.ops.convert_to_numpy(tensor)
        assert values.dtype == np.float32, name
        assert values.shape == (3, model.output[name].shape[1])
        assert np.isfinite(values).all()
        if name in ("fc6", "fc7", "pool", "prob"):
            assert values.min() >= 0.0
        if name == "prob":
            assert values.max() <= 1.0


@pytest.mark.parametrize("trunk", TRUNKS)
def test_bfloat16_is_near_float32(trunk):
    """The same weights give features of cosine above 0.999 in both precisions."""
    exact = build_small(trunk, "multiattrib")
    fast = build_small(trunk, "multiattrib", precision="bfloat16")
    fast.set_weights(exact.get_weights())
    feature = "fc6" if trunk == "vgg16" else "pool"
    a, b = (keras.ops.convert_to_numpy(model(photos(model))[feature]) for model in (exact, fast))
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(a, b)


def test_bfloat16_keeps_weights_in_float32():
    """Only the arithmetic is shortened, so both precisions read one weights file."""
    model = build_small("compact", "multiattrib", precision="bfloat16")
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_prob_is_the_activation_of_scores(activation):
    """sigmoid: 1 / (1 + e^−s) each by itself; softmax: e^s / Σ e^s, summing to 1."""
    model = build_small("compact", "multiattrib", activation=activation)
    outputs = {name: keras.ops.convert_to_numpy(tensor) for name, tensor in model(photos(model)).items()}
    scores = outputs["scores"].astype(np.float64)
    expected = 1 / (1 + np.exp(-scores))
    if activation == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs["prob"], expected, atol=1e-6)


def test_prob_of_groups_is_a_softmax_within_each():
    """Scores (0, ln 3 | ln 2 | 0, 0): the first group shares 1 as 1/4 and 3/4, the last equally; ln 2 is by itself,
    so 2 / (1 + 2)."""
    scores = np.log(np.array([[1.0, 3.0, 2.0, 1.0, 1.0]], np.float32))
    layer = AttributeProbabilities("groups", [(0, 2), (3, 5)])
    np.testing.assert_allclose(layer(scores), [[0.25, 0.75, 2 / 3, 0.5, 0.5]], rtol=1e-6)
    again = AttributeProbabilities.from_config(layer.get_config())
    np.testing.assert_array_equal(again(scores), layer(scores))


@pytest.mark.parametrize("spans", [[(0, 2), (1, 3)], [(2, 4), (0, 2)], [(0, 9)], [(1, 1)], [(-1, 2)]])
def test_groups_that_cannot_be_are_refused(spans):
    """Overlapping, out of order, beyond the scores, empty, before the first."""
    with pytest.raises(ValueError, match="ordered spans"):
        attribute_probabilities(np.zeros((1, 4), np.float32), "groups", spans)


def test_uint8_and_float_images_are_the_same():
    """Pixels may come as uint8 or as floats in 0..255."""
    model = build_small("compact", "multiattrib")
    images = photos(model)
    np.testing.assert_array_equal(model(images)["scores"], model(images.astype(np.float64))["scores"])


def test_dropout_works_in_training_only():
    """fc6 and fc7 drop units in training; inference is repeatable, and features are taken before dropout."""
    model = build_small("vgg16", "multiattrib")
    images = photos(model)
    np.testing.assert_array_equal(model(images)["scores"], model(images)["scores"])
    first, second = model(images, training=True), model(images, training=True)
    assert not np.array_equal(first["scores"], second["scores"])
    np.testing.assert_array_equal(first["fc6"], second["fc6"])


def test_folded_leaves_out_batch_normalization():
    """A folded network has no batch normalisation, and a bias in every convolution instead."""
    model = build_small("compact", "multiattrib", folded=True)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    assert all(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))


@pytest.mark.parametrize("head", HEADS)
def test_learns_from_one_batch(head):
    """Every trainable weight of the compact network moves in one training step: nothing is cut off from the loss."""
    model = build_small("compact", head)
    model.compile("adam", loss={"scores": LSEP()}, jit_compile=False)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.train_on_batch(photos(model, 8), {"scores": np.eye(8, 5)})
    still = [
        weight.path
        for old, weight in zip(before, model.trainable_weights, strict=True)
        if np.array_equal(old, weight.numpy())
    ]
    assert still == []


# Keras reads its own variables in a way that NumPy 2 warns about.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_whole_model_can_be_saved_by_keras(tmp_path):
    """Our own layers are registered: a saved ``.keras`` file loads without naming them and gives the same scores."""
    model = build_small("compact", "bilinear", preprocessing="unit")
    model.save(tmp_path / "whole.keras")
    restored = keras.saving.load_model(tmp_path / "whole.keras")
    images = photos(model)
    np.testing.assert_allclose(restored(images)["scores"], model(images)["scores"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "vgg19"}, r"unknown trunk 'vgg19', expected one of vgg16, resnet50, compact"),
        ({"head": "proxy"}, r"unknown head 'proxy', expected one of multiattrib, bilinear"),
        ({"num_attributes": 0}, r"num_attributes needs at least 1, received 0"),
        ({"activation": "tanh"}, r"unknown activation 'tanh'"),
        ({"precision": "float16"}, r"unknown precision 'float16', expected one of float32, bfloat16"),
        ({"preprocessing": "tf"}, r"unknown preprocessing 'tf'"),
        ({"input_size": 8}, r"input_size needs at least 16, received 8"),
        ({"projection_rank": 0}, r"projection_rank needs at least 1"),
    ],
)
def test_arguments_outside_the_list_are_refused(changes, message):
    """What was received and what would have been right stand in the message."""
    arguments = {"trunk": "compact", "head": "bilinear", "num_attributes": 4, **changes}
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_defaults_can_be_asked_for():
    """A manifest can record the defaults without building the network."""
    assert [default_input_size(trunk) for trunk in TRUNKS] == [224, 224, 128]
    assert [default_preprocessing(trunk) for trunk in TRUNKS] == ["caffe", "caffe", "torch"]
    with pytest.raises(ValueError, match="unknown trunk 'vit'"):
        default_input_size("vit")
