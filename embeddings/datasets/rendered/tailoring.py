"""From a look to the pieces of cloth on a view's pixels, in the order in which they lie on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from embeddings.datasets.rendered import cuts
from embeddings.datasets.rendered.curves import Curve, Floats, fifth_power, line, smoothstep
from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.noise import smooth_tile
from embeddings.datasets.rendered.surfaces import Plane, Surface
from embeddings.datasets.rendered.tiling import sample_tile
from embeddings.datasets.rendered.trimmings import belt, trimmings

_PI = np.float32(np.pi)

# How far a ruffle reaches below and beside the hem, and how much its own edge rises and falls.
_RUFFLE_DEPTH, _RUFFLE_FLARE, _RUFFLE_WAVE = 0.045, 0.016, 0.008


@dataclass(frozen=True, slots=True)
class Extent:
    """What of the plane a garment takes: half width, highest and lowest y."""

    half_width: float
    top: float
    bottom: float


def extent_of(look: Look) -> Extent:
    """How large the garment is, sleeves included; for the camera."""
    if look.kind == "trousers":
        legs = cuts.trouser_legs(look)
        return Extent(legs.max_width, legs.top_y, legs.hem_y)
    body = _body_of(look)
    sleeve = cuts.sleeve_of(look)
    half, bottom = body.max_width, body.hem_y + body.wave
    if "ruffle hem" in look.details:
        half, bottom = half + _RUFFLE_FLARE, body.hem_y + _RUFFLE_DEPTH + _RUFFLE_WAVE
    if sleeve is not None:
        reach = 0.10 + sleeve.length * np.sin(np.radians(sleeve.angle)) + sleeve.max_radius * 0.9
        half = max(half, float(reach) - 0.5 * sleeve.bend * sleeve.length**2)
        bottom = max(bottom, 0.118 + float(sleeve.length * np.cos(np.radians(sleeve.angle))) + 0.01)
    return Extent(half, body.top_y, bottom)


def cut_and_sew(look: Look, plane: Plane) -> list[Surface]:
    """The garment's pieces on the given pixels, the lowest first."""
    if look.kind == "trousers":
        return _trousers(look, plane)
    body = _body_of(look)
    pieces: list[Surface] = []
    if body.back is not None:
        pieces.append(_inside(body, plane))
    if look.sleeve == "straps" or look.neckline == "halter":
        pieces += _straps(look, plane)
    sleeve = cuts.sleeve_of(look)
    if sleeve is not None:
        pieces += [_sleeve(look, sleeve, plane, side) for side in (-1, 1)]
    trunk = _trunk(look, body, plane)
    if "ruffle hem" in look.details:
        pieces.append(_ruffle(look, body, plane))
    pieces.append(trunk)
    pieces += trimmings(look, body, plane)
    return [piece for piece in pieces if piece.coverage.size]


@lru_cache(maxsize=256)
def _body_of(look: Look) -> cuts.Body:
    if look.kind == "dress":
        return cuts.dress_body(look)
    return cuts.top_body(look) if look.kind == "top" else cuts.skirt_body(look)


def _phase(look: Look, index: int) -> float:
    """A random angle of the garment's own."""
    return float(np.random.default_rng([look.texture_seed, index]).uniform(0, 2 * np.pi))


def _wrinkles(look: Look, x: Floats, y: Floats, strength: float) -> tuple[Floats, Floats]:
    """Slopes of a softly crumpled cloth."""
    offset = (look.texture_seed % 97) / 97
    tile = smooth_tile(11, 9)
    along_x = sample_tile(tile, x * 1.3 + y * 0.5 + offset, y * 0.9 + offset)
    along_y = sample_tile(tile, x * 1.1 - offset, y * 1.6 + x * 0.4)
    return along_x * np.float32(strength), along_y * np.float32(strength * 0.7)


