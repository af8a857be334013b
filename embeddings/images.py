"""From a file's bytes to an RGB array: limits, formats, orientation, crop, and the network's square input.

Catalog feeds come from strangers, so a file is first recognised by its own first bytes against a closed list of
formats, then measured by its header, and only then decoded. Every way a file can be bad ends in ``UnusableImage``.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from embeddings.color_profiles import convert_to_srgb
from embeddings.crop_box import CropBox
from embeddings.errors import UnusableImage

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_EXPECTED_FORMAT = "a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file"

# The transposition that turns stored pixels upright, by the value of EXIF's orientation tag (0x0112).
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)

# Reduction factors that a JPEG decoder gives for free, largest first.
_DRAFT_FACTORS = (8, 4, 2)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says of itself before it is decoded.

    Args:
        format: One of ``FORMATS``, by the file's content, whatever its name says.
        width, height: Size of the upright image in pixels, at least 1.
    """

    format: str
    width: int
    height: int


def inspect_image(data: bytes, *, max_pixels: int) -> ImageHeader:
    """Format and size of an image file, without decoding its pixels.

    Args:
        data: The whole file.
        max_pixels: Largest width × height that is taken.

    Raises:
        UnusableImage: no bytes, no known format, an unreadable header, or more than ``max_pixels`` pixels.
        ValueError: ``max_pixels`` is below 1.
    """
    _require_positive("max_pixels", max_pixels)
    with _failures_as_unusable(data):
        image, orientation = _open(data, max_pixels)
        width, height = _upright_size(image.size, orientation)
        return ImageHeader(format=str(image.format), width=width, height=height)


def decode_image(
    data: bytes, *, max_pixels: int, crop: CropBox | None = None, min_edge: int | None = None
) -> NDArray[np.uint8]:
    """The file's first picture, upright, in sRGB, as an array of its own.

    Orientation follows EXIF. An embedded colour profile is honoured (``color_profiles``); CMYK becomes RGB.
    Transparent parts are laid on white, the ground of catalog photos. 16-bit samples keep their upper 8 bits.
    Of an animation the first frame is taken. Safe to call from several threads.

    Args:
        data: The whole file.
        max_pixels: Largest width × height that is taken; nothing is decoded beyond it.
        crop: The part to return, in pixels of the upright image; what lies outside of the image is cut off.
        min_edge: Where the caller will shrink the result to this many pixels anyway: a JPEG is then decoded at 1/2,
            1/4 or 1/8 of its size, as long as the shorter edge of the result keeps at least this length.
            Other formats are not reduced.

    Returns:
        (height, width, 3) uint8, RGB, contiguous and writable.

    Raises:
        UnusableImage: no bytes, no known format, damaged or truncated, more than ``max_pixels`` pixels, samples of
            more than 16 bits, or a crop that lies outside of the image.
        ValueError: ``max_pixels`` or ``min_edge`` is below 1.
    """
    _require_positive("max_pixels", max_pixels)
    if min_edge is not None:
        _require_positive("min_edge", min_edge)
    with _failures_as_unusable(data):
        image, orientation = _open(data, max_pixels)
        stored_box = _stored_box(crop, image.size, orientation)
        if isinstance(image, JpegImageFile) and min_edge is not None:
            stored_box = _draft(image, stored_box, min_edge)
        pixels = _load(image)
        if stored_box != (0, 0, *pixels.size):
            pixels = pixels.crop(stored_box)
        upright = _to_rgb(pixels, image)
        if orientation in _UPRIGHT:
            upright = upright.transpose(_UPRIGHT[orientation])
        return np.array(upright, dtype=np.uint8)


