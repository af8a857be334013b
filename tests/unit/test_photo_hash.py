"""A photo is found again after it was saved or scaled once more; another one, or the same in red, is not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embeddings.photo_hash import PhotoHash, are_near_duplicates, photo_hash
from tests.altered_photos import ALTERATIONS, RECOLORINGS, cropped, lightened, open_photo, saved, scaled

GREY = bytes([128] * 51)


def hashed(image: Image.Image) -> PhotoHash:
    return photo_hash(np.asarray(image))


def scene(seed: int, color=(180, 40, 60)) -> Image.Image:
    """A smooth pattern of its own in one colour, on white."""
    shades = np.random.default_rng(seed).integers(60, 255, (6, 6), dtype=np.uint8)
    cloth = np.asarray(Image.fromarray(shades).resize((120, 160), Image.Resampling.BICUBIC)) / 255
    picture = np.full((200, 160, 3), 255, dtype=np.uint8)
    picture[20:180, 20:140] = (cloth[..., np.newaxis] * np.array(color)).astype(np.uint8)
    return Image.fromarray(picture)


@pytest.mark.parametrize(
    "alter",
    [
        lambda image: saved(image, 30),
        lambda image: scaled(image, 0.5),
        lambda image: scaled(image, 2),
        lambda image: lightened(image, 0.9),
        lambda image: cropped(image, 0.01, 0.01, 0.01, 0.01),
    ],
)
def test_the_same_photo_once_more_is_a_duplicate(alter):
    photo = scene(3)
    assert are_near_duplicates(hashed(photo), hashed(alter(photo)))


def test_another_photo_is_none():
    assert not are_near_duplicates(hashed(scene(3)), hashed(scene(4)))


def test_the_same_cut_in_another_colour_is_none():
    """In grey the two are alike: 0.299·180 + 0.587·40 + 0.114·60 ≈ 84 and 0.299·40 + 0.587·100 + 0.114·120 ≈ 84."""
    red, blue = hashed(scene(3)), hashed(scene(3, (40, 100, 120)))
    assert (red.pattern ^ blue.pattern).bit_count() <= 10
    assert not are_near_duplicates(red, blue)


def test_a_thin_thing_in_another_colour_is_none():
    """A line of 4 of 160 columns changes no cell of the grid by much, but is all that stands out."""

    def tie(color):
        picture = np.full((160, 160, 3), 255, dtype=np.uint8)
        picture[20:140, 78:82] = color
        return hashed(Image.fromarray(picture))

    assert are_near_duplicates(tie((20, 30, 90)), tie((20, 30, 88)))
    assert not are_near_duplicates(tie((20, 30, 90)), tie((120, 120, 130)))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_that_shows_nothing_has_no_duplicates(level):
    flat = photo_hash(np.full((50, 40, 3), level, dtype=np.uint8))
    assert flat.pattern is None
    assert not are_near_duplicates(flat, flat)


def test_bits_and_colours_count_up_to_their_limits():
    """52 of 256 bits may differ. Luma 128 and 147 differ by 19 ≤ 4 + 0.12·147 = 21.6; 128 and 152 by 24 > 22.2."""
    none, most, more = (PhotoHash((1 << bits) - 1, GREY) for bits in (0, 52, 53))
    assert are_near_duplicates(none, most)
    assert not are_near_duplicates(none, more)
    assert are_near_duplicates(none, PhotoHash(0, bytes([147] * 51)))
    assert not are_near_duplicates(none, PhotoHash(0, bytes([152] * 51)))
    assert not are_near_duplicates(none, PhotoHash(0, GREY[:48] + bytes([152] * 3)))


def test_hashes_survive_storage():
    for kept in (hashed(scene(5)), PhotoHash(None, GREY)):
        assert PhotoHash.from_bytes(kept.to_bytes()) == kept
    assert len(hashed(scene(5)).to_bytes()) == 1 + 51 + 32
    # Another way of hashing, and what is cut short.
    assert PhotoHash.from_bytes(b"\x02" + GREY) is None
    assert PhotoHash.from_bytes(b"\x01" + GREY[1:]) is None
    assert PhotoHash.from_bytes(b"") is None


def test_the_picture_is_not_changed_and_its_shape_is_checked():
    pixels = np.asarray(scene(1)).copy()
    pixels.setflags(write=False)
    assert photo_hash(pixels) == photo_hash(pixels.copy())
    with pytest.raises(ValueError, match="uint8"):
        photo_hash(np.zeros((4, 4), dtype=np.uint8))


@pytest.mark.shared
def test_real_photos_are_found_again_and_told_apart(shared_folder):
    """Of twelve: none is another or itself recoloured. What no copy survives for certain is left to the benchmark."""
    paths = sorted((shared_folder / "data/clothing/images").iterdir())[:12]
    photos = [open_photo(path) for path in paths]
    hashes = [hashed(photo) for photo in photos]
    for name, alter in ALTERATIONS.items():
        # A tenth lighter, what was almost white is all white.
        if "cropped" not in name and "lighter" not in name:
            again = [hashed(alter(photo)) for photo in photos]
            assert [are_near_duplicates(*pair) for pair in zip(hashes, again, strict=True)] == [True] * 12, name
    others = [are_near_duplicates(one, other) for place, one in enumerate(hashes) for other in hashes[:place]]
    assert not any(others)
    colorful = max(photos, key=lambda photo: np.asarray(photo.convert("HSV"))[..., 1].mean())
    assert not any(are_near_duplicates(hashed(colorful), hashed(recolor(colorful))) for recolor in RECOLORINGS.values())
