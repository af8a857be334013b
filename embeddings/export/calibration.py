"""Images by which an int8 network's weights are rounded: a bounded sample, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbeddingsError, UnusableImage
from embeddings.images import decode_image, prepare
from embeddings.training.labelled_images import ImageSequence

FEWEST_IMAGES: Final = 32
"""With fewer, chance decides which of a layer's inputs seem to vary together."""

MOST_IMAGES: Final = 128
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})


class TooFewCalibrationImages(EmbeddingsError):
    """There are not enough images to round weights by."""


@dataclass(frozen=True, slots=True)
class CalibrationImages:
    """The sample.

    Args:
        images: (n, S, S, 3) uint8, n between ``FEWEST_IMAGES`` and ``MOST_IMAGES``.
        described: Where they come from, in words, seed included.
    """

    images: NDArray[np.uint8]
    described: str


def sample_images(images: ImageSequence, described: str, *, seed: int = 0) -> CalibrationImages:
    """A sample of prepared images.

    Raises:
        TooFewCalibrationImages: there are fewer than ``FEWEST_IMAGES``.
    """
    if len(images) < FEWEST_IMAGES:
        raise _too_few(f"{len(images)} images ({described})")
    chosen = np.random.default_rng(seed).permutation(len(images))[:MOST_IMAGES]
    return CalibrationImages(
        np.stack([images[int(position)] for position in chosen]),
        f"{described}: {len(chosen)} of {len(images)} images (seed {seed})",
    )


def sample_folder(folder: Path, input_size: int, *, max_pixels: int, seed: int = 0) -> CalibrationImages:
    """A sample of the image files in a folder and its subfolders; files that cannot be decoded are passed over.

    Raises:
        TooFewCalibrationImages: there is no such folder, or it has fewer than ``FEWEST_IMAGES`` usable images.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    prepared: list[NDArray[np.uint8]] = []
    for position in np.random.default_rng(seed).permutation(len(paths)):
        try:
            content = paths[position].read_bytes()
            prepared.append(prepare(decode_image(content, max_pixels=max_pixels, min_edge=input_size), input_size))
        except (OSError, UnusableImage):
            # A folder of photos holds a broken one now and then; what counts is how many are left.
            continue
        if len(prepared) == MOST_IMAGES:
            break
    if len(prepared) < FEWEST_IMAGES:
        known = f"{len(prepared)} usable images of {len(paths)}" if folder.is_dir() else "no such folder"
        raise _too_few(f"{folder}: {known}")
    described = f"folder {folder.name}: {len(prepared)} of {len(paths)} images (seed {seed})"
    return CalibrationImages(np.stack(prepared), described)


def _too_few(received: str) -> TooFewCalibrationImages:
    return TooFewCalibrationImages(
        "There are too few images to quantize with",
        received=received,
        expected=f"at least {FEWEST_IMAGES} photos like those that will be searched; {MOST_IMAGES} are used",
        remedy="name a folder with more photos (--calibration-images), or a merchant with more images (--merchant)",
    )