def _trunk(look: Look, body: cuts.Body, whole: Plane) -> Surface:
    reach = body.max_width + 0.02
    window = whole.window(-reach, body.top_y - 0.02, reach, body.hem_y + body.wave + 0.01)
    plane = whole.part(window)
    x, y = plane.x, plane.y
    side = np.abs(x)
    width = body.side(y)
    across = x / width
    ramp = smoothstep(body.fold_start, body.fold_start + 0.55 * (body.hem_y - body.fold_start) + 0.02, y)
    angle = (
        across * np.float32(np.pi * body.folds)
        + np.float32(_phase(look, 1))
        + np.float32(1.2) * np.sin(across * np.float32(2.3) + np.float32(_phase(look, 2)))
    )
    swing = np.sin(angle)
    hem_y = np.float32(body.hem_y) + np.float32(body.wave) * swing - np.float32(0.010) * across * across
    if look.fabric == "lace":
        # Lace ends in scallops.
        hem_y = hem_y - np.float32(0.011) * (1 - np.abs(np.sin(x * np.float32(np.pi / 0.026))))
    to_side = body.side.distance(y, side) * -1
    to_top = body.top.distance(side, y)
    to_hem = hem_y - y
    distance = np.minimum(np.minimum(to_side, to_top), to_hem)
    wrinkle_x, wrinkle_y = _wrinkles(look, x, y, 0.16)
    fold_slope = np.float32(body.fold_depth * 1.5) * ramp * np.cos(angle)
    bust = (
        np.exp(-((y - 0.228) ** 2) / 0.0016) * np.sin(np.clip(across, -1, 1) * 2 * _PI) if look.kind != "skirt" else 0.0
    )
    slope_x = (
        across * np.float32(0.35)
        + fifth_power(across) * np.float32(0.55)
        + fold_slope
        + wrinkle_x
        - np.float32(0.16) * bust
    )
    slope_y = wrinkle_y + np.float32(0.10) * smoothstep(0.24, 0.40, y) - 0.05
    shadow = 1 - np.float32(0.38 * min(1.0, body.fold_depth * 2)) * ramp * smoothstep(0.1, 1.0, -swing)
    shadow *= 0.80 + 0.20 * smoothstep(0.0, 0.018, np.minimum(to_side, to_top))
    # Below a steep stretch of the neckline the distance to it is underrated: no seam belongs there.
    near_top = y - body.top(side) < 0.022
    shadow *= 1 - 0.22 * line(to_hem - 0.012, 0.0035) - 0.25 * line(to_top - 0.007, 0.003) * near_top
    stitches = np.maximum(line(to_hem - 0.012, 0.004), line(to_top - 0.008, 0.0035) * near_top)
    if body.seam_y is not None:
        seam = y - np.float32(body.seam_y) - np.float32(0.003) * across * across
        shadow *= 1 - 0.40 * line(seam, 0.004) - 0.16 * smoothstep(0.035, 0.0, seam) * (seam > 0)
        stitches = np.maximum(stitches, line(seam, 0.004))
    if "pockets" in look.details:
        pocket = _pocket_outline(side, y, body)
        shadow *= 1 - 0.34 * line(pocket, 0.0035) - 0.2 * smoothstep(0.012, 0.0, pocket) * (pocket > 0)
        stitches = np.maximum(stitches, line(pocket + 0.005, 0.003))
    if "buttons" in look.details:
        placket = line(side - 0.013, 0.003) * (y > cuts.neck_bottom(look) - 0.005)
        shadow *= 1 - 0.22 * placket
        stitches = np.maximum(stitches, placket)
    flow = np.sqrt(np.float32(0.1) / np.maximum(width, np.float32(0.05)))
    return Surface(
        window=window,
        coverage=plane.cover(distance),
        cloth_x=x * flow + np.float32(0.006) * ramp * swing,
        cloth_y=y + np.float32(0.012) * across * across,
        slope_x=slope_x.astype(np.float32),
        slope_y=slope_y.astype(np.float32),
        shadow=shadow.astype(np.float32),
        stitches=stitches.astype(np.float32),
    )


def _pocket_outline(side: Floats, y: Floats, body: cuts.Body) -> Floats:
    """Signed distance to a patch pocket on either hip, negative inside."""
    top = (body.seam_y or cuts.WAIST_Y) + 0.055
    box_x = np.abs(side - 0.056) - 0.020
    box_y = np.abs(y - (top + 0.028)) - 0.022
    outside = np.hypot(np.maximum(box_x, 0), np.maximum(box_y, 0))
    distance: Floats = outside + np.minimum(np.maximum(box_x, box_y), 0) - np.float32(0.006)
    return distance


def _ruffle(look: Look, body: cuts.Body, whole: Plane) -> Surface:
    """A gathered band that peeps out below the hem."""
    points = [(body.hem_y - 0.03, body.side.at(body.hem_y - 0.03))]
    points.append((body.hem_y + _RUFFLE_DEPTH, points[0][1] + _RUFFLE_FLARE))
    band = replace(
        body,
        side=Curve(points, rounding=0.004),
        top=Curve([(0.0, body.hem_y - 0.03), (0.4, body.hem_y - 0.03)]),
        hem_y=body.hem_y + _RUFFLE_DEPTH,
        max_width=points[1][1],
        seam_y=None,
        folds=body.folds * 1.5 + 6,
        fold_depth=0.55,
        fold_start=body.hem_y - 0.05,
        wave=_RUFFLE_WAVE,
    )
    plain = replace(look, details=(), kind="skirt")
    piece = _trunk(plain, band, whole)
    below = whole.part(piece.window).y - np.float32(body.hem_y)
    return replace(piece, shadow=piece.shadow * (0.62 + 0.38 * smoothstep(-0.012, 0.02, below)))


