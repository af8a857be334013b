"""Files that strangers send: each gives an array or an UnusableImage with its facts, and nothing else."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embeddings.crop_box import CropBox
from embeddings.errors import UnusableImage
from embeddings.images import FORMATS, decode_image, inspect_image

LIMIT = 250_000


def sample_file(file_format: str) -> bytes:
    """A small photo-like file with metadata, so that damage can fall on metadata too."""
    rows, columns = np.mgrid[0:24, 0:32]
    samples = np.stack([rows * 10, columns * 7, (rows + columns) * 4], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a dress on a hanger"
    buffer = io.BytesIO()
    options = {} if file_format in ("GIF", "BMP") else {"exif": exif}
    if file_format == "TIFF":
        options["compression"] = "tiff_lzw"
    Image.fromarray(samples).save(buffer, file_format, **options)
    return buffer.getvalue()


SAMPLES = {file_format: sample_file(file_format) for file_format in FORMATS}


def outcome(data: bytes) -> str:
    """Decodes; any exception but UnusableImage escapes and fails the test."""
    try:
        pixels = decode_image(data, max_pixels=LIMIT, min_edge=8)
    except UnusableImage:
        return "refused"
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[0] * pixels.shape[1] <= LIMIT
    return "decoded"


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and brings a few bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def test_no_bytes():
    """An empty file is named as such."""
    with pytest.raises(UnusableImage, match="empty") as caught:
        decode_image(b"", max_pixels=LIMIT)

    assert caught.value.received == "0 bytes"


@pytest.mark.parametrize(
    "data", [b"x", b"<html>not found</html>", b"%PDF-1.7", b"8BPS\x00\x01", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_what_is_no_image_of_the_list(data):
    """Web pages, documents and formats whose decoders run programs are recognised as none of ours, and shown."""
    with pytest.raises(UnusableImage, match="not an image") as caught:
        inspect_image(data, max_pixels=LIMIT)

    assert repr(data[:12]) in caught.value.received
    assert "JPEG" in caught.value.expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_cut_short_is_refused(file_format):
    """Half of a file never passes for a picture."""
    data = SAMPLES[file_format]

    with pytest.raises(UnusableImage):
        decode_image(data[: len(data) // 2], max_pixels=LIMIT)


def test_too_many_pixels_are_refused_from_the_header_alone():
    """60,000 × 60,000 claimed by 100 bytes: refused before any memory is taken for pixels, with the numbers."""
    data = png_header(60_000, 60_000)

    for read in (inspect_image, decode_image):
        with pytest.raises(UnusableImage, match="too many pixels") as caught:
            read(data, max_pixels=50_000_000)
        assert caught.value.received == "60000 × 60000 = 3600000000 pixels"
        assert caught.value.expected == "at most 50000000 pixels"


def test_the_limit_itself_is_allowed():
    """24 × 32 = 768 pixels pass a limit of 768 and not one of 767."""
    assert inspect_image(SAMPLES["PNG"], max_pixels=768).width == 24
    with pytest.raises(UnusableImage):
        inspect_image(SAMPLES["PNG"], max_pixels=767)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_an_image_without_pixels_is_refused(size):
    """A width or height of zero is no picture."""
    with pytest.raises(UnusableImage):
        inspect_image(png_header(*size), max_pixels=LIMIT)


def test_a_crop_outside_of_the_image_is_refused():
    """A box that begins at the edge meets no pixel; the sample is 24 × 32 once upright."""
    with pytest.raises(UnusableImage, match="crop box") as caught:
        decode_image(SAMPLES["JPEG"], max_pixels=LIMIT, crop=CropBox(24, 0, 30, 5))

    assert "24 × 32" in caught.value.expected


def test_a_crop_that_reaches_over_the_edge_is_cut_off():
    """From column 20 of 24 and row 30 of 32 remain 4 × 2 pixels."""
    part = decode_image(SAMPLES["PNG"], max_pixels=LIMIT, crop=CropBox(20, 30, 500, 500))

    assert part.shape == (2, 4, 3)


@pytest.mark.parametrize("box", [(-1, 0, 2, 2), (0, -1, 2, 2), (3, 0, 3, 2), (0, 5, 2, 4)])
def test_a_box_without_area_cannot_be_made(box):
    """Empty or negative boxes are refused when they are made, not when they are used."""
    with pytest.raises(ValueError, match="crop box"):
        CropBox(*box)


def test_limits_must_be_positive():
    """A limit of nothing is the caller's mistake, not the image's."""
    with pytest.raises(ValueError, match="max_pixels"):
        decode_image(SAMPLES["PNG"], max_pixels=0)
    with pytest.raises(ValueError, match="max_pixels"):
        inspect_image(SAMPLES["PNG"], max_pixels=0)
    with pytest.raises(ValueError, match="min_edge"):
        decode_image(SAMPLES["PNG"], max_pixels=LIMIT, min_edge=0)


def test_damaged_metadata_does_not_spoil_the_picture():
    """A JPEG whose EXIF block is garbage decodes as it is stored, without a warning."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 200, 30)).save(buffer, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f garbage")

    assert decode_image(buffer.getvalue(), max_pixels=LIMIT).shape == (8, 8, 3)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data):
    """Noise of any kind is refused."""
    assert outcome(data) == "refused"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMATS), st.binary(max_size=300))
def test_random_bytes_behind_a_true_signature_never_crash(file_format, tail):
    """Noise that begins like an image reaches the decoders and comes back as an array or a refusal."""
    outcome(SAMPLES[file_format][:16] + tail)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_truncated_files_never_crash(file_format, data):
    """A file cut anywhere gives an array (when only the very end is missing) or a refusal."""
    whole = SAMPLES[file_format]
    outcome(whole[: data.draw(st.integers(0, len(whole)))])


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_flipped_bits_never_crash(file_format, data):
    """A file with up to eight damaged bytes gives an array or a refusal, and never more pixels than allowed."""
    damaged = bytearray(SAMPLES[file_format])
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are short beside pixels: half of the damage goes there.
        end = data.draw(st.sampled_from([min(160, len(damaged)), len(damaged)]))
        damaged[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(damaged))
