"""The network's square input."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.images import prepare


def test_the_whole_picture_fills_the_square():
    """A wide picture, left half black, right half white, is stretched: both halves stay halves, nothing is padded."""
    wide = np.zeros((10, 40, 3), dtype=np.uint8)
    wide[:, 20:] = 255

    square = prepare(wide, 20)

    assert square.shape == (20, 20, 3)
    assert square.dtype == np.uint8
    assert (square[:, :9] == 0).all()
    assert (square[:, 11:] == 255).all()


def test_fine_stripes_fade_to_their_mean():
    """Stripes of one pixel, shrunk eightfold, become even grey, (0 + 255) / 2 = 127.5, rather than false stripes."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255

    square = prepare(stripes, 8)

    np.testing.assert_allclose(square.astype(int), 127.5, atol=8)


def test_a_picture_of_the_right_size_keeps_its_samples():
    """No resampling happens at scale 1, and the result is a copy."""
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    picture.setflags(write=False)

    square = prepare(picture, 16)

    np.testing.assert_array_equal(square, picture)
    assert not np.shares_memory(square, picture)
    assert square.flags.writeable


def test_a_single_pixel_fills_the_square():
    """The smallest picture there is."""
    assert (prepare(np.full((1, 1, 3), 9, dtype=np.uint8), 5) == 9).all()


def test_views_into_larger_arrays_are_taken():
    """A slice with strides is as good as an array of its own."""
    large = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)

    np.testing.assert_array_equal(prepare(large[::2, 5:25], 12), prepare(large[::2, 5:25].copy(), 12))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
)
def test_other_arrays_are_refused_with_what_was_received(wrong):
    """Grey, alpha, floats and nothing: the error names dtype and shape."""
    with pytest.raises(ValueError, match=r"\(height, width, 3\) uint8") as caught:
        prepare(wrong, 8)

    assert str(wrong.shape) in str(caught.value)


def test_the_size_must_be_positive():
    """A square of edge 0 has no pixel."""
    with pytest.raises(ValueError, match="input_size"):
        prepare(np.zeros((4, 4, 3), dtype=np.uint8), 0)
