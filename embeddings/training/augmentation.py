"""Random changes that leave an item what it is: framing, light, colour cast, blur, noise, compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_LEVELS = np.arange(256, dtype=np.float32) / 255.0
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far images are changed. Zero everywhere changes nothing.

    Args:
        scale: The item is drawn up to this share larger or smaller, 0 to 0.9.
        shift: It is moved by up to this share of the edge, either way.
        rotation: It is turned by up to this many degrees, either way.
        flip: Probability of mirroring left and right. Items are symmetric enough for it; printed words are not.
        exposure: Brightness and contrast change by up to this share.
        cast: Each colour channel is scaled by up to this share: small, because colour is an attribute.
        saturation: Saturation changes by up to this share.
        softness: Probability of blurring, of noise, and of JPEG compression, each on its own.
        erasing: Probability of hiding a rectangle of up to a ninth of the image.

    Raises:
        ValueError: a value is negative, or a share or probability too large.
    """

    scale: float = 0.2
    shift: float = 0.08
    rotation: float = 8.0
    flip: float = 0.5
    exposure: float = 0.25
    cast: float = 0.06
    saturation: float = 0.2
    softness: float = 0.2
    erasing: float = 0.1

    def __post_init__(self) -> None:
        for name in self.__slots__:
            upper = {"rotation": 180.0, "scale": 0.9, "exposure": 0.9, "cast": 0.9}.get(name, 1.0)
            if not 0 <= getattr(self, name) <= upper:
                raise ValueError(f"{name} must lie between 0 and {upper}, received {getattr(self, name)}")


NO_AUGMENTATION = Augmentation(
    scale=0, shift=0, rotation=0, flip=0, exposure=0, cast=0, saturation=0, softness=0, erasing=0
)


def augment(image: NDArray[np.uint8], how: Augmentation, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A randomly changed copy of an image, (S, S, 3) uint8 in and out. The same generator state, the same copy."""
    if how == NO_AUGMENTATION:
        return image.copy()
    picture = _reframe(Image.fromarray(image), how, generator)
    picture = _relight(picture, how, generator)
    picture = _degrade(picture, how, generator)
    result = np.array(picture)
    if generator.random() < how.erasing:
        _hide_rectangle(result, generator)
    return result


def _between(generator: np.random.Generator, reach: float) -> float:
    return float(generator.uniform(-reach, reach))


def _reframe(picture: Image.Image, how: Augmentation, generator: np.random.Generator) -> Image.Image:
    edge = picture.width
    # A ratio, so that enlarging and shrinking are equally likely.
    zoom = (1.0 + how.scale) ** _between(generator, 1.0)
    angle = np.deg2rad(_between(generator, how.rotation))
    shift_x, shift_y = (_between(generator, how.shift) * edge for _ in range(2))
    mirror = -1.0 if generator.random() < how.flip else 1.0
    cosine, sine, center = np.cos(angle) / zoom, np.sin(angle) / zoom, edge / 2.0
    # Pillow's affine transform maps each output pixel to the input pixel it takes its value from.
    a, b, d, e = mirror * cosine, sine, -mirror * sine, cosine
    c = center - a * (center + shift_x) - b * (center + shift_y)
    f = center - d * (center + shift_x) - e * (center + shift_y)
    corners = np.asarray(picture)[[0, 0, -1, -1], [0, -1, 0, -1]]
    red, green, blue = (int(value) for value in np.median(corners, axis=0))
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        (a, b, c, d, e, f),
        Image.Resampling.BILINEAR,
        fillcolor=(red, green, blue),
    )


def _relight(picture: Image.Image, how: Augmentation, generator: np.random.Generator) -> Image.Image:
    contrast = (1.0 + how.exposure) ** _between(generator, 1.0)
    gamma = (1.0 + how.exposure) ** _between(generator, 1.0)
    gain = (1.0 + how.exposure / 2) ** _between(generator, 1.0)
    casts = (1.0 + how.cast) ** generator.uniform(-1.0, 1.0, 3)
    # Everything that acts on single values is one table of 256 entries per channel.
    tone = ((_LEVELS**gamma - 0.5) * contrast + 0.5) * gain
    table = np.clip(tone * casts[:, np.newaxis] * 255.0 + 0.5, 0, 255).astype(np.uint8)
    saturation = 1.0 + _between(generator, how.saturation)
    mix = saturation * np.eye(3) + (1.0 - saturation) * _LUMA
    matrix = tuple(float(value) for value in np.hstack([mix, np.zeros((3, 1))]).ravel())
    return picture.point(table.ravel().tolist()).convert("RGB", matrix)


def _degrade(picture: Image.Image, how: Augmentation, generator: np.random.Generator) -> Image.Image:
    if generator.random() < how.softness:
        picture = picture.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.3, 1.0)) * picture.width / 128))
    if generator.random() < how.softness:
        noise = generator.standard_normal((picture.height, picture.width, 3), dtype=np.float32)
        noisy = np.asarray(picture) + noise * float(generator.uniform(2.0, 8.0))
        picture = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if generator.random() < how.softness:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(generator.integers(35, 85)))
        picture = Image.open(buffer).convert("RGB")
    return picture


def _hide_rectangle(image: NDArray[np.uint8], generator: np.random.Generator) -> None:
    """Fill a rectangle of the array, which must be the caller's own, with one random colour."""
    edge = image.shape[0]
    height, width = (int(edge * share) for share in generator.uniform(0.1, 1 / 3, 2))
    top, left = int(generator.integers(0, edge - height)), int(generator.integers(0, edge - width))
    image[top : top + height, left : left + width] = generator.integers(0, 256, 3, dtype=np.uint8)
