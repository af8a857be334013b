"""What each kind of image file decodes to."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from embeddings.crop_box import CropBox
from embeddings.errors import UnusableImage
from embeddings.images import FORMATS, decode_image, inspect_image

LIMIT = 1_000_000
# Four quarters of clear colours, 16 × 8 pixels: large enough for JPEG's 8 × 8 blocks to hold one colour each.
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 60), (40, 60, 200), (240, 220, 40)


def four_quarters(width: int = 64, height: int = 32) -> Image.Image:
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    picture.paste(YELLOW, (width // 2, height // 2, width, height))
    return picture


def as_file(picture: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def with_orientation(picture: Image.Image, orientation: int, file_format: str = "JPEG", **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return as_file(picture, file_format, exif=exif, **options)


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_of_the_closed_list_is_read(file_format):
    """Header and pixels come out of each format: size exactly, colours within what lossy coding costs."""
    options = {"quality": 95} if file_format in ("JPEG", "WEBP", "AVIF") else {}
    data = as_file(four_quarters(), file_format, **options)

    header = inspect_image(data, max_pixels=LIMIT)
    pixels = decode_image(data, max_pixels=LIMIT)

    assert (header.format, header.width, header.height) == (file_format, 64, 32)
    assert pixels.shape == (32, 64, 3)
    assert pixels.dtype == np.uint8
    # The centres of the quarters lie at rows 8 and 24, columns 16 and 48.
    for row, column, color in ((8, 16, RED), (8, 48, GREEN), (24, 16, BLUE), (24, 48, YELLOW)):
        np.testing.assert_allclose(pixels[row, column].astype(int), color, atol=14)


def test_the_array_is_the_callers_own():
    """The result can be written to and lies in one piece of memory."""
    pixels = decode_image(as_file(four_quarters(), "PNG"), max_pixels=LIMIT)

    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(file_format, orientation):
    """A photo that is stored lying or mirrored comes out upright, whatever the tag's value."""
    upright = four_quarters()
    # What a camera stores is the inverse of what EXIF asks for; 6 and 8 undo each other, all others undo themselves.
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    options = {"quality": 95} if file_format == "JPEG" else {"lossless": True} if file_format == "WEBP" else {}
    data = with_orientation(stored, orientation, file_format, **options)

    header = inspect_image(data, max_pixels=LIMIT)
    pixels = decode_image(data, max_pixels=LIMIT)

    assert (header.width, header.height) == (64, 32)
    np.testing.assert_allclose(pixels[8, 16].astype(int), RED, atol=14)
    np.testing.assert_allclose(pixels[8, 48].astype(int), GREEN, atol=14)
    np.testing.assert_allclose(pixels[24, 16].astype(int), BLUE, atol=14)


@settings(max_examples=150, deadline=None)
@given(
    orientation=st.integers(1, 8),
    left=st.integers(0, 11),
    top=st.integers(0, 8),
    width=st.integers(1, 30),
    height=st.integers(1, 30),
)
def test_a_crop_equals_cutting_the_whole_upright_picture(orientation, left, top, width, height):
    """For every orientation and box, cropping while decoding gives what slicing the decoded picture gives."""
    noise = np.random.default_rng(5).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    data = with_orientation(Image.fromarray(noise), orientation, "PNG")
    whole = decode_image(data, max_pixels=LIMIT)
    if left >= whole.shape[1] or top >= whole.shape[0]:
        return

    part = decode_image(data, max_pixels=LIMIT, crop=CropBox(left, top, left + width, top + height))

    np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


def test_transparency_is_laid_on_white():
    """Full, half and no transparency: white, the mean of colour and white, the colour."""
    picture = Image.new("RGBA", (3, 1))
    picture.putdata([(200, 0, 0, 0), (200, 0, 0, 128), (200, 0, 0, 255)])

    pixels = decode_image(as_file(picture, "PNG"), max_pixels=LIMIT)

    # Half: 255 + (200 − 255) · 128/255 = 227.4 for red, 255 − 255 · 128/255 = 127 for green and blue.
    np.testing.assert_allclose(pixels[0].astype(int), [[255, 255, 255], [227, 127, 127], [200, 0, 0]], atol=1)


