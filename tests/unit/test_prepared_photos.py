"""Photos are decoded when they are asked for, kept while there is room, and named when they cannot be used."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import ImageStoreUnavailable, InvalidRequest
from catalog.repositories.images import IndexableImage
from catalog.services.models.stored_photos import StoredPhotos
from embeddings.crop_box import CropBox
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import DatasetImage, UnusableDataset

SIZE = 8
ONE_PHOTO = 3 * SIZE * SIZE


def png(left, right):
    """A photo of 40 × 20 pixels: one grey in its left half, another in its right."""
    pixels = np.full((20, 40, 3), left, np.uint8)
    pixels[:, 20:] = right
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PHOTOS = {"a7": png(10, 200), "b8": png(30, 90), "c9": b"no photo"}


class Shelf:
    """Bytes by name, counting how often each is asked for."""

    def __init__(self):
        self.asked = []

    def get(self, name):
        self.asked.append(name)
        if name not in PHOTOS:
            raise ImageStoreUnavailable("The image store cannot be read", received=name)
        return PHOTOS[name]


def of_catalog(shelf, named, **options):
    images = [
        IndexableImage(
            id=31 + position,
            merchant_id=5,
            product_id=71,
            position=0,
            sha256=name,
            crop=crop,
            revision=2,
            category=(),
            attributes=(),
            price=None,
            currency=None,
            availability="in stock",
            item_group=None,
        )
        for position, (name, crop) in enumerate(named)
    ]
    return StoredPhotos(shelf, images, SIZE, max_pixels=1000, **options)


def of_data_set(shelf, named, **options):
    images = [DatasetImage(Path(name), {}, crop=None if crop is None else CropBox(*crop)) for name, crop in named]
    return DatasetPhotos(images, SIZE, max_pixels=1000, read=lambda image: shelf.get(str(image.path)), **options)


@pytest.fixture(params=[of_catalog, of_data_set])
def photos(request):
    return request.param


def test_the_box_is_cut_out_and_warped_to_the_square(photos):
    """The right half of the first photo is of one grey, 200; of the second the whole is taken: 30 and 90."""
    found = photos(Shelf(), [("a7", (20, 0, 40, 20)), ("b8", None)])
    assert len(found) == 2
    assert (found[0].shape, found[0].dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert set(found[0].ravel()) == {200}
    assert (found[1][0, 0, 0], found[1][-1, -1, -1]) == (30, 90)


@pytest.mark.parametrize(("room", "asked"), [(0, ["a7", "a7", "b8", "b8"]), (ONE_PHOTO, ["a7", "b8", "b8"])])
def test_what_fits_is_kept(photos, room, asked):
    """With room for one prepared photo of 192 bytes, the first is read once and the second every time."""
    shelf = Shelf()
    found = photos(shelf, [("a7", None), ("b8", None)], max_cached_bytes=room)
    for position in (0, 0, 1, 1):
        with pytest.raises(ValueError, match="read-only"):
            found[position][0] = 0
    assert shelf.asked == asked


@pytest.mark.parametrize(("position", "said"), [(0, "JPEG, PNG"), (1, "crop box lies outside")])
def test_a_photo_that_cannot_be_decoded_is_named(position, said):
    """By its path in a data set, by its id in a catalog, with what to do about it there."""
    named = [("c9", None), ("a7", (50, 0, 60, 20))]
    with pytest.raises(UnusableDataset, match=said) as refused:
        of_data_set(Shelf(), named)[position]
    assert refused.value.received.startswith(named[position][0])
    assert "archive" in refused.value.remedy
    with pytest.raises(UnusableDataset, match=said) as refused:
        of_data_set(Shelf(), named, remedy="take it out of the feed")[position]
    assert refused.value.remedy == "take it out of the feed"
    with pytest.raises(InvalidRequest, match=said) as refused:
        of_catalog(Shelf(), named)[position]
    assert refused.value.received.startswith(f"image {31 + position}:")
    assert "drape ingest" in refused.value.remedy


def test_a_missing_file_of_a_data_set_is_named(tmp_path):
    """As one that cannot be decoded."""
    with pytest.raises(UnusableDataset, match=r"gone\.png"):
        DatasetPhotos([DatasetImage(tmp_path / "gone.png", {})], SIZE)[0]


def test_a_store_that_does_not_answer_is_no_fault_of_the_photo(photos):
    """Its own error passes through."""
    with pytest.raises(ImageStoreUnavailable):
        photos(Shelf(), [("none", None)])[0]
