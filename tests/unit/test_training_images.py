"""Labelled images keep items together; augmentation changes images by seed, never its argument."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.training.augmentation import NO_AUGMENTATION, Augmentation, augment
from embeddings.training.labelled_images import LabelledImages


def numbered_images(count, size=4):
    """Image i is filled with the value i."""
    images = np.repeat(np.arange(count, dtype=np.uint8), size * size * 3).reshape(count, size, size, 3)
    images.flags.writeable = False
    return images


def labelled(item_ids):
    count = len(item_ids)
    return LabelledImages(numbered_images(count), [[f"tag={position}"] for position in range(count)], item_ids)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30), st.floats(0.01, 0.99), st.integers(0, 99))
def test_a_split_keeps_items_together_and_loses_nothing(item_ids, share, seed):
    """Every image is on one side with its own attributes; no item is on both; neither side is empty."""
    if len(set(item_ids)) < 2:
        return
    sides = labelled(item_ids).split(share, seed)
    seen = [(int(side.images[row][0, 0, 0]), row, side) for side in sides for row in range(len(side))]
    assert sorted(position for position, _, _ in seen) == list(range(len(item_ids)))
    for position, row, side in seen:
        assert side.attributes[row] == [f"tag={position}"]
        assert side.item_ids[row] == item_ids[position]
    assert not set(sides[0].item_ids) & set(sides[1].item_ids)
    assert len(sides[0])
    assert len(sides[1])


def test_a_split_holds_out_the_share_of_items():
    """A quarter of 8 items is 2 items, whatever their numbers of images."""
    _, held_out = labelled(["a", "a", "a", "b", "c", "d", "e", "f", "g", "h"]).split(0.25, seed=3)
    assert len(set(held_out.item_ids)) == 2


def test_a_split_without_identities_splits_images():
    """Where identities are unknown, each image stands for itself."""
    training, held_out = labelled(list("abcdefghij")).split(0.2, seed=0)
    without = LabelledImages(numbered_images(10), [[]] * 10).split(0.2, seed=0)
    assert [len(side) for side in without] == [len(training), len(held_out)] == [8, 2]


def test_a_split_is_decided_by_its_seed():
    """The same seed holds out the same items; another seed others."""
    data = labelled([str(number) for number in range(100)])
    assert data.split(0.3, 1)[1].item_ids == data.split(0.3, 1)[1].item_ids
    assert data.split(0.3, 1)[1].item_ids != data.split(0.3, 2)[1].item_ids


@pytest.mark.parametrize(("item_ids", "share"), [(["a", "a"], 0.5), (["a", "b"], 0.0), (["a", "b"], 1.0)])
def test_a_split_that_leaves_a_side_empty_is_refused(item_ids, share):
    """One item, or a share of nothing or all, cannot be split."""
    with pytest.raises(ValueError, match="received"):
        labelled(item_ids).split(share, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (numbered_images(2), [[]]),
        (numbered_images(2), [[], []], ["a"]),
        (numbered_images(0), []),
        (numbered_images(2).astype(np.float32), [[], []]),
        (numbered_images(2)[:, :3], [[], []]),
    ],
    ids=["attributes", "items", "none", "floats", "not square"],
)
def test_images_that_do_not_fit_their_labels_are_refused(arguments):
    """Wrong data is found when it is put together, not in the middle of training."""
    with pytest.raises(ValueError, match="received"):
        LabelledImages(*arguments)


def test_a_batch_is_in_the_order_asked_for():
    """(3, S, S, 3) uint8, in the order of the positions."""
    batch = labelled(list("abcde")).subset([4, 2, 0]).batch([2, 0, 1])
    assert batch.dtype == np.uint8
    assert batch[:, 0, 0, 0].tolist() == [0, 4, 2]


def photo(size=32):
    image = np.random.default_rng(8).integers(0, 256, (size, size, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


STRONG = Augmentation(scale=0.5, shift=0.2, rotation=30, softness=1.0, erasing=1.0)


@given(st.integers(0, 1000), st.integers(3, 40))
def test_augmentation_keeps_form_and_follows_its_generator(seed, size):
    """Any square size comes back as it was, uint8; the same generator state gives the same image."""
    image = photo(size)
    first = augment(image, STRONG, np.random.default_rng(seed))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, augment(image, STRONG, np.random.default_rng(seed)))


def test_different_draws_change_an_image_differently():
    """Epochs see different versions of an image."""
    first, second = (augment(photo(), Augmentation(), np.random.default_rng(seed)) for seed in (1, 2))
    assert (first != second).mean() > 0.5


def test_no_augmentation_changes_nothing():
    """All zeros is the identity, in a copy of its own."""
    image = photo()
    result = augment(image, NO_AUGMENTATION, np.random.default_rng(0))
    np.testing.assert_array_equal(result, image)
    assert result is not image


def only(**changes):
    values = dict.fromkeys(Augmentation.__slots__, 0.0)
    return Augmentation(**{**values, **changes})


def test_a_flip_is_a_mirror():
    """Flipping alone gives the mirrored image, pixel for pixel."""
    image = photo()
    np.testing.assert_array_equal(augment(image, only(flip=1.0), np.random.default_rng(0)), image[:, ::-1])


def test_scaling_keeps_the_center_in_place():
    """A dot in the middle stays there when the image is enlarged or shrunk; it grows or shrinks."""
    image = np.zeros((33, 33, 3), np.uint8)
    image[12:21, 12:21] = 255
    areas = set()
    for seed in range(8):
        mask = augment(image, only(scale=0.9), np.random.default_rng(seed))[..., 0] > 127
        rows, columns = np.nonzero(mask)
        assert abs(rows.mean() - 16) < 0.6
        assert abs(columns.mean() - 16) < 0.6
        areas.add(int(mask.sum()))
    # (9 / 1.9)² ≈ 22 to (9 · 1.9)² ≈ 292 pixels.
    assert min(areas) < 60
    assert max(areas) > 120
    assert min(areas) >= 22 - 10
    assert max(areas) <= 292 + 40


def test_light_keeps_grey_nearly_grey():
    """Exposure changes brightness by a lot and hue by no more than the cast allows: colour is an attribute."""
    grey = np.full((8, 8, 3), 120, np.uint8)
    means = np.array(
        [augment(grey, only(exposure=0.3, cast=0.05), np.random.default_rng(s)).mean((0, 1)) for s in range(30)]
    )
    assert np.ptp(means.mean(axis=1)) > 20
    # Two channels may move apart by (1 + 0.05)² at the most, plus rounding.
    assert (means.max(axis=1) / means.min(axis=1)).max() <= 1.05**2 + 0.02


@pytest.mark.parametrize("changes", [{"flip": 1.1}, {"shift": -0.1}, {"rotation": 181}, {"exposure": 0.95}])
def test_impossible_augmentation_is_refused(changes):
    """Probabilities above 1 and negative reaches are named."""
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must lie between"):
        Augmentation(**changes)
