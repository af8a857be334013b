"""One photo of one rendered item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.datasets.rendered.curves import Floats
from embeddings.datasets.rendered.fabrics import Light, shine
from embeddings.datasets.rendered.items import RenderedItem
from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.noise import smooth_tile
from embeddings.datasets.rendered.patterns import cloth_color
from embeddings.datasets.rendered.scene import Shot, cast_shadow, frame_plane, light_background, take_shot
from embeddings.datasets.rendered.surfaces import Plane, Surface
from embeddings.datasets.rendered.tailoring import cut_and_sew, extent_of

# Garments are drawn larger and then reduced, so that prints and seams finer than a pixel stay smooth.
_SUPERSAMPLING = 1.5
_METAL = (206, 178, 110)


def render_view(item: RenderedItem, view: int, height: int) -> NDArray[np.uint8]:
    """A photo of the item, the same for the same item, view and height.

    Args:
        view: 0 for the packshot: frontal, in even light, before a light ground. From 1 on: another distance, place,
            angle, light and ground for every number.
        height: Edge in pixels, at least 32; the width is three quarters of it.

    Returns:
        (height, 3/4 height, 3) uint8, RGB.

    Raises:
        ValueError: ``view`` is negative or ``height`` below 32.
    """
    if view < 0 or height < 32:
        raise ValueError(f"expected a view of at least 0 and a height of at least 32, received {view} and {height}")
    width = height * 3 // 4
    shot = take_shot(item.look.texture_seed, view)
    garment, coverage = _photograph(item.look, shot, width, height)
    ground = light_background(shot, width, height) * (1 - cast_shadow(coverage, shot))
    background = ground[..., None] * np.array(shot.ground, dtype=np.float32)
    picture = background + coverage[..., None] * (garment - background)
    picture *= np.float32(shot.exposure) * np.array(shot.white_balance, dtype=np.float32)
    picture += _sensor_noise(shot, width, height)[..., None]
    samples: NDArray[np.uint8] = np.clip(picture + np.float32(0.5), 0, 255).astype(np.uint8)
    return samples


def _photograph(look: Look, shot: Shot, width: int, height: int) -> tuple[Floats, Floats]:
    """Colour and coverage of the garment in the frame, drawn larger and reduced."""
    plane = frame_plane(extent_of(look), shot, round(width * _SUPERSAMPLING), round(height * _SUPERSAMPLING))
    color, coverage = _dress_up(look, plane, shot.light)
    large = np.empty((*coverage.shape, 4), dtype=np.uint8)
    large[..., :3] = np.minimum(color + np.float32(0.5), 255)
    large[..., 3] = coverage * np.float32(255) + np.float32(0.5)
    # Pillow weighs colours by coverage while it reduces, so that no edge takes on the colour of nothing.
    small = np.asarray(Image.fromarray(large).resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    return small[..., :3], small[..., 3] * np.float32(1 / 255)


def _dress_up(look: Look, plane: Plane, light: Light) -> tuple[Floats, Floats]:
    """Colour and coverage of the garment alone."""
    height, width = plane.x.shape
    color = np.zeros((height, width, 3), dtype=np.float32)
    coverage = np.zeros((height, width), dtype=np.float32)
    for piece in cut_and_sew(look, plane):
        seen = _piece_color(look, piece, plane.pixel, light)
        share = piece.coverage
        # Below the garment's own edge lies nothing: there the new piece's colour counts fully, and coverage decides.
        before = coverage[piece.window]
        after = share + before * (1 - share)
        weight = np.divide(share, after, out=np.zeros_like(share), where=after > 0)
        color[piece.window] += weight[..., None] * (seen - color[piece.window])
        coverage[piece.window] = after
    return color, coverage


def _piece_color(look: Look, piece: Surface, pixel: float, light: Light) -> Floats:
    if piece.tone == "trim":
        return (
            np.array(look.belt_rgb, dtype=np.float32) * (piece.shadow * (1 - 0.25 * np.abs(piece.slope_x)))[..., None]
        )
    if piece.tone == "metal":
        return np.array(_METAL, dtype=np.float32) * (0.8 + 0.4 * piece.shadow)[..., None]
    if piece.tone == "button":
        bright = sum(look.color_rgb) > 400
        button = np.array((92, 70, 58) if bright else (238, 232, 220), dtype=np.float32)
        return button * piece.shadow[..., None]
    return shine(look, piece, cloth_color(look, piece, pixel), light, pixel)


def _sensor_noise(shot: Shot, width: int, height: int) -> Floats:
    """Fine grain, taken from a fixed field at a place of the shot's own."""
    tile = smooth_tile(61, 256)
    rows = (np.arange(height) + shot.seed % 509) % tile.shape[0]
    columns = (np.arange(width) + shot.seed % 503) % tile.shape[1]
    grain: Floats = tile[rows[:, None], columns[None, :]] * np.float32(2.0)
    return grain