def prepare(image: NDArray[np.uint8], input_size: int) -> NDArray[np.uint8]:
    """The network's square input: the whole picture, stretched to ``input_size`` × ``input_size``.

    Both edges are scaled, each by its own factor. The alternative, padding the shorter edge, spends up to half of the
    input on nothing and shows the network borders that differ with the crop; boxes of garments are of similar shape,
    so that their stretch is similar too, at training and at search. The filter is bilinear with its support grown by
    the reduction (Pillow's ``BILINEAR``), so that fine stripes fade instead of turning into false coarse ones.

    Args:
        image: (height, width, 3) uint8, RGB, both edges at least 1. Not changed.
        input_size: Edge of the result in pixels, at least 1.

    Returns:
        (input_size, input_size, 3) uint8, RGB, never sharing memory with ``image``.

    Raises:
        ValueError: another shape or dtype, or no positive size.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"expected a (height, width, 3) uint8 image, received {image.dtype} of shape {image.shape}")
    _require_positive("input_size", input_size)
    source = Image.fromarray(np.ascontiguousarray(image))
    return np.array(source.resize((input_size, input_size), Image.Resampling.BILINEAR), dtype=np.uint8)


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, received {value}")


@contextmanager
def _failures_as_unusable(data: bytes) -> Iterator[None]:
    """Whatever a decoder trips over comes out as ``UnusableImage``."""
    try:
        yield
    except UnusableImage:
        raise
    except MemoryError as error:
        raise UnusableImage(
            "the image needs more memory than there is",
            received=f"{len(data)} bytes",
            remedy="lower the limit of pixels, or give the process more memory",
        ) from error
    except Exception as error:
        # Pillow's decoders promise no set of exceptions: damaged files raise OSError, SyntaxError, ValueError,
        # EOFError, struct.error, zlib.error, AssertionError and more, and all of them mean the same to the caller.
        raise UnusableImage(
            "the image is damaged or cut short",
            received=f"{len(data)} bytes, of which the decoder says: {error or type(error).__name__}",
            expected=f"{_EXPECTED_FORMAT}, whole",
        ) from error


# Guards ``warnings``, whose filters belong to the whole process and are not made for threads.
_quiet_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's warnings (odd metadata, mostly) are dropped: they tell an operator nothing, and nothing can be done.

    Held only while headers are read, some 50 µs, so that decoding itself runs in parallel.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(data: bytes, max_pixels: int) -> tuple[ImageFile.ImageFile, int]:
    """The file with its header read, and its EXIF orientation (1 to 8) as far as it is still to be applied."""
    reader = _recognise(data)
    with _quiet():
        # The class is called instead of PIL.Image.open, which would apply a limit of pixels of its own.
        image = reader(io.BytesIO(data))
        orientation = _orientation(image)
    width, height = image.size
    if width * height > max_pixels:
        raise UnusableImage(
            "the image has too many pixels",
            received=f"{width} × {height} = {width * height} pixels",
            expected=f"at most {max_pixels} pixels",
            remedy="scale the image down, or raise the limit",
        )
    return image, orientation


def _recognise(data: bytes) -> type[ImageFile.ImageFile]:
    """The reader for the file's first bytes."""
    if not data:
        raise UnusableImage("the image is empty", received="0 bytes", expected=_EXPECTED_FORMAT)
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"BM"):
        return BmpImageFile
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return TiffImageFile
    if data[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1", b"ftypmsf1"):
        return AvifImageFile
    raise UnusableImage(
        "the file is not an image that Drape reads",
        received=f"{len(data)} bytes that begin with {data[:12]!r}",
        expected=_EXPECTED_FORMAT,
    )


def _orientation(image: ImageFile.ImageFile) -> int:
    """The EXIF orientation that is still to be applied, 1 where there is none or it makes no sense."""
    if isinstance(image, TiffImageFile):
        # Pillow turns TIFF files upright by itself while it loads them.
        return 1
    if isinstance(image, PngImageFile) and "exif" not in image.info:
        # Pillow would decode the whole file to look for EXIF behind the pixels, where hardly any file has it.
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001
        # Damaged metadata raises as freely as damaged pixels do, but does not spoil the picture.
        return 1
    return value if value in _UPRIGHT else 1


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    width, height = size
    return (height, width) if orientation in _LYING else (width, height)


_Box = tuple[int, int, int, int]


def _stored_box(crop: CropBox | None, size: tuple[int, int], orientation: int) -> _Box:
    """The crop in the pixels as they are stored, so that only what is wanted gets converted and turned."""
    width, height = _upright_size(size, orientation)
    if crop is None:
        return (0, 0, *size)
    left, top, right, bottom = crop.left, crop.top, min(crop.right, width), min(crop.bottom, height)
    if left >= right or top >= bottom:
        raise UnusableImage(
            "the crop box lies outside of the image",
            received=f"box from ({crop.left}, {crop.top}) to ({crop.right}, {crop.bottom})",
            expected=f"a box that meets the image's {width} × {height} pixels",
        )
    if orientation in _LYING:
        # First the swap of axes alone, which is orientation 5; what is left are mirrorings of the stored axes.
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if orientation in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


def _draft(image: JpegImageFile, box: _Box, min_edge: int) -> _Box:
    """Asks the decoder for a reduced picture; returns the box in its pixels."""
    shorter_edge = min(box[2] - box[0], box[3] - box[1])
    for factor in _DRAFT_FACTORS:
        if shorter_edge // factor >= min_edge:
            image.draft(None, (image.width // factor, image.height // factor))
            reduced_width, reduced_height = image.size
            right, bottom = -(-box[2] // factor), -(-box[3] // factor)
            return box[0] // factor, box[1] // factor, min(right, reduced_width), min(bottom, reduced_height)
    return box


def _load(image: ImageFile.ImageFile) -> Image.Image:
    if isinstance(image, TiffImageFile):
        # Pillow reads TIFF's metadata once more after the pixels, and warns once more.
        with _quiet():
            image.load()
    else:
        image.load()
    return image


def _to_rgb(pixels: Image.Image, file: ImageFile.ImageFile) -> Image.Image:
    """Pixels of any mode as sRGB on white."""
    profile = file.info.get("icc_profile")
    if pixels.mode.startswith("I;16"):
        pixels = _sixteen_bit_grey(pixels)
    elif pixels.mode in ("I", "F"):
        raise UnusableImage(
            "the image's samples are of a kind that has no agreed brightness",
            received=f"32 bits per sample (Pillow mode {pixels.mode})",
            expected="8 or 16 bits per sample",
            remedy="save the image as 8-bit RGB",
        )
    if pixels.has_transparency_data:
        with_alpha = pixels.convert("RGBA")
        opaque = convert_to_srgb(with_alpha.convert("RGB"), profile)
        on_white = Image.new("RGB", pixels.size, (255, 255, 255))
        on_white.paste(opaque, mask=with_alpha.getchannel("A"))
        return on_white
    if pixels.mode not in ("RGB", "L", "CMYK"):
        pixels = pixels.convert("L" if pixels.mode == "1" else "RGB")
    return convert_to_srgb(pixels, profile)


def _sixteen_bit_grey(pixels: Image.Image) -> Image.Image:
    """The upper 8 bits, as ``L``, or as ``LA`` where one grey level stands for transparent.

    Pillow's own conversion clips at 255 instead: almost every pixel would come out white.
    """
    samples = np.asarray(pixels)
    grey = Image.fromarray((samples >> 8).astype(np.uint8))
    transparent_level = pixels.info.get("transparency")
    if transparent_level is not None:
        grey.putalpha(Image.fromarray(np.where(samples == transparent_level, 0, 255).astype(np.uint8)))
    return grey
