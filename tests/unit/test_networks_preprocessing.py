"""The first layer: each convention by its arithmetic and against Keras's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from embeddings.networks.preprocessing import Preprocessing

# One pixel, red 255, green 51, blue 0.
PIXEL = np.array([[[[255, 51, 0]]]], np.uint8)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # Blue, green, red, each minus its mean: 0 − 103.939, 51 − 116.779, 255 − 123.68.
        ("caffe", [-103.939, -65.779, 131.32]),
        # (1 − .485) / .229, (.2 − .456) / .224, (0 − .406) / .225.
        ("torch", [2.248908, -1.142857, -1.804444]),
        ("unit", [1.0, 0.2, 0.0]),
    ],
)
def test_arithmetic_of_one_pixel(mode, expected):
    """Each convention as it is defined, in float32 whatever comes in."""
    result = keras.ops.convert_to_numpy(Preprocessing(mode)(PIXEL))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("mode", ["caffe", "torch"])
def test_agrees_with_keras(mode):
    """The same numbers as Keras's ``preprocess_input`` in this mode, for random images."""
    images = np.random.default_rng(5).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    if mode == "caffe":
        expected = keras.applications.vgg16.preprocess_input(images.astype(np.float32))
    else:
        expected = keras.applications.densenet.preprocess_input(images.astype(np.float32))
    np.testing.assert_allclose(Preprocessing(mode)(images), expected, rtol=1e-4, atol=1e-5)


def test_stays_float32_under_a_global_policy():
    """A process that computes in bfloat16 still sees all 256 levels of a colour."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
        result = keras.ops.convert_to_numpy(Preprocessing("unit")(levels))
    finally:
        keras.config.set_dtype_policy(policy)
    assert len(np.unique(result)) == 256


def test_unknown_convention_is_refused():
    """The message lists what there is."""
    with pytest.raises(ValueError, match="unknown preprocessing 'tf', expected one of caffe, torch, unit"):
        Preprocessing("tf")