def _inside(body: cuts.Body, whole: Plane) -> Surface:
    """The inner side of the back, seen through the neck."""
    if body.back is None:
        raise ValueError("this cut shows no back")
    window = whole.window(-0.12, 0.03, 0.12, 0.25)
    plane = whole.part(window)
    side = np.abs(plane.x)
    distance = np.minimum(body.back.distance(side, plane.y), body.side(plane.y) - side - np.float32(0.004))
    distance = np.minimum(distance, np.minimum(np.float32(0.24) - plane.y, np.float32(body.neck_width) - side))
    flat = np.zeros_like(plane.x)
    depth = plane.y - body.back(side)
    return Surface(
        window=window,
        coverage=plane.cover(distance),
        cloth_x=plane.x,
        cloth_y=plane.y,
        slope_x=plane.x * np.float32(-4.0),
        slope_y=flat,
        shadow=np.float32(0.66) - np.float32(0.22) * smoothstep(0.0, 0.06, depth),
        stitches=line(depth - 0.007, 0.004),
        tone="inside",
    )


def _straps(look: Look, whole: Plane) -> list[Surface]:
    """Slender straps over the shoulders, or the band of a halter behind the neck."""
    window = whole.window(-0.1, 0.03, 0.1, 0.19)
    plane = whole.part(window)
    side = np.abs(plane.x)
    if look.neckline == "halter":
        ring_x, ring_y = plane.x / np.float32(0.0375), (plane.y - np.float32(0.070)) / np.float32(0.015)
        ring = np.hypot(ring_x, ring_y) + np.float32(1e-3)
        steepness = np.hypot(ring_x / np.float32(0.0375), ring_y / np.float32(0.015)) / ring + np.float32(1e-3)
        distance = np.float32(0.0042) - np.abs(ring - 1) / steepness
        distance = np.minimum(distance, np.float32(0.080) - plane.y)
        center = np.zeros_like(plane.x)
    else:
        center = side - (np.float32(0.0635) - np.float32(0.10) * (plane.y - np.float32(0.07)) ** 2)
        distance = np.minimum(np.float32(0.0052) - np.abs(center), plane.y - np.float32(0.066))
        distance = np.minimum(distance, np.float32(0.16) - plane.y)
    return [
        Surface(
            window=window,
            coverage=plane.cover(distance),
            cloth_x=plane.x,
            cloth_y=plane.y,
            slope_x=(np.sign(plane.x) * center * 90).astype(np.float32),
            slope_y=np.zeros_like(plane.x),
            shadow=np.full_like(plane.x, 0.92),
            stitches=np.zeros_like(plane.x),
            tone="strap",
        )
    ]


def _sleeve(look: Look, sleeve: cuts.Sleeve, whole: Plane, side: int) -> Surface:
    angle = np.radians(sleeve.angle)
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    reach = 0.10 + sleeve.length * float(sine) + sleeve.max_radius + 0.02
    left, right = (0.05, reach) if side > 0 else (-reach, -0.05)
    window = whole.window(left, 0.06, right, 0.14 + sleeve.length * float(cosine) + sleeve.max_radius * 0.5)
    plane = whole.part(window)
    outward = plane.x * np.float32(side) - np.float32(0.0955)
    down = plane.y - np.float32(0.1290)
    along = outward * sine + down * cosine
    beside = outward * cosine - down * sine
    beside = beside + np.float32(sleeve.bend) * along * along
    radius = sleeve.radius(along)
    across = beside / radius
    round_end = np.where(along < 0, np.hypot(along, beside), np.abs(beside))
    to_edge = radius - round_end
    to_cuff = np.float32(sleeve.length) - along + np.float32(0.006) * across * across
    wrinkle_x, wrinkle_y = _wrinkles(look, plane.x + np.float32(0.37 * side), plane.y, 0.22)
    slope_x = np.float32(side) * (across * np.float32(0.55) + across * across * across * np.float32(0.6)) + wrinkle_x
    slope_y = wrinkle_y + np.float32(0.12) * np.sin(along * 60 + across * 2 + np.float32(_phase(look, 3 + side)))
    shadow = 0.78 + 0.22 * smoothstep(-0.005, 0.07, along)
    shadow = shadow * (0.82 + 0.18 * smoothstep(0.0, 0.014, to_edge))
    if sleeve.gathered:
        pleats = np.sin(across * 11 + np.float32(_phase(look, 8)))
        slope_x = slope_x + np.float32(0.42) * pleats
        shadow = shadow * (1 - 0.14 * smoothstep(0.2, 1.0, pleats))
    shadow = shadow * (1 - 0.3 * line(to_cuff - 0.012, 0.0035))
    return Surface(
        window=window,
        coverage=plane.cover(np.minimum(to_edge, to_cuff)),
        cloth_x=beside,
        cloth_y=along + np.float32(0.118),
        slope_x=slope_x.astype(np.float32),
        slope_y=slope_y.astype(np.float32),
        shadow=shadow.astype(np.float32),
        stitches=line(to_cuff - 0.012, 0.004),
        tone="sleeve",
    )


