"""Images where the feed says they are: read within limits, checked by their header, put into the image store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from catalog.errors import DrapeError
from catalog.feeds import resolve_image_path
from catalog.ports.image_store import ImageStore
from catalog.types import FeedImage
from embeddings.errors import UnusableImage
from embeddings.images import ImageHeader, inspect_image


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image's bytes as they were found: already in the image store."""

    sha256: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class UnreadImage:
    """An image that could not be read: what was found and what was expected, and whether there is no file of it."""

    found: str
    expected: str
    is_missing: bool = False


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image by address: not read here, but fetched later."""


Reading: TypeAlias = ReadImage | UnreadImage | RemoteImage


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image's bytes, with what their header says."""

    data: bytes
    header: ImageHeader


class ImageFiles:
    """Reads the files of a feed's images.

    Args:
        folder: The feed's folder, which relative paths start from and must not leave.
        allow_absolute: Whether paths may be absolute.
        max_pixels, max_bytes: Larger images are refused before they are decoded, or read.
    """

    def __init__(self, folder: Path, *, allow_absolute: bool, max_pixels: int, max_bytes: int) -> None:
        self._folder = folder
        self._allow_absolute = allow_absolute
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes

    def read(self, image: FeedImage) -> ImageFile | UnreadImage | RemoteImage:
        """Read one image. Whatever is wrong with it is told in the result, never raised."""
        if image.is_address:
            return RemoteImage()
        try:
            path = resolve_image_path(image.source, self._folder, allow_absolute=self._allow_absolute)
            size = path.stat().st_size
            if size > self._max_bytes:
                return UnreadImage(f"{image.source}: {size} bytes", f"at most {self._max_bytes} bytes")
            data = path.read_bytes()
            header = inspect_image(data, max_pixels=self._max_pixels)
        except UnusableImage as error:
            return UnreadImage(f"{image.source}: {error.received or error.message}", error.expected or "an image")
        except DrapeError as error:
            return UnreadImage(f"{image.source}: {error.message}", error.expected or "an image file", is_missing=True)
        except OSError as error:
            return UnreadImage(f"{image.source}: {error.strerror or error}", "a readable image file")
        return ImageFile(data, header)


class SourceImages:
    """Reads a feed's images into the image store."""

    def __init__(self, store: ImageStore, files: ImageFiles) -> None:
        self._store = store
        self._files = files

    def read(self, image: FeedImage) -> Reading:
        """Read one image. Whatever is wrong with it is told in the result, never raised.

        Raises:
            ImageStoreUnavailable: the image was good, but could not be stored.
        """
        file = self._files.read(image)
        if not isinstance(file, ImageFile):
            return file
        return ReadImage(self._store.put(file.data), len(file.data), file.header.width, file.header.height)
