"""From a box as a list publishes it to a crop box inside the picture."""

from __future__ import annotations

import math
from pathlib import Path

from embeddings.crop_box import CropBox
from embeddings.datasets.list_files import ListLine
from embeddings.datasets.photos import MAX_PIXELS
from embeddings.datasets.records import UnusableDataset
from embeddings.errors import UnusableImage
from embeddings.images import inspect_image

# Most formats tell their size at the start; only what cannot be told from there is read whole.
_HEAD_BYTES = 1 << 16


def picture_size(path: Path, line: ListLine) -> tuple[int, int]:
    """Width and height of an upright picture in pixels, from the head of its file.

    Args:
        line: What names the picture, for the error.

    Raises:
        UnusableDataset: the file is missing, cannot be read or is no image.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            try:
                header = inspect_image(head, max_pixels=MAX_PIXELS)
            except UnusableImage:
                header = inspect_image(head + file.read(), max_pixels=MAX_PIXELS)
    except OSError as error:
        raise missing_picture(path, line, error.strerror or str(error)) from error
    except UnusableImage as error:
        raise line.fault("a readable image", received=f"{path}: {error}") from error
    return header.width, header.height


def require_picture(path: Path, line: ListLine) -> None:
    """Check that a picture is there, without reading it.

    Raises:
        UnusableDataset: there is no file at the path.
    """
    if not path.is_file():
        raise missing_picture(path, line, "no such file")


def missing_picture(path: Path, line: ListLine, reason: str) -> UnusableDataset:
    """The error that says that a line names a picture that is not there, to be raised."""
    return line.fault(
        "a picture that exists",
        received=f"{path}: {reason}",
        remedy="unpack the data set's pictures, or take the line out",
    )


def fit_box(
    line: ListLine,
    edges: tuple[float, float, float, float],
    size: tuple[int, int],
    published_size: tuple[int, int] | None = None,
) -> CropBox:
    """The smallest box of whole pixels that covers a published one, cut off at the picture's borders.

    Args:
        line: What publishes the box, for the error.
        edges: Left, top, right and bottom.
        size: Width and height of the picture.
        published_size: Width and height of the picture that the box was published for, where it has been scaled since.

    Raises:
        UnusableDataset: the box is empty, or no part of it is inside the picture.

    >>> fit_box(ListLine(Path("boxes.txt"), 1, ""), (60.0, 27.5, 385.0, 331.0), (250, 166), (500, 332))
    CropBox(left=30, top=13, right=193, bottom=166)
    """
    left, top, right, bottom = edges
    width, height = published_size or size
    if right <= left or bottom <= top or left >= width or top >= height or right <= 0 or bottom <= 0:
        raise line.fault(
            f"a box that meets the picture's {width} × {height} pixels",
            received=f"a box from ({left:g}, {top:g}) to ({right:g}, {bottom:g})",
        )
    across, down = size[0] / width, size[1] / height
    fitted_left = min(max(math.floor(left * across), 0), size[0] - 1)
    fitted_top = min(max(math.floor(top * down), 0), size[1] - 1)
    return CropBox(
        fitted_left,
        fitted_top,
        max(min(math.ceil(right * across), size[0]), fitted_left + 1),
        max(min(math.ceil(bottom * down), size[1]), fitted_top + 1),
    )
