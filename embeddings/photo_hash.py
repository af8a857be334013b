"""Whether two pictures are the same photo, saved, scaled or cropped once more: by a perceptual hash and by colours.

The perceptual hash (pHash: the signs of a picture's lowest frequencies) sees shapes in shades of grey, so that the red
dress and the blue one of the same cut, photographed alike, are one picture to it. Colours must agree, too.

On real photos the limits find photos that were saved, scaled or made a tenth lighter or darker again, and most of those
that lost up to two hundredths at every edge; ``tests/benchmarks/test_photo_hash.py`` measures how many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_EDGE: Final = 64
"""Pictures are looked at in this many pixels squared."""

_COARSE_EDGE: Final = 16
"""In as many it is seen what stands out from the ground."""

_PATTERN_EDGE: Final = 16
"""So many frequencies in each direction; with the usual 8, shoes on white are all alike."""

_PATTERN_BYTES: Final = _PATTERN_EDGE**2 // 8
_CELLS: Final = 4
_NUM_COLORS: Final = _CELLS**2 + 1
_FORMAT: Final = b"\x01"
"""First byte of a stored hash. What is computed otherwise one day gets another one."""

_MOST_BITS: Final = 52
"""Of 256. Unrelated photos differ in half of them."""

_FLAT: Final = 8
"""A picture whose levels all lie within so many shows nothing, and its hash is noise."""

_LUMA: Final = np.array((0.299, 0.587, 0.114))


@dataclass(frozen=True, slots=True)
class PhotoHash:
    """What is kept of a picture to find it again.

    Args:
        pattern: Signs of 16 × 16 frequencies of its luminance, 256 bits; None where the picture shows nothing.
        colors: 17 RGB colours of a byte each: the means of 4 × 4 cells in rows, then that of what stands out from the
            ground, in which a thin thing counts as much as a large one.
    """

    pattern: int | None
    colors: bytes

    def to_bytes(self) -> bytes:
        """For storage: 52 bytes of a picture that shows nothing, else 84."""
        pattern = b"" if self.pattern is None else self.pattern.to_bytes(_PATTERN_BYTES)
        return _FORMAT + self.colors + pattern

    @classmethod
    def from_bytes(cls, stored: bytes) -> PhotoHash | None:
        """The hash that ``to_bytes`` gave; None where it was computed in another way than today's."""
        end = len(_FORMAT) + 3 * _NUM_COLORS
        if not stored.startswith(_FORMAT) or len(stored) not in (end, end + _PATTERN_BYTES):
            return None
        pattern = stored[end:]
        return cls(int.from_bytes(pattern) if pattern else None, stored[len(_FORMAT) : end])


def photo_hash(image: NDArray[np.uint8]) -> PhotoHash:
    """The hash of a picture.

    Args:
        image: (height, width, 3) uint8, RGB, both edges at least 1. Not changed.

    Raises:
        ValueError: another shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"expected a (height, width, 3) uint8 image, received {image.dtype} of shape {image.shape}")
    small = Image.fromarray(np.ascontiguousarray(image)).resize((_EDGE, _EDGE), Image.Resampling.BOX)
    # The rest is done on small copies, made by Pillow: NumPy's sums over (H, W, 3) would take longer than the hash.
    cells = np.asarray(small.resize((_CELLS, _CELLS), Image.Resampling.BOX)).reshape(-1, 3)
    coarse = np.asarray(small.resize((_COARSE_EDGE, _COARSE_EDGE), Image.Resampling.BOX), dtype=np.float32)
    colors = np.concatenate([cells, np.rint(_standing_out(coarse)).astype(np.uint8)[np.newaxis]]).tobytes()
    if _spread(np.asarray(small)) < _FLAT:
        return PhotoHash(None, colors)
    # Imported where it is used: it brings a part of SciPy, half a second of a process's start.
    import imagehash

    signs = imagehash.phash(small, hash_size=_PATTERN_EDGE, highfreq_factor=_EDGE // _PATTERN_EDGE).hash
    return PhotoHash(int.from_bytes(np.packbits(signs).tobytes()), colors)


def load_hashing() -> None:
    """Import now what the first hash would import: for processes that must not be slow at the first picture."""
    photo_hash(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


def are_near_duplicates(first: PhotoHash, second: PhotoHash) -> bool:
    """Whether two pictures are one photo, as far as hashes can tell. Pictures that show nothing never are.

    Symmetric, but not transitive: two crops of a photo may be near it and not each other.
    """
    if first.pattern is None or second.pattern is None:
        return False
    if (first.pattern ^ second.pattern).bit_count() > _MOST_BITS:
        return False
    one, other = _luma_and_chroma(first.colors), _luma_and_chroma(second.colors)
    gaps = np.abs(one - other)
    # Exposure scales all three, so that the bright and the colourful may differ by more levels than the dark and dull.
    luma_limits = 4 + 0.12 * np.maximum(one[:, 0], other[:, 0])
    chroma = [np.hypot(colors[:, 1], colors[:, 2]) for colors in (one, other)]
    chroma_limits = 5 + 0.1 * np.maximum(*chroma)
    return bool(np.all(gaps[:, 0] <= luma_limits) and np.all(np.hypot(gaps[:, 1], gaps[:, 2]) <= chroma_limits))


def _spread(pixels: NDArray[np.uint8]) -> int:
    """By how many levels (H, W, 3) pixels differ in the band where they differ most."""
    bands = [pixels[..., band] for band in range(3)]
    return max(int(band.max()) - int(band.min()) for band in bands)


def _standing_out(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean colour (3,) of (S, S, 3) pixels, each weighted by its distance from the ground, the border's median."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    ground = np.median(border, axis=0)
    flat = pixels.reshape(-1, 3)
    weights = np.abs(flat - ground) @ np.ones(3, dtype=np.float32)
    total = weights.sum()
    return ground if total == 0 else np.asarray(weights @ flat / total)


def _luma_and_chroma(colors: bytes) -> NDArray[np.float64]:
    """(17, 3) float64: Y, Cb and Cr without offsets, as JFIF defines them, of 17 RGB colours."""
    rgb = np.frombuffer(colors, dtype=np.uint8).reshape(-1, 3).astype(np.float64)
    luma = rgb @ _LUMA
    return np.stack([luma, (rgb[:, 2] - luma) * 0.564, (rgb[:, 0] - luma) * 0.713], axis=1)
