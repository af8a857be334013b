"""How many photos are found again after they were saved, scaled, cropped or lightened, and how many others are too."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from embeddings.images import decode_image, prepare
from embeddings.photo_hash import are_near_duplicates, photo_hash
from tests.altered_photos import ALTERATIONS, RECOLORINGS, open_photo

pytestmark = [pytest.mark.benchmark, pytest.mark.shared]

NUM_PHOTOS = 300
NUM_PAIRED = 2000


def hashed(image):
    return photo_hash(np.asarray(image))


@pytest.fixture(scope="module")
def photos(shared_folder):
    paths = sorted((shared_folder / "data/clothing/images").iterdir())
    return [open_photo(path) for path in paths[:: len(paths) // NUM_PHOTOS][:NUM_PHOTOS]]


def test_photos_are_found_again_whatever_was_done_to_them(photos):
    """All that were saved or scaled again, nearly all that were lightened, most that were cropped a little."""
    originals = [hashed(photo) for photo in photos]
    found = {
        name: np.mean(
            [
                are_near_duplicates(original, hashed(alter(photo)))
                for original, photo in zip(originals, photos, strict=True)
            ]
        )
        for name, alter in ALTERATIONS.items()
    }
    print("\nfound again, of real photos: " + ", ".join(f"{name} {share:.3f}" for name, share in found.items()))
    assert all(share >= least for share, (_, least) in zip(found.values(), LEAST, strict=True))


LEAST = [(name, 0.2 if "3 % at every" in name else 0.85 if "cropped" in name else 0.97) for name in ALTERATIONS]


def test_recoloured_photos_are_other_photos(photos):
    """Of photos with much colour, hardly any whose hues were turned passes for the original."""
    colorful = [photo for photo in photos if np.asarray(photo.convert("HSV"))[..., 1].mean() > 80]
    shares = {
        name: np.mean([are_near_duplicates(hashed(photo), hashed(recolor(photo))) for photo in colorful])
        for name, recolor in RECOLORINGS.items()
    }
    print(f"\ntaken for one, of {len(colorful)} colourful photos: {shares}")
    assert all(share <= 0.05 for share in shares.values())


@pytest.mark.parametrize(("data_set", "most"), [("clothing", 2e-6), ("fashion-products", 1e-4)])
def test_other_photos_are_not_taken_for_duplicates(shared_folder, data_set, most):
    """Over all pairs; those of fashion-products are studio photos of 60 × 80 pixels, some of one thing twice."""
    paths = sorted((shared_folder / "data" / data_set / "images").iterdir())[:NUM_PAIRED]
    hashes = [hashed(open_photo(path)) for path in paths]
    pairs = [
        (first, second)
        for place, first in enumerate(hashes)
        for second in hashes[:place]
        if are_near_duplicates(first, second)
    ]
    total = len(hashes) * (len(hashes) - 1) // 2
    print(f"\n{data_set}: {len(pairs)} of {total:,} pairs of photos taken for one ({len(pairs) / total:.1e})")
    assert len(pairs) / total <= most


def test_hashing_costs_little_beside_decoding(photos):
    """Of a photo of a megapixel: beside decoding it whole, and beside what an input of 128 pixels needs of it."""
    buffer = io.BytesIO()
    photos[0].resize((1000, 1000), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    pixels = decode_image(data, max_pixels=10**7, min_edge=128)
    photo_hash(pixels)

    def milliseconds(act, times=50):
        spent = []
        for _ in range(times):
            started = time.perf_counter()
            act()
            spent.append(time.perf_counter() - started)
        return float(np.median(spent)) * 1000

    whole = milliseconds(lambda: prepare(decode_image(data, max_pixels=10**7), 128))
    reduced = milliseconds(lambda: prepare(decode_image(data, max_pixels=10**7, min_edge=128), 128))
    hashing = milliseconds(lambda: photo_hash(pixels))
    print(f"\nhashing {hashing:.2f} ms; decoding whole {whole:.2f} ms, reduced {reduced:.2f} ms")
    assert hashing < 0.1 * whole
