"""A bounded sample of usable photos, the same for the same seed; agreement is the share of neighbours kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embeddings.export.agreement import compare, neighbour_recall
from embeddings.export.calibration import (
    FEWEST_IMAGES,
    MOST_IMAGES,
    TooFewCalibrationImages,
    sample_folder,
    sample_images,
)
from embeddings.similarity import l2_normalize

SIZE = 8


def write_photos(folder, number):
    """PNGs of one grey level each, their position, so that each can be told."""
    folder.mkdir(parents=True, exist_ok=True)
    for position in range(number):
        Image.new("RGB", (SIZE, SIZE), (position, position, position)).save(folder / f"{position:03}.png")


def levels(images):
    return sorted(images[:, 0, 0, 0].tolist())


def test_a_folder_is_sampled_with_its_subfolders(tmp_path):
    """Broken photos and other files are passed over; 20 + 15 photos are all taken, being fewer than the most."""
    write_photos(tmp_path, 20)
    write_photos(tmp_path / "more", 15)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "notes.txt").write_text("no photo either")
    sample = sample_folder(tmp_path, SIZE, max_pixels=10_000)
    assert levels(sample.images) == sorted([*range(20), *range(15)])
    assert sample.described == f"folder {tmp_path.name}: 35 of 36 images (seed 0)"


def test_a_sample_is_bounded_and_decided_by_its_seed(tmp_path):
    """Never more than the most, whatever the folder holds."""
    write_photos(tmp_path, MOST_IMAGES + 7)
    first, again, other = (sample_folder(tmp_path, SIZE, max_pixels=10_000, seed=seed) for seed in (1, 1, 2))
    assert first.images.shape == (MOST_IMAGES, SIZE, SIZE, 3)
    np.testing.assert_array_equal(first.images, again.images)
    assert levels(first.images) != levels(other.images)


def test_prepared_images_are_sampled_alike():
    """Each at most once."""
    images = np.arange(200, dtype=np.uint8)[:, None, None, None] * np.ones((SIZE, SIZE, 3), np.uint8)
    sample = sample_images(images, "swatches", seed=4)
    assert len(set(levels(sample.images))) == len(sample.images) == MOST_IMAGES
    assert sample.described == f"swatches: {MOST_IMAGES} of 200 images (seed 4)"


@pytest.mark.parametrize("number", [0, FEWEST_IMAGES - 1])
def test_too_few_photos_are_said_so(tmp_path, number):
    """With how many there are and how many it takes."""
    write_photos(tmp_path / "photos", number)
    with pytest.raises(TooFewCalibrationImages, match=rf"{number} usable images of {number}.*at least {FEWEST_IMAGES}"):
        sample_folder(tmp_path / "photos", SIZE, max_pixels=10_000)
    with pytest.raises(TooFewCalibrationImages, match=f"{number} images .swatches."):
        sample_images(np.zeros((number, SIZE, SIZE, 3), np.uint8), "swatches")


def test_a_missing_folder_is_said_so(tmp_path):
    """Rather than that it has no images."""
    with pytest.raises(TooFewCalibrationImages, match="no such folder"):
        sample_folder(tmp_path / "missing", SIZE, max_pixels=10_000)


def angles(*degrees):
    return l2_normalize(np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1))


def test_recall_is_the_share_of_neighbours_kept():
    """Angles 0, 10, 40, 90: the two nearest of each are {10,40}, {0,40}, {10,0}, {40,10}.

    With the last moved to 45: {10,40}, {0,40}, {45,10}, {40,10}: kept are 2 + 2 + 1 + 2 of 8.
    """
    exact = angles(0, 10, 40, 90)
    assert neighbour_recall(exact, exact, 2) == 1
    assert neighbour_recall(exact, angles(0, 10, 40, 45), 2) == pytest.approx(7 / 8)


@pytest.mark.parametrize(("rows", "k"), [(4, 4), (4, 0), (3, 2)])
def test_recall_of_what_cannot_be_compared_is_refused(rows, k):
    """More neighbours than there are, none, or other images."""
    with pytest.raises(ValueError, match="expected equally many rows"):
        neighbour_recall(angles(0, 10, 40, 90), angles(*range(rows)), k)


def test_few_images_are_compared_by_fewer_neighbours():
    """Of 6 images each has 5 others; all but one of them, 4, can still differ."""
    images = np.zeros((6, 1, 1, 3), np.uint8)
    agreement = compare(lambda _: {"pool": angles(*range(6))}, lambda _: {"pool": angles(*range(6))}, images)
    assert (agreement.recall, agreement.neighbours, agreement.num_images) == ({"pool": 1.0}, 4, 6)
    with pytest.raises(ValueError, match="at least three images"):
        compare(lambda _: {}, lambda _: {}, images[:2])


@pytest.mark.parametrize("num_images", [20, 32, 36, 64, 95])
def test_rates_are_those_of_whole_blocks(monkeypatch, num_images):
    """A block of another size takes a second more, to be compiled or filled up; 1/100 s an image are 100 images/s."""
    clock = [0.0]
    seen = [[], []]

    def embedding(which, seconds):
        def embed(images):
            blocks_before = [*seen[which]]
            seen[which].append(len(images))
            clock[0] += len(images) * seconds + (len(images) not in blocks_before)
            return {"pool": np.ones((len(images), 2), np.float32)}

        return embed

    monkeypatch.setattr("embeddings.export.agreement.time.perf_counter", lambda: clock[0])
    found = compare(embedding(0, 1 / 100), embedding(1, 1 / 400), np.zeros((num_images, 1, 1, 3), np.uint8))
    assert (found.full_rate, found.rate) == (pytest.approx(100), pytest.approx(400))
    assert found.num_images == num_images
    assert sum(seen[0]) == sum(seen[1]) == num_images + min(num_images, 32)
