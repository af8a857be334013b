"""The colour of a printed or woven cloth at each of its points, before fabric and light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.rendered.curves import Floats, covered_share
from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.motifs import floral_tile, leopard_tile
from embeddings.datasets.rendered.surfaces import Surface
from embeddings.datasets.rendered.tiling import sample_tile
from embeddings.datasets.rendered.vocabulary import Rgb

_TILE_EDGE = 0.30


def cloth_color(look: Look, piece: Surface, pixel: float) -> Floats:
    """Colour of the cloth on a piece, (rows, columns, 3) float32 in 0 to 255.

    Args:
        pixel: Edge of a pixel in units of the plane; edges of the pattern are softened over it.
    """
    x, y = piece.cloth_x, piece.cloth_y
    scale = look.pattern_scale
    if look.pattern == "plain":
        return np.broadcast_to(_array(look.color_rgb), (*x.shape, 3))
    if look.pattern == "floral":
        count = round(26 - 18 * scale)
        return _tile_color(floral_tile(look.color_rgb, look.accent_rgb, look.texture_seed, count), look, x, y)
    if look.pattern == "leopard":
        count = round(46 - 26 * scale)
        return _tile_color(leopard_tile(look.color_rgb, look.accent_rgb, look.texture_seed, count), look, x, y)
    if look.pattern == "striped":
        weight = _stripes(look, x, y, pixel)
    elif look.pattern == "dotted":
        weight = _dots(look, x, y, pixel)
    elif look.pattern == "checked":
        weight = _checks(look, x, y, pixel)
    elif look.pattern == "zigzag":
        weight = _zigzag(look, x, y, pixel)
    else:
        weight = _blocks(look, piece, pixel)
    first, second = _array(look.color_rgb), _array(look.accent_rgb)
    return first + weight[..., None] * (second - first)


def _array(rgb: Rgb) -> Floats:
    return np.array(rgb, dtype=np.float32)


def _tile_color(tile: NDArray[np.uint8], look: Look, x: Floats, y: Floats) -> Floats:
    """The tile's colours, repeated over the cloth."""
    shift_x, shift_y = (np.float32(_TILE_EDGE * share) for share in look.pattern_shift)
    return sample_tile(tile, x + shift_x, y + shift_y, edge=_TILE_EDGE)


def _band(position: Floats, period: float, share: float, pixel: float) -> Floats:
    """1 in bands that take ``share`` of every ``period``, 0 between, softened over a pixel."""
    phase = position / np.float32(period)
    from_center = np.abs(phase - np.round(phase)) * np.float32(period)
    return covered_share(np.float32(share * period / 2) - from_center, pixel)


def _stripes(look: Look, x: Floats, y: Floats, pixel: float) -> Floats:
    period = 0.028 + 0.052 * look.pattern_scale
    share = 0.30 + 0.30 * look.pattern_balance
    if look.stripes == "horizontal":
        position = y
    elif look.stripes == "vertical":
        position, period = x, period * 0.8
    else:
        position = (x + y) * np.float32(0.7071)
    position = position + np.float32(period * look.pattern_shift[0])
    weight = _band(position, period, share, pixel)
    if look.pattern_shift[1] > 0.6:
        # Every third cloth has a thin companion beside the broad stripe.
        weight = np.maximum(weight, _band(position + np.float32(period / 2), period, 0.10, pixel))
    return weight


def _dots(look: Look, x: Floats, y: Floats, pixel: float) -> Floats:
    spacing = 0.036 + 0.044 * look.pattern_scale
    radius = spacing * (0.24 + 0.14 * look.pattern_balance)
    row_height = np.float32(spacing * 0.866)
    shifted_x = x + np.float32(spacing * look.pattern_shift[0])
    row = np.round((y + np.float32(spacing * look.pattern_shift[1])) / row_height)
    dy = y + np.float32(spacing * look.pattern_shift[1]) - row * row_height
    offset = np.float32(0.5 * spacing) * np.mod(row, 2)
    column = (shifted_x + offset) / np.float32(spacing)
    dx = (column - np.round(column)) * np.float32(spacing)
    return covered_share(np.float32(radius) - np.hypot(dx, dy), pixel)


def _checks(look: Look, x: Floats, y: Floats, pixel: float) -> Floats:
    period = 0.040 + 0.055 * look.pattern_scale
    x, y = x + np.float32(period * look.pattern_shift[0]), y + np.float32(period * look.pattern_shift[1])
    if look.pattern_balance < 0.5:
        # Gingham: full colour only where both bands meet.
        return np.float32(0.5) * (_band(x, period, 0.5, pixel) + _band(y, period, 0.5, pixel))
    broad = _band(x, period, 0.34, pixel) + _band(y, period, 0.34, pixel)
    half = np.float32(period / 2)
    thin = np.maximum(_band(x + half, period, 0.09, pixel), _band(y + half, period, 0.09, pixel))
    return np.maximum(np.float32(0.42) * broad, np.float32(0.9) * thin)


def _zigzag(look: Look, x: Floats, y: Floats, pixel: float) -> Floats:
    period = 0.038 + 0.040 * look.pattern_scale
    width = np.float32(period * (1.1 + 0.5 * look.pattern_balance))
    phase = x / width + np.float32(look.pattern_shift[0])
    climb = np.abs(phase - np.round(phase)) * width
    return _band((y + climb) * np.float32(0.7071), period * 0.7071, 0.46, pixel)


def _blocks(look: Look, piece: Surface, pixel: float) -> Floats:
    """Two colours side by side: skirt against bodice, left against right, or a broad band."""
    if piece.tone in ("sleeve", "strap", "inside"):
        return np.full_like(piece.cloth_x, 1.0 if look.pattern_shift[1] > 0.5 else 0.0)
    middle = 0.335 if look.kind == "dress" else {"top": 0.29, "skirt": 0.45, "trousers": 0.60}[look.kind]
    if look.pattern_balance < 0.45:
        distance = piece.cloth_y - np.float32(middle)
    elif look.pattern_balance < 0.72:
        distance = piece.cloth_x
    else:
        distance = np.float32(0.045) - np.abs(piece.cloth_y - np.float32(middle + 0.06))
    return covered_share(distance, pixel)
