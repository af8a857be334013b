"""Bilinear pooling by its arithmetic, and the projection that can be replaced."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from embeddings.networks import build, feature_map_network, projection, set_projection
from embeddings.networks.bilinear import BilinearPooling


@pytest.fixture
def model():
    return build("compact", "bilinear", 5, input_size=32, projection_rank=7)


def pooled(maps, projected):
    return keras.ops.convert_to_numpy(BilinearPooling()((maps.astype(np.float32), projected.astype(np.float32))))


def test_arithmetic_of_two_locations():
    """α = (1, 2), (0, 4) and β = (3), (−2): Σ α⊗β = (1·3 + 0·−2, 2·3 + 4·−2) = (3, −2), signed roots
    (√3, −√2), length √(3 + 2), so (√.6, −√.4)."""
    maps = np.array([[[[1, 2], [0, 4]]]])
    projected = np.array([[[[3], [-2]]]])
    np.testing.assert_allclose(pooled(maps, projected), [[np.sqrt(0.6), -np.sqrt(0.4)]], atol=1e-4)


def test_equals_outer_products_summed_over_locations():
    """Entry c·R + r is Σ_xy α_c β_r, then √ with its sign, then over the length."""
    rng = np.random.default_rng(2)
    maps, projected = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 6))
    descriptor = np.einsum("nhwc,nhwr->ncr", maps, projected).reshape(2, 30)
    rooted = np.sign(descriptor) * np.sqrt(np.abs(descriptor))
    expected = rooted / np.linalg.norm(rooted, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled(maps, projected), expected, atol=2e-3)


def test_empty_map_gives_zero_with_finite_gradient():
    """Channels that are zero everywhere, or all of them, must not make infinity of the root's slope."""
    maps = tf.zeros((1, 2, 2, 3))
    projected = tf.ones((1, 2, 2, 2))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        descriptor = BilinearPooling()((maps, projected))
        loss = tf.reduce_sum(descriptor)
    np.testing.assert_array_equal(descriptor, np.zeros((1, 6)))
    assert np.isfinite(tape.gradient(loss, maps).numpy()).all()


def test_projection_starts_orthonormal_and_is_the_same_every_time(model):
    """Columns of unit length at right angles, from a fixed seed, so that two builds without a fit agree."""
    basis = projection(model)
    assert basis.shape == (240, 7)
    np.testing.assert_allclose(basis.T @ basis, np.eye(7), atol=1e-5)
    np.testing.assert_array_equal(projection(build("compact", "bilinear", 3, input_size=32, projection_rank=7)), basis)


@pytest.mark.parametrize(("train_projection", "num_trainable"), [(False, 0), (True, 240 * 7)])
def test_projection_is_fixed_unless_asked(train_projection, num_trainable):
    """Fixed by default; ``train_projection`` lets training change it."""
    model = build("compact", "bilinear", 5, input_size=32, projection_rank=7, train_projection=train_projection)
    layer = model.get_layer("projection")
    assert sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights) == num_trainable


def test_fitted_basis_takes_its_place(model):
    """After ``set_projection`` the descriptor is that of the new basis, computed from the feature map by hand."""
    basis = np.random.default_rng(4).normal(size=(240, 7))
    basis.setflags(write=False)
    set_projection(model, basis)
    np.testing.assert_allclose(projection(model), basis, rtol=1e-6)
    images = np.random.default_rng(5).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    maps = keras.ops.convert_to_numpy(feature_map_network(model)(images))
    assert maps.shape == (2, 2, 2, 240)
    descriptor = np.einsum("nhwc,cr,nhwd->ndr", maps, basis, maps).reshape(2, -1)
    rooted = np.sign(descriptor) * np.sqrt(np.abs(descriptor))
    expected = rooted / np.linalg.norm(rooted, axis=1, keepdims=True)
    np.testing.assert_allclose(model(images)["bilinear"], expected, atol=2e-3)


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (np.zeros((7, 240)), r"shape \(240, 7\) \(channels × rank\), received \(7, 240\)"),
        (np.full((240, 7), np.nan), "received NaN or infinity"),
    ],
)
def test_unfit_basis_is_refused(model, basis, message):
    """A transposed or broken basis raises and changes nothing."""
    before = projection(model)
    with pytest.raises(ValueError, match=message):
        set_projection(model, basis)
    np.testing.assert_array_equal(projection(model), before)


def test_network_without_bilinear_head_has_no_projection():
    """The message says which head to build."""
    model = build("compact", "multiattrib", 5, input_size=32)
    for ask in (projection, feature_map_network):
        with pytest.raises(ValueError, match="build it with head='bilinear'"):
            ask(model)
