"""Thumbnails: narrower where that makes them smaller, upright JPEGs that tell nothing but their pixels."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from embeddings.errors import UnusableImage
from embeddings.thumbnails import thumbnail


def _file(width: int, height: int, format: str = "PNG", **options) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(target, format, **options)
    return target.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 1500), (320, 480)),
        ((1500, 1000), (320, 213)),
        ((320, 10), (320, 10)),
        ((9, 4000), (9, 4000)),
        ((4000, 3), (320, 1)),
    ],
)
def test_the_width_is_what_is_asked_for_or_the_pictures_own(size, expected, format):
    small = Image.open(io.BytesIO(thumbnail(_file(*size, format), 320, max_pixels=2_000_000)))
    assert (small.format, small.size) == ("JPEG", expected)
    assert small.convert("RGB").getpixel((0, 0)) == pytest.approx((200, 30, 30), abs=6)


def test_a_picture_is_turned_upright_and_keeps_no_metadata():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera's maker"
    small = Image.open(io.BytesIO(thumbnail(_file(100, 50, "JPEG", exif=exif), 320, max_pixels=10_000)))
    assert small.size == (50, 100)
    assert not small.getexif()


def test_too_many_pixels_are_refused_before_they_are_decoded():
    with pytest.raises(UnusableImage, match="too many pixels"):
        thumbnail(_file(200, 200), 100, max_pixels=39_999)
