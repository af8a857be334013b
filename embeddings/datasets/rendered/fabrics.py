"""What the fabric does to colour and light: weave, net, ribs, sheen, glitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embeddings.datasets.rendered.curves import Floats, smoothstep
from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.motifs import lace_tile
from embeddings.datasets.rendered.noise import smooth_tile
from embeddings.datasets.rendered.surfaces import Surface
from embeddings.datasets.rendered.tiling import sample_tile

_NUDE = np.array((226, 190, 164), dtype=np.float32)
_TAN = np.array((160, 116, 88), dtype=np.float32)
_IVORY = np.array((250, 244, 236), dtype=np.float32)
_STITCH_ORANGE = np.array((214, 148, 70), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light comes from, as a unit vector (x right, y down, z to the viewer), and how hard it is, 0 to 1."""

    x: float
    y: float
    z: float
    hardness: float


def shine(look: Look, piece: Surface, color: Floats, light: Light, pixel: float) -> Floats:
    """The piece as it is seen: cloth colour through the fabric, lit. (rows, columns, 3) float32, 0 to 255 and above.

    Args:
        color: The cloth's colour at every point of the piece, (rows, columns, 3).
        pixel: Edge of a pixel in units of the plane.
    """
    fabric = look.fabric
    length = np.sqrt(piece.slope_x**2 + piece.slope_y**2 + 1)
    facing = (piece.slope_x * np.float32(light.x) + piece.slope_y * np.float32(light.y) + np.float32(light.z)) / length
    facing = np.maximum(facing, 0)
    contrast = np.float32((0.42 + 0.25 * light.hardness) * {"satin": 1.35, "velvet": 1.1, "lace": 0.8}.get(fabric, 1.0))
    lit = (1 - contrast + contrast * facing / np.float32(light.z)) * piece.shadow
    color, texture = _weave(look, piece, color, pixel)
    lit = lit * texture
    result = color * lit[..., None]
    gloss = _gloss(look, piece, facing, length, light)
    if gloss is not None:
        result = result + gloss[..., None] * (0.68 * color + 0.32 * 255)
    if fabric == "denim":
        dashes = piece.stitches * (np.sin((piece.cloth_x + piece.cloth_y * np.float32(0.93)) * 620) > -0.3)
        result = result + dashes[..., None] * np.float32(0.75) * (_STITCH_ORANGE - result)
    return result


def _weave(look: Look, piece: Surface, color: Floats, pixel: float) -> tuple[Floats, Floats]:
    """The colour after the fabric's structure, and a factor for its relief."""
    x, y = piece.cloth_x, piece.cloth_y
    seed = (look.texture_seed % 89) / 89
    if look.fabric == "lace" and piece.tone != "inside":
        shift_x, shift_y = np.float32(0.24 * look.pattern_shift[0]), np.float32(0.24 * look.pattern_shift[1])
        tile = lace_tile(look.texture_seed, round(14 - 9 * look.pattern_scale))
        thread = sample_tile(tile, x + shift_x, y + shift_y, edge=0.24) * np.float32(1 / 255)
        thread = np.maximum(thread, np.float32(0.9) * (piece.stitches > 0.2))
        lining = _lining(look)
        return lining + thread[..., None] * (color - lining), 0.93 + 0.09 * thread
    if look.fabric == "knit":
        rib = np.float32(0.019 + 0.011 * look.pattern_shift[0])
        column = x / rib
        inside = column - np.floor(column)
        slant = np.abs(inside - np.float32(0.5)) * 2
        stitch = np.sin((y / rib * np.float32(1.25) + slant * np.float32(0.5)) * np.float32(2 * np.pi))
        valley = smoothstep(0.62, 1.0, slant)
        return color, 1.03 - 0.24 * valley + 0.085 * stitch * (1 - valley)
    if look.fabric == "denim":
        # Threads finer than two pixels would turn into false coarse ones: they fade out before.
        visible = np.float32(np.clip(1.5 - pixel / 0.0025, 0, 1) * 0.075)
        twill = np.sin((x * np.float32(0.8) + y) * np.float32(2 * np.pi / 0.0062)) * visible
        fading = sample_tile(smooth_tile(23, 7), x * 1.2 + np.float32(seed), y * 0.8)
        pale = smoothstep(-0.1, 0.9, fading)[..., None] * np.float32(0.18)
        return color + pale * (np.float32(225) - color), 0.97 + twill
    if look.fabric == "sequin":
        cell = np.float32(0.0074)
        row = np.floor(y / cell)
        column = x / cell + np.float32(0.5) * np.mod(row, 2)
        mixed = np.sin(
            np.floor(column) * np.float32(12.9898) + row * np.float32(78.233) + np.float32(seed * 50)
        ) * np.float32(437.585)
        glitter = mixed - np.floor(mixed)
        from_center = np.hypot(column - np.floor(column) - np.float32(0.5), y / cell - row - np.float32(0.5))
        disc = 1 - smoothstep(0.34, 0.56, from_center)
        flash = (glitter > 0.90) * disc * np.float32(0.62)
        return color + flash[..., None] * (np.float32(255) - color), 0.56 + (0.16 + 0.56 * glitter) * disc
    if look.fabric == "velvet":
        nap = sample_tile(smooth_tile(31, 21), x * 1.6 + np.float32(seed), y * 0.9)
        return color, 0.80 + 0.10 * nap
    grain = sample_tile(smooth_tile(41, 128), x * 2.2, y * 2.2)
    return color, 1 + np.float32(0.008 if look.fabric == "satin" else 0.020) * grain


def _lining(look: Look) -> Floats:
    """What shows through lace: skin-coloured, unless the thread is of nearly that colour."""
    thread = np.array(look.color_rgb, dtype=np.float32)
    if np.linalg.norm(thread - _NUDE) > 110:
        return _NUDE
    return max((_TAN, _IVORY), key=lambda lining: float(np.linalg.norm(thread - lining)))


def _gloss(look: Look, piece: Surface, facing: Floats, length: Floats, light: Light) -> Floats | None:
    """Light that the fabric throws back by itself, 0 to about 0.6; None for dull fabrics."""
    if look.fabric == "satin":
        # Threads run across: the highlight is stretched along the folds and depends on the slope across alone.
        half_x, half_z = light.x, light.z + 1
        norm = float(np.hypot(half_x, half_z))
        mirror = (piece.slope_x * np.float32(half_x / norm) + np.float32(half_z / norm)) / np.sqrt(piece.slope_x**2 + 1)
        fourth = np.maximum(mirror, 0) ** 2
        fourth = fourth * fourth
        sixteenth = (fourth * fourth) ** 2
        gloss: Floats = np.float32(0.50) * sixteenth * fourth * piece.shadow
        return gloss
    if look.fabric == "velvet":
        return np.float32(0.34) * (1 - 1 / length) ** 1.3
    if look.fabric == "sequin":
        return np.float32(0.10) * facing**6
    return None
