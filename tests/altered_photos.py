"""Photos as they come once more: saved, scaled, cropped, lightened; and recoloured, which makes them others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance


def open_photo(path: Path) -> Image.Image:
    """A photo in RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")


def saved(image: Image.Image, quality: int) -> Image.Image:
    """As a JPEG of this quality gives it back."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as again:
        return again.convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without these shares of its edges."""
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def lightened(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def turned_hue(image: Image.Image, degrees: float) -> Image.Image:
    """Every colour turned on the wheel."""
    hsv = np.array(image.convert("HSV"))
    hsv[..., 0] = (hsv[..., 0].astype(int) + round(degrees / 360 * 256)) % 256
    bands = [Image.fromarray(np.ascontiguousarray(hsv[..., band])) for band in range(3)]
    return Image.merge("HSV", bands).convert("RGB")


ALTERATIONS = {
    "JPEG 30": lambda image: saved(image, 30),
    "JPEG 60": lambda image: saved(image, 60),
    "JPEG 90": lambda image: saved(image, 90),
    "half the size": lambda image: scaled(image, 0.5),
    "twice the size": lambda image: scaled(image, 2),
    "half the size in JPEG 60": lambda image: saved(scaled(image, 0.5), 60),
    "10 % lighter": lambda image: lightened(image, 1.1),
    "10 % darker": lambda image: lightened(image, 0.9),
    "cropped by 1 % at every edge": lambda image: cropped(image, 0.01, 0.01, 0.01, 0.01),
    "cropped by 1.5 % at every edge": lambda image: cropped(image, 0.015, 0.015, 0.015, 0.015),
    "cropped by 2 % at every edge": lambda image: cropped(image, 0.02, 0.02, 0.02, 0.02),
    "cropped by 3 % at every edge": lambda image: cropped(image, 0.03, 0.03, 0.03, 0.03),
    "cropped by 3 % at one edge": lambda image: cropped(image, 0, 0, 0.03, 0),
}

RECOLORINGS = {f"hue by {degrees}°": lambda image, d=degrees: turned_hue(image, d) for degrees in (60, 120, 180)}