def test_transparent_palette_entries_are_laid_on_white():
    """A palette file whose first colour is transparent, as GIF and small PNG files have."""
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1])

    for file_format in ("PNG", "GIF"):
        pixels = decode_image(as_file(picture, file_format, transparency=0), max_pixels=LIMIT)
        np.testing.assert_array_equal(pixels[0], [[255, 255, 255], [200, 100, 50]])


def test_palette_with_partial_transparency_gives_no_warning():
    """Alpha per palette entry, which Pillow warns of when converted straight to RGB."""
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.putdata([0, 1])
    data = as_file(picture, "PNG", transparency=bytes([128, 255]))

    pixels = decode_image(data, max_pixels=LIMIT)

    # Black at alpha 128: 255 · (1 − 128/255) = 127.
    np.testing.assert_allclose(pixels[0].astype(int), [[127, 127, 127], [200, 100, 50]], atol=1)


def test_grey_with_alpha_is_laid_on_white():
    """Mode LA keeps its grey where it is opaque."""
    picture = Image.new("LA", (2, 1))
    picture.putdata([(60, 255), (60, 0)])

    pixels = decode_image(as_file(picture, "PNG"), max_pixels=LIMIT)

    np.testing.assert_array_equal(pixels[0], [[60, 60, 60], [255, 255, 255]])


def test_one_bit_and_grey_become_rgb():
    """Black is 0 and white 255 in every channel; greys stay what they are."""
    bits = Image.new("1", (2, 1))
    bits.putdata([0, 255])
    grey = Image.new("L", (2, 1))
    grey.putdata([7, 201])

    np.testing.assert_array_equal(decode_image(as_file(bits, "PNG"), max_pixels=9)[0], [[0] * 3, [255] * 3])
    np.testing.assert_array_equal(decode_image(as_file(grey, "PNG"), max_pixels=9)[0], [[7] * 3, [201] * 3])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_byte(file_format):
    """0, 255, 256 and 65535 of 65535 are 0, 0, 1 and 255 of 255: value >> 8."""
    samples = np.array([[0, 255, 256, 65535]], dtype=np.uint16)

    pixels = decode_image(as_file(Image.fromarray(samples), file_format), max_pixels=LIMIT)

    np.testing.assert_array_equal(pixels[0, :, 0], [0, 0, 1, 255])


def test_sixteen_bit_grey_with_a_transparent_level():
    """The level that the file calls transparent turns white, and no other."""
    samples = np.array([[40000, 40001]], dtype=np.uint16)
    data = as_file(Image.fromarray(samples), "PNG", transparency=40000)

    pixels = decode_image(data, max_pixels=LIMIT)

    # 40001 >> 8 = 156.
    np.testing.assert_array_equal(pixels[0, :, 0], [255, 156])


def test_thirty_two_bit_samples_are_refused():
    """Floating-point TIFF files have no agreed white: an error rather than a guess."""
    data = as_file(Image.fromarray(np.array([[0.5]], dtype=np.float32)), "TIFF")

    with pytest.raises(UnusableImage) as caught:
        decode_image(data, max_pixels=LIMIT)

    assert caught.value.expected == "8 or 16 bits per sample"


def test_cmyk_jpeg_is_read_as_ink():
    """No ink is white, full yellow is yellow, full black is black; JPEG stores CMYK inverted and Adobe marks it."""
    for ink, rgb in (((0, 0, 0, 0), (255, 255, 255)), ((0, 0, 255, 0), (255, 255, 0)), ((0, 0, 0, 255), (0, 0, 0))):
        data = as_file(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
        np.testing.assert_allclose(decode_image(data, max_pixels=LIMIT)[8, 8].astype(int), rgb, atol=4)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_taken(file_format):
    """An animated file stands for its first picture."""
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, BLUE, GREEN)]
    options = {"quality": 95} if file_format == "AVIF" else {}
    data = as_file(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100, **options)

    pixels = decode_image(data, max_pixels=LIMIT)

    np.testing.assert_allclose(pixels[8, 8].astype(int), RED, atol=8)


def test_an_embedded_profile_is_honoured():
    """Samples in a profile of gamma 1 and Rec. 709 primaries are linear light: half of it is 188 in sRGB, not 128."""
    data = as_file(Image.new("RGB", (8, 8), (128, 128, 128)), "PNG", icc_profile=linear_rgb_profile())

    pixels = decode_image(data, max_pixels=LIMIT)

    # sRGB of 128/255 = 0.502 linear: 1.055 · 0.502^(1/2.4) − 0.055 = 0.7366, times 255 = 187.8.
    np.testing.assert_allclose(pixels[4, 4].astype(int), [188, 188, 188], atol=1)


