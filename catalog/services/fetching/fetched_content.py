"""What a server has sent for an image, judged by its bytes and by nothing that the server says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from catalog.ports.remote_files import Validators
from embeddings.errors import UnusableImage
from embeddings.images import ImageHeader, inspect_image

_BEGINNING: Final = 1024
_HTML: Final = re.compile(rb"^(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An image that has come, and is in the image store."""

    sha256: str
    size_bytes: int
    width: int
    height: int
    validators: Validators


@dataclass(frozen=True, slots=True)
class UnusableContent:
    """What came instead of an image, and what was expected."""

    found: str
    expected: str


def judge(data: bytes, *, max_pixels: int) -> ImageHeader | UnusableContent:
    """What the bytes are.

    Args:
        data: The whole file.
        max_pixels: Larger images are unusable.
    """
    try:
        return inspect_image(data, max_pixels=max_pixels)
    except UnusableImage as error:
        found = error.received or error.message
        if _HTML.match(data[:_BEGINNING]):
            # What many a server sends in place of a file that it does not have, with "200 OK".
            found = f"an HTML page of {len(data):,} bytes"
        return UnusableContent(found, error.expected or "an image")
