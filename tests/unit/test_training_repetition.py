"""Images of rare attributes come more often, as often as the formula says, the same for the same seed."""

import numpy as np
import pytest

from embeddings.training.augmentation import NO_AUGMENTATION, Augmentation
from embeddings.training.batches import TrainingBatches
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.repetition import repeat_factors, repeated_order


def test_the_rarest_attribute_of_an_image_decides():
    """Shares 3/4 and 1/4, threshold 1: √(4/3) = 1.155 and √4 = 2; the image with both takes 2."""
    targets = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.float32)
    targets.setflags(write=False)
    np.testing.assert_allclose(repeat_factors(targets, 1.0), [1.1547, 1.1547, 2.0, 1.0], atol=1e-4)


@pytest.mark.parametrize("threshold", [0.0, 0.25])
def test_attributes_as_frequent_as_the_threshold_are_not_repeated(threshold):
    """The rarer attribute has a share of 1/4; √(0.25 / 0.25) = 1. An attribute without images changes nothing."""
    targets = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    assert repeat_factors(targets, threshold).tolist() == [1, 1, 1, 1]


def test_an_order_repeats_as_often_as_the_factors_say():
    """Factors 1, 2 and 1.5: of 4.5 places one has 1/4.5, 2/4.5 and 1.5/4.5 on average."""
    factors = np.array([1.0, 2.0, 1.5])
    generator = np.random.default_rng(7)
    counts = sum(np.bincount(repeated_order(factors, 3, generator), minlength=3) for _ in range(3000))
    np.testing.assert_allclose(counts / 9000, np.array([1.0, 2.0, 1.5]) / 4.5, atol=0.02)


def _batches(augmentation: Augmentation, threshold: float) -> TrainingBatches:
    pictures = np.random.default_rng(3).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    targets = np.zeros((8, 2), np.float32)
    targets[:7, 0] = 1
    targets[7, 1] = 1
    data = LabelledImages(pictures, [("tag=frequent",)] * 7 + [("tag=rare",)])
    return TrainingBatches(data, targets, batch_size=4, augmentation=augmentation, seed=11, repeat_threshold=threshold)


def test_batches_show_a_rare_image_more_often_and_keep_their_number():
    """The rare one of eight: √(1 / (1/8)) = 2.8 times; one of a frequent attribute √(8/7) = 1.07 times."""
    batches = _batches(NO_AUGMENTATION, 1.0)
    rare = frequent = 0
    for epoch in range(60):
        batches.start_epoch(epoch)
        for index in range(len(batches)):
            images, targets = batches[index]
            assert images.shape == (4, 16, 16, 3)
            rare += int(targets[:, 1].sum())
            frequent += int(targets[:, 0].sum())
    batches.close()
    assert rare + frequent == 60 * 8
    # 2.83 of 2.83 + 7 · 1.07 = 10.3 places are 27 %; without repeats they would be 12.5 %.
    assert 0.22 < rare / (60 * 8) < 0.33


def test_the_same_image_is_changed_differently_within_an_epoch_and_alike_for_the_same_seed():
    """Two runs agree; two appearances of the rare image do not."""
    first, second = (_batches(Augmentation(), 1.0) for _ in range(2))
    shown = []
    for batches in (first, second):
        batches.start_epoch(2)
        shown.append([batches[index] for index in range(len(batches))])
        batches.close()
    for (images, targets), (again, targets_again) in zip(*shown, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(targets, targets_again)
    rare = [image for images, targets in shown[0] for image, target in zip(images, targets, strict=True) if target[1]]
    assert len(rare) >= 2
    assert not np.array_equal(rare[0], rare[1])