def test_an_srgb_profile_changes_nothing():
    """What is sRGB already keeps every sample."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = as_file(four_quarters(), "PNG", icc_profile=profile)

    np.testing.assert_array_equal(decode_image(data, max_pixels=LIMIT), np.asarray(four_quarters()))


@pytest.mark.parametrize("profile", [b"no profile", b"\x00" * 200])
def test_a_broken_profile_spoils_nothing(profile):
    """Samples with an unreadable profile are read as sRGB."""
    data = as_file(four_quarters(), "PNG", icc_profile=profile)

    np.testing.assert_array_equal(decode_image(data, max_pixels=LIMIT), np.asarray(four_quarters()))


def test_a_profile_for_other_samples_is_left_aside():
    """An RGB profile in a grey file cannot apply to it."""
    data = as_file(Image.new("L", (4, 4), 77), "PNG", icc_profile=linear_rgb_profile())

    assert (decode_image(data, max_pixels=LIMIT) == 77).all()


def test_a_jpeg_is_decoded_smaller_when_the_caller_shrinks_it_anyway():
    """400 × 300 with min_edge 70: 300/4 = 75 ≥ 70 but 300/8 < 70, so a quarter: 100 × 75."""
    data = as_file(four_quarters(400, 300), "JPEG", quality=95)

    reduced = decode_image(data, max_pixels=LIMIT, min_edge=70)

    assert reduced.shape == (75, 100, 3)
    np.testing.assert_allclose(reduced[18, 25].astype(int), RED, atol=8)
    np.testing.assert_allclose(reduced[56, 75].astype(int), YELLOW, atol=8)


def test_reduction_counts_the_crops_edge_and_follows_orientation():
    """A crop of 200 × 160 with min_edge 70 allows a half (160/2 = 80), on a photo stored lying."""
    upright = four_quarters(400, 300)
    data = with_orientation(upright.transpose(Image.Transpose.ROTATE_90), 6, quality=95)

    part = decode_image(data, max_pixels=LIMIT, min_edge=70, crop=CropBox(200, 140, 400, 300))

    assert part.shape == (80, 100, 3)
    # The crop is the yellow quarter under ten rows of green (150 − 140), five rows once halved.
    np.testing.assert_allclose(part[40, 50].astype(int), YELLOW, atol=8)
    np.testing.assert_allclose(part[1, 50].astype(int), GREEN, atol=8)


def test_a_small_jpeg_is_never_enlarged_or_reduced_below_the_edge():
    """min_edge above the picture's own edge leaves it whole."""
    data = as_file(four_quarters(), "JPEG")

    assert decode_image(data, max_pixels=LIMIT, min_edge=224).shape == (32, 64, 3)


def test_decoding_from_many_threads_gives_the_same_pixels():
    """Eight threads over all formats at once get what one thread gets."""
    files = [as_file(four_quarters(), file_format) for file_format in FORMATS] * 6
    alone = [decode_image(data, max_pixels=LIMIT) for data in files]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode_image(data, max_pixels=LIMIT), files))

    for expected, received in zip(alone, together, strict=True):
        np.testing.assert_array_equal(received, expected)


def linear_rgb_profile() -> bytes:
    """A minimal ICC matrix profile: sRGB's primaries (adapted to D50) with a gamma of 1."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \x00\x00\x00\x00" + fixed(x) + fixed(y) + fixed(z)

    text = b"text\x00\x00\x00\x00test\x00"
    description = b"desc\x00\x00\x00\x00\x00\x00\x00\x07linear\x00" + b"\x00" * 78
    curve = b"curv\x00\x00\x00\x00\x00\x00\x00\x00"
    tags = {
        b"desc": description,
        b"cprt": text,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = len(tags).to_bytes(4, "big"), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + b"\x00" * (-len(content) % 4)
        table += name + (start + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += padded
    size = (start + len(body)).to_bytes(4, "big")
    header = size + b"\x00" * 4 + b"\x02\x40\x00\x00" + b"mntrRGB XYZ " + b"\x00" * 12 + b"acsp" + b"\x00" * 28
    header += fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    return header.ljust(128, b"\x00") + table + body
