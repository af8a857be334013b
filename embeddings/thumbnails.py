"""Small pictures of large ones, to be looked at."""

from __future__ import annotations

import io

from PIL import Image

from embeddings.images import decode_image

_QUALITY = 85


def thumbnail(data: bytes, width: int, *, max_pixels: int) -> bytes:
    """The picture as a JPEG that is at most ``width`` pixels wide; a narrower one keeps its size.

    Upright, in sRGB, on white, and without what the file says besides its pixels.

    Raises:
        UnusableImage: as ``embeddings.images.decode_image``.
        ValueError: ``width`` or ``max_pixels`` is below 1.
    """
    # Of a picture that is higher than wide, its width is the shorter edge, and of any other more than enough is kept.
    picture = Image.fromarray(decode_image(data, max_pixels=max_pixels, min_edge=width))
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()
