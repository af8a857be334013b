"""Rounding weights to int8: grids that are there are found, and outputs change less than weight by weight."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.export.weight_rounding import (
    LARGEST,
    channel_steps,
    round_layer,
    round_to_keep_outputs,
    round_to_nearest,
)


def read_only(values, dtype=np.float32):
    array = np.asarray(values, dtype)
    array.flags.writeable = False
    return array


@pytest.fixture(scope="module")
def weights():
    """24 channels of 40 weights of very different sizes."""
    random = np.random.default_rng(7)
    return read_only(random.normal(size=(24, 40)) * 10.0 ** random.uniform(-4, 1, (24, 1)))


@pytest.fixture(scope="module")
def inputs():
    """500 inputs of which neighbours are much alike, as in photos, with a mean that is not zero."""
    random = np.random.default_rng(8)
    return read_only(np.cumsum(random.normal(size=(500, 40)), axis=1) + 3)


def test_the_largest_weight_is_127_steps(weights):
    """Of weights that lie on no grid."""
    np.testing.assert_allclose(channel_steps(weights), np.abs(weights).max(axis=1) / 127, rtol=1e-6)


def test_weights_go_to_their_nearest_step():
    """In steps of 2 and 0.0001: 3 / 2 = 1.5 goes to the even 2, 0.00004 to 0; 500 / 2 = 250 stops at 127."""
    weights = read_only([[254.0, 3.0, -1.2, 500.0], [0.0003, -0.0127, 0.00004, 0.00006]])
    found = round_to_nearest(weights, read_only([2.0, 0.0001]))
    np.testing.assert_array_equal(found, [[127, 2, -1, 127], [3, -127, 0, 1]])


@pytest.mark.parametrize("largest", [1, 5, 12, 64, 77, 100, 127])
def test_a_grid_that_is_there_is_found(largest):
    """Whole multiples of 0.3, of which the largest is not 127: nothing is lost, whatever the channel's size."""
    multiples = np.random.default_rng(largest).integers(-largest, largest + 1, (3, 60))
    multiples[:, 7] = -largest
    weights = read_only(multiples * np.array([[0.3], [300.0], [3e-5]]))
    steps = channel_steps(weights)
    rounded = round_to_nearest(weights, steps)
    np.testing.assert_allclose(rounded * steps[:, None], weights, rtol=1e-6, atol=1e-12)
    assert np.abs(rounded).max() <= LARGEST


def test_one_weight_at_minus_128_steps_spoils_one_weight():
    """Symmetric int8 ends at -127: that weight comes out one step off, and the others stay exact."""
    weights = read_only([[-128.0, *range(-50, 51)]])
    steps = channel_steps(weights)
    rounded = round_to_nearest(weights, steps)
    assert rounded[0, 0] * steps[0] == -127
    np.testing.assert_array_equal(rounded[0, 1:] * steps[0], weights[0, 1:])


def test_channels_of_zeros_stay_zeros():
    """A channel that was pruned away has a step all the same."""
    weights = read_only([[0.0, 0.0], [1.0, 0.0]])
    steps = channel_steps(weights)
    assert (steps > 0).all()
    np.testing.assert_array_equal(round_to_nearest(weights, steps), [[0, 0], [127, 0]])


def test_no_weight_is_further_off_than_half_a_step(weights):
    """Rounding to the nearest."""
    steps = channel_steps(weights)
    off = np.abs(round_to_nearest(weights, steps) * steps[:, None] - weights)
    assert (off <= 0.5001 * steps[:, None]).all()


def test_two_equal_inputs_share_their_rounding():
    """Both weights 0.4 in steps of 1, inputs that are always equal: 0 and 1 keep the sum 0.8 better than 0 and 0.

    The first becomes 0 and leaves 0.4; the damping of 1 % hands 0.4 / 1.01 = 0.396 of it to the second, which at 0.796
    becomes 1. What outputs are off by goes from 0.8 to 0.2.
    """
    weights = read_only([[0.4, 0.4, 127.0]])
    covariance = read_only([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    steps = read_only([1.0])
    np.testing.assert_array_equal(round_to_nearest(weights, steps), [[0, 0, 127]])
    np.testing.assert_array_equal(round_to_keep_outputs(weights, steps, covariance), [[0, 1, 127]])


def test_independent_inputs_are_rounded_to_the_nearest(weights):
    """Nothing can make up for another weight then; likewise where the inputs never vary."""
    steps = channel_steps(weights)
    nearest = round_to_nearest(weights, steps)
    np.testing.assert_array_equal(round_to_keep_outputs(weights, steps, read_only(np.diag(np.arange(1, 41)))), nearest)
    np.testing.assert_array_equal(round_to_keep_outputs(weights, steps, read_only(np.zeros((40, 40)))), nearest)


def test_weights_on_the_grid_stay(inputs):
    """However inputs vary together: there is nothing to make up for."""
    multiples = np.random.default_rng(9).integers(-127, 128, (6, 40))
    steps = read_only([0.1, 1, 10, 0.03, 0.7, 2])
    covariance = read_only(np.cov(inputs, rowvar=False))
    found = round_to_keep_outputs(read_only(multiples * steps[:, None]), steps, covariance)
    np.testing.assert_array_equal(found, multiples)


def test_outputs_vary_as_before_and_keep_their_means(weights, inputs):
    """On inputs that vary together, a tenth of the squared error is left at most; the means are exact."""
    mean, covariance = inputs.mean(axis=0), read_only(np.cov(inputs, rowvar=False))
    bias = read_only(np.abs(weights).max(axis=1) * np.arange(24))
    rounded = round_layer(weights, bias, mean, covariance)
    nearest = round_layer(weights, bias, mean, None)
    off = [
        inputs.astype(np.float64) @ (one.rows * one.steps[:, None] - weights).T + (one.bias - bias)
        for one in (rounded, nearest)
    ]
    np.testing.assert_allclose(off[0].mean(axis=0) / rounded.steps, 0, atol=0.01)
    np.testing.assert_allclose(off[1].mean(axis=0) / nearest.steps, 0, atol=0.01)
    squared = [(one / rounded.steps).var(axis=0).mean() for one in off]
    assert squared[0] < 0.1 * squared[1]
    assert (rounded.rows.dtype, rounded.steps.dtype, rounded.bias.dtype) == (np.int8, np.float32, np.float32)


def test_more_inputs_than_one_block(weights):
    """Rounding goes on over the edges of its blocks of 128: 300 inputs, still closer than to the nearest."""
    random = np.random.default_rng(10)
    wide = read_only(random.normal(size=(4, 300)))
    seen = np.cumsum(random.normal(size=(2000, 300)), axis=1)
    covariance = read_only(np.cov(seen, rowvar=False))
    steps = channel_steps(wide)
    kept, nearest = round_to_keep_outputs(wide, steps, covariance), round_to_nearest(wide, steps)
    squared = [(seen @ (rows * steps[:, None] - wide).T).var() for rows in (kept, nearest)]
    assert squared[0] < 0.1 * squared[1]


@pytest.mark.parametrize("covariance", [np.eye(3), np.full((2, 2), np.nan)], ids=["another size", "not a number"])
def test_a_covariance_of_other_inputs_is_refused(covariance):
    """Before anything is rounded by it."""
    with pytest.raises(ValueError, match="finite covariance of 2 inputs"):
        round_to_keep_outputs(read_only([[1.0, 2.0]]), read_only([1.0]), read_only(covariance))
