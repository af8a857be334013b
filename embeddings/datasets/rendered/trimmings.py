"""What is sewn or tied on over the cloth: collar, buttons, belt, bow, and the slit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embeddings.datasets.rendered import cuts
from embeddings.datasets.rendered.curves import Curve, Floats, fifth_power, line, smoothstep
from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.surfaces import Plane, Surface


def trimmings(look: Look, body: cuts.Body, plane: Plane) -> list[Surface]:
    """The pieces that lie on a dress, top or skirt, the lowest first."""
    pieces: list[Surface] = []
    if "slit" in look.details:
        pieces.append(_slit(body, plane))
    if look.neckline == "collar":
        pieces.append(_collar(plane))
    if "buttons" in look.details:
        pieces.append(_buttons(look, body, plane))
    level = body.seam_y if body.seam_y is not None else cuts.WAIST_Y
    if look.kind == "skirt":
        level = 0.336
    if "belt" in look.details:
        pieces += belt(plane, body.side, level)
    if "bow" in look.details:
        pieces.append(_bow(plane, level))
    return pieces


def _patch(plane: Plane, window: tuple[slice, slice], distance: Floats, tone: str, bulge: float = 0.0) -> Surface:
    """A small flat piece, slightly raised at its edge when ``bulge`` is positive."""
    flat = np.zeros_like(plane.x)
    return Surface(
        window=window,
        coverage=plane.cover(distance.astype(np.float32)),
        cloth_x=plane.x,
        cloth_y=plane.y,
        slope_x=plane.x * np.float32(bulge),
        slope_y=flat,
        shadow=(0.72 + 0.28 * smoothstep(0.0, 0.006, distance)).astype(np.float32),
        stitches=line(distance - 0.005, 0.003).astype(np.float32),
        tone=tone,
    )


def _convex(points: Sequence[tuple[float, float]], x: Floats, y: Floats) -> Floats:
    """Distance to the nearest edge of a convex shape, positive inside; points run clockwise as seen (y down)."""
    distance = np.full_like(x, np.inf)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        length = float(np.hypot(x1 - x0, y1 - y0))
        edge = ((x1 - x0) * (y - np.float32(y0)) - (y1 - y0) * (x - np.float32(x0))) / np.float32(length)
        distance = np.minimum(distance, edge)
    return distance


def _slit(body: cuts.Body, whole: Plane) -> Surface:
    """A dark wedge in the skirt, open at the hem."""
    center = 0.038
    start = body.hem_y - 0.42 * (body.hem_y - cuts.WAIST_Y)
    window = whole.window(-0.02, start - 0.02, 0.12, body.hem_y + 0.02)
    plane = whole.part(window)
    half = np.float32(0.085) * (plane.y - np.float32(start))
    across = plane.x / body.side(plane.y)
    hem = np.float32(body.hem_y - 0.006) - np.float32(0.010) * across * across - plane.y
    distance = np.minimum(half - np.abs(plane.x - np.float32(center) - half * np.float32(0.4)), hem)
    wedge = _patch(plane, window, distance, "inside")
    return replace(wedge, shadow=wedge.shadow * np.float32(0.5))


def _collar(whole: Plane) -> Surface:
    window = whole.window(-0.08, 0.04, 0.08, 0.15)
    plane = whole.part(window)
    flap = [(0.0345, 0.060), (0.058, 0.082), (0.043, 0.136), (0.001, 0.112)]
    distance = _convex(flap, np.abs(plane.x), plane.y)
    return _patch(plane, window, distance, "cloth", bulge=3.0)


def _buttons(look: Look, body: cuts.Body, whole: Plane) -> Surface:
    top = cuts.neck_bottom(look) + 0.014
    bottom = body.hem_y - 0.03 if look.kind == "top" or look.neckline == "collar" else cuts.WAIST_Y - 0.02
    count = max(2, round((bottom - top) / 0.045))
    spacing = (bottom - top) / count
    window = whole.window(-0.015, top - 0.015, 0.015, bottom + 0.015)
    plane = whole.part(window)
    nearest = np.clip(np.round((plane.y - np.float32(top)) / np.float32(spacing)), 0, count)
    dy = plane.y - np.float32(top) - nearest * np.float32(spacing)
    return _patch(plane, window, np.float32(0.0068) - np.hypot(plane.x, dy), "button")


def belt(whole: Plane, side: Curve, level: float) -> list[Surface]:
    """A strap around the waist, and its buckle."""
    half = side.at(level) + 0.003
    window = whole.window(-half - 0.01, level - 0.03, half + 0.01, level + 0.03)
    plane = whole.part(window)
    across = plane.x / np.float32(half)
    middle = plane.y - np.float32(level) - np.float32(0.004) * (1 - across * across)
    distance = np.minimum(np.float32(0.0115) - np.abs(middle), np.float32(half) - np.abs(plane.x))
    strap = replace(_patch(plane, window, distance, "trim"), slope_x=across * np.float32(0.5) + fifth_power(across))
    frame = np.maximum(np.abs(plane.x) - np.float32(0.013), np.abs(middle) - np.float32(0.0125))
    buckle = _patch(plane, window, np.float32(0.0032) - np.abs(frame), "metal")
    return [strap, buckle]


def _bow(whole: Plane, level: float) -> Surface:
    window = whole.window(-0.08, level - 0.05, 0.08, level + 0.13)
    plane = whole.part(window)
    side = np.abs(plane.x)
    y = plane.y - np.float32(level)
    loop = _convex([(0.0, -0.006), (0.046, -0.026), (0.052, 0.020), (0.0, 0.008)], side, y)
    tail = _convex([(0.001, 0.0), (0.010, 0.0), (0.032, 0.098), (0.014, 0.104)], side, y)
    knot = np.float32(0.011) - np.hypot(plane.x, y)
    bow = _patch(plane, window, np.maximum(np.maximum(loop, tail), knot), "trim")
    rays = np.sin(np.arctan2(y, side + np.float32(0.004)) * 9)
    return replace(
        bow, slope_x=np.float32(0.35) * rays * np.sign(plane.x), shadow=bow.shadow * (1 - 0.25 * line(knot, 0.004))
    )
