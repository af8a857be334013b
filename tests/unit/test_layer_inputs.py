"""Means and covariances of layers' inputs, against patches cut by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.backend import keras
from embeddings.export.layer_inputs import LARGEST_COVARIANCE, measure_inputs


@pytest.fixture(scope="module")
def images():
    array = np.random.default_rng(2).integers(0, 256, (6, 7, 7, 3), dtype=np.uint8)
    array.flags.writeable = False
    return array


@pytest.fixture(scope="module")
def network():
    """Two convolutions, one padded and one not and strided, and a layer of scores on their mean."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((7, 7, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="first")(pixels)
    x = keras.layers.Conv2D(4, 2, strides=2, padding="valid", name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, {"scores": keras.layers.Dense(2, name="scores")(x)})


def patches(maps, size, stride, margin):
    """(patches, height × width × channel) of (n, H, W, C), with so many zeros around."""
    padded = np.pad(maps, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    starts = range(0, padded.shape[1] - size + 1, stride)
    cut = [padded[:, top : top + size, left : left + size] for top in starts for left in starts]
    return np.concatenate([patch.reshape(len(maps), -1) for patch in cut])


def test_every_location_of_small_maps_counts(network, images):
    """7×7 padded windows of 3×3 pixels of 3 channels, and 3×3 windows of 2×2 of the first layer's 5 channels."""
    found = measure_inputs(network, images)
    assert set(found) == {"first", "second", "scores"}
    pixels = patches(images.astype(np.float32), 3, 1, 1)
    assert pixels.shape == (6 * 49, 27)
    first = keras.Model(network.input, network.get_layer("first").output)(images.astype(np.float32)).numpy()
    for name, seen in (("first", pixels), ("second", patches(first, 2, 2, 0))):
        np.testing.assert_allclose(found[name].mean, seen.mean(axis=0), rtol=1e-5)
        expected = np.cov(seen, rowvar=False, bias=True)
        np.testing.assert_allclose(found[name].covariance, expected, atol=1e-3 * expected.max())


def test_rows_are_those_of_the_kernel(network, images):
    """A layer's mean output is its kernel's rows times the mean of its inputs, and its bias."""
    found = measure_inputs(network, images)
    layer = network.get_layer("second")
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    output = keras.Model(network.input, layer.output)(images.astype(np.float32)).numpy()
    expected = output.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(found["second"].mean @ kernel.reshape(-1, 4) + bias, expected, rtol=1e-4, atol=1e-3)


def test_large_maps_are_sampled_evenly():
    """Of 64×64 locations 8×8 are looked at, over the whole image: a left half of 10 and a right of 20 has mean 15."""
    pixels = keras.Input((64, 64, 1))
    network = keras.Model(pixels, {"out": keras.layers.Conv2D(1, 1, name="only")(pixels)})
    image = np.full((3, 64, 64, 1), 10, np.uint8)
    image[:, :, 32:] = 20
    (found,) = measure_inputs(network, image).values()
    np.testing.assert_allclose(found.mean, [15], rtol=1e-6)
    np.testing.assert_allclose(found.covariance, [[25]], rtol=1e-5)


def test_layers_of_very_many_inputs_have_no_covariance():
    """Which would not fit into memory; their mean is there all the same."""
    pixels = keras.Input((40, 40, 3))
    outputs = {"out": keras.layers.Dense(1, name="wide")(keras.layers.Flatten()(pixels))}
    (found,) = measure_inputs(keras.Model(pixels, outputs), np.full((2, 40, 40, 3), 9, np.uint8)).values()
    assert LARGEST_COVARIANCE < 40 * 40 * 3
    assert found.covariance is None
    np.testing.assert_array_equal(found.mean, np.full(4800, 9))