def _trousers(look: Look, whole: Plane) -> list[Surface]:
    legs = cuts.trouser_legs(look)
    reach = legs.max_width + 0.02
    window = whole.window(-reach, legs.top_y - 0.02, reach, legs.hem_y + 0.02)
    plane = whole.part(window)
    x, y = plane.x, plane.y
    side = np.abs(x)
    outer, inner = legs.outer(y), legs.inner(y)
    below = smoothstep(legs.crotch_y - 0.07, legs.crotch_y + 0.03, y)
    leg_inner = np.maximum(inner, 0)
    leg_across = (side - (outer + leg_inner) / 2) / ((outer - leg_inner) / 2)
    facing = np.sign(x)
    across = below * leg_across * facing + (1 - below) * x / outer
    to_side = np.minimum(legs.outer.distance(y, side) * -1, side - inner)
    to_top = y - np.float32(legs.top_y) - np.float32(0.004) * (1 - (side / 0.08) ** 2)
    hem_y = np.float32(legs.hem_y) + np.float32(0.004) * (1 - leg_across * leg_across)
    to_hem = hem_y - y
    wrinkle_x, wrinkle_y = _wrinkles(look, x, y, 0.24)
    knees = np.sin(y * 70 + side * 40 + np.float32(_phase(look, 5))) * smoothstep(0.30, 0.0, np.abs(y - 0.66))
    drape = {"skinny": 0.0, "straight": 0.10, "wide-leg": 0.32}[look.fit]
    fold_angle = leg_across * np.float32(np.pi * 2.2) + np.float32(_phase(look, 6)) + facing
    folds = np.sin(fold_angle) * smoothstep(legs.crotch_y, 0.8, y)
    slope_x = (
        across * np.float32(0.4)
        + fifth_power(across) * np.float32(0.6)
        + wrinkle_x
        + np.float32(drape * 1.4) * np.cos(fold_angle) * smoothstep(legs.crotch_y, 0.8, y)
    )
    slope_y = wrinkle_y + np.float32(0.08 if look.fit == "skinny" else 0.03) * knees
    crease = (
        line(leg_across, 0.06) * smoothstep(0.40, 0.5, y) if look.fabric in ("cotton", "satin") else np.zeros_like(x)
    )
    fly = line(x, 0.0025) * (y < legs.crotch_y) * (y > legs.top_y + 0.028)
    band = y - np.float32(legs.top_y + 0.028)
    shadow = (0.80 + 0.20 * smoothstep(0.0, 0.016, to_side)) * (1 - 0.2 * line(to_hem - 0.012, 0.0035))
    shadow *= (1 - 0.30 * fly) * (1 - 0.32 * line(band, 0.0035)) * (1 - 0.10 * smoothstep(0.0, 0.06, crease))
    shadow *= 1 - np.float32(drape) * 0.6 * smoothstep(0.1, 1.0, -folds)
    stitches = np.maximum(np.maximum(fly, line(band, 0.004)), line(to_hem - 0.012, 0.004))
    if "pockets" in look.details:
        slant = (side - 0.052) * np.float32(0.72) - (y - 0.352) * np.float32(0.69)
        mouth = line(slant, 0.0035) * (side > 0.05) * (y > legs.top_y + 0.028)
        shadow *= 1 - 0.42 * mouth
        stitches = np.maximum(stitches, line(slant + 0.006, 0.003) * (side > 0.05) * (y > legs.top_y + 0.028))
    pieces = [
        Surface(
            window=window,
            coverage=plane.cover(np.minimum(np.minimum(to_side, to_top), to_hem)),
            cloth_x=x,
            cloth_y=y,
            slope_x=slope_x.astype(np.float32),
            slope_y=slope_y.astype(np.float32),
            shadow=shadow.astype(np.float32),
            stitches=stitches.astype(np.float32),
        )
    ]
    if "belt" in look.details:
        pieces += belt(whole, legs.outer, legs.top_y + 0.014)
    return [piece for piece in pieces if piece.coverage.size]
