"""Outlines of garments, from the words of a look to curves in body coordinates (see ``surfaces.Plane``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from embeddings.datasets.rendered.curves import Curve
from embeddings.datasets.rendered.looks import Look

WAIST_Y = 0.335
_HEMS = {"mini": 0.505, "knee": 0.605, "midi": 0.725, "maxi": 0.895}
_SHOULDER_X, _ARMPIT_Y, _BUST_Y = 0.114, 0.19, 0.225


@dataclass(frozen=True, slots=True)
class Body:
    """A garment's trunk: what lies between side seams, upper edge and hem.

    Args:
        side: Half width over y.
        top: Upper edge over |x|.
        back: Upper edge of the back part, seen inside of the neck, over |x|; None where nothing shows.
        neck_width: Half width to which the back may show.
        top_y, hem_y: Highest and lowest y.
        max_width: Largest half width.
        seam_y: Waist seam, or None.
        folds: Number of folds across, their depth, and the y at which they begin.
        wave: How much the hem rises and falls with the folds.
    """

    side: Curve
    top: Curve
    back: Curve | None
    neck_width: float
    top_y: float
    hem_y: float
    max_width: float
    seam_y: float | None
    folds: float
    fold_depth: float
    fold_start: float
    wave: float


@dataclass(frozen=True, slots=True)
class Sleeve:
    """One sleeve as a bent tube from the shoulder: length, angle from the vertical in degrees, radius along it."""

    length: float
    angle: float
    bend: float
    radius: Curve
    max_radius: float
    gathered: bool


def dress_body(look: Look) -> Body:
    """The trunk of a dress."""
    waist, flare, length, _, _ = look.cut
    hem = _HEMS[look.length] + 0.014 * length
    seam: float | None = None
    bodice = _bodice(look)
    hips: list[tuple[float, float]]
    folds, depth, start, wave = 3.0, 0.25, WAIST_Y, 0.004
    if look.silhouette == "sheath":
        hips = [(0.335, 0.077), (0.43, 0.104), (0.50, 0.103), (hem, 0.094 - 0.004 * flare)]
        folds, depth, start, wave = 2.0, 0.10, 0.40, 0.001
    elif look.silhouette == "shift":
        hips = [(0.335, 0.102), (0.43, 0.110), (hem, 0.122 + 0.006 * flare)]
        folds, depth, start, wave = 2.5, 0.13, 0.30, 0.002
    elif look.silhouette == "a-line":
        seam = WAIST_Y
        hips = [(0.335, 0.078), (0.43, 0.116), (hem, 0.116 + (hem - 0.43) * (0.25 + 0.03 * flare))]
        folds, depth, wave = 4.0, 0.32, 0.005
    elif look.silhouette == "fit-and-flare":
        seam = WAIST_Y
        spread = 0.62 if look.length in ("mini", "knee") else 0.42
        hips = [(0.335, 0.073), (0.37, 0.105), (hem, 0.105 + (hem - 0.37) * (spread + 0.05 * flare))]
        folds, depth, wave = 6.5, 0.50, 0.011
    elif look.silhouette == "empire":
        seam = 0.262
        hips = [(0.262, 0.087), (0.335, 0.105), (hem, 0.105 + (hem - 0.335) * (0.20 + 0.03 * flare))]
        folds, depth, start, wave = 5.0, 0.34, 0.262, 0.005
    else:
        knee = min(0.60, hem - 0.13)
        hips = [(0.335, 0.076), (0.43, 0.105), (knee, 0.080), (knee + 0.05, 0.098), (hem, 0.175 + 0.015 * flare)]
        folds, depth, start, wave = 6.0, 0.42, knee, 0.009
    hips = [(y, w + (0.004 * waist if y < 0.4 else 0.0)) for y, w in hips]
    points = [point for point in bodice if point[0] < hips[0][0] - 0.02] + hips
    return Body(
        side=Curve(points, rounding=0.022 if look.silhouette != "fit-and-flare" else 0.016),
        top=_upper_edge(look),
        back=_back_edge(look),
        neck_width=_back_half_width(look),
        top_y=0.04 if look.neckline == "high" else 0.06,
        hem_y=hem,
        max_width=max(width for _, width in points),
        seam_y=seam,
        folds=folds,
        fold_depth=depth,
        fold_start=start,
        wave=wave,
    )


def top_body(look: Look) -> Body:
    """The trunk of a shirt, blouse or sweater."""
    waist, flare, length, _, _ = look.cut
    hem = (0.445 if look.fit == "fitted" else 0.475) + 0.018 * length
    if look.fit == "fitted":
        hips = [(0.335, 0.082 + 0.003 * waist), (hem, 0.104)]
    else:
        hips = [(0.335, 0.118 + 0.005 * waist), (hem, 0.124 + 0.008 * flare)]
    points = [point for point in _bodice(look) if point[0] < 0.31] + hips
    return Body(
        side=Curve(points, rounding=0.02),
        top=_upper_edge(look),
        back=_back_edge(look),
        neck_width=_back_half_width(look),
        top_y=0.04 if look.neckline == "high" else 0.06,
        hem_y=hem,
        max_width=max(width for _, width in points),
        seam_y=None,
        folds=2.5,
        fold_depth=0.12 if look.fit == "fitted" else 0.2,
        fold_start=0.26,
        wave=0.002,
    )


def skirt_body(look: Look) -> Body:
    """A skirt, waistband at the top."""
    waist, flare, length, _, _ = look.cut
    hem = _HEMS[look.length] + 0.014 * length
    top = 0.322
    width = 0.078 + 0.003 * waist
    if look.silhouette == "pencil":
        hips = [(0.43, 0.108), (0.5, 0.107), (hem, 0.096 - 0.004 * flare)]
        folds, depth, wave = 2.0, 0.10, 0.001
    elif look.silhouette == "a-line":
        hips = [(0.43, 0.118), (hem, 0.118 + (hem - 0.43) * (0.30 + 0.04 * flare))]
        folds, depth, wave = 3.5, 0.26, 0.004
    elif look.silhouette == "circle":
        spread = 0.72 if look.length in ("mini", "knee") else 0.46
        hips = [(0.36, 0.104), (hem, 0.104 + (hem - 0.36) * (spread + 0.05 * flare))]
        folds, depth, wave = 7.0, 0.5, 0.012
    else:
        hips = [(0.43, 0.122), (hem, 0.122 + (hem - 0.43) * (0.26 + 0.03 * flare))]
        folds, depth, wave = 13.0, 0.42, 0.003
    points = [(top, width), (0.345, width), *hips]
    return Body(
        side=Curve(points, rounding=0.012),
        top=Curve([(0.0, top + 0.004), (0.09, top)]),
        back=None,
        neck_width=0.0,
        top_y=top - 0.01,
        hem_y=hem,
        max_width=max(width for _, width in points),
        seam_y=0.348,
        folds=folds,
        fold_depth=depth,
        fold_start=0.348,
        wave=wave,
    )


@dataclass(frozen=True, slots=True)
class Legs:
    """Trousers: outer and inner edge of a leg, as |x| over y.

    Args:
        outer, inner: Edges; the inner one is negative above the crotch, where both legs are one piece.
    """

    outer: Curve
    inner: Curve
    top_y: float
    crotch_y: float
    hem_y: float
    max_width: float


@lru_cache(maxsize=256)
def trouser_legs(look: Look) -> Legs:
    """Both legs of trousers or shorts."""
    waist, flare, length, _, _ = look.cut
    hem = {"shorts": 0.53, "cropped": 0.77, "full-length": 0.905}[look.length] + 0.012 * length
    top, crotch = 0.318, 0.475
    full = 0.905
    outer_hem, inner_hem = {
        "skinny": (0.086, 0.040),
        "straight": (0.112, 0.030),
        "wide-leg": (0.172 + 0.01 * flare, 0.022),
    }[look.fit]
    knee_outer, knee_inner = {"skinny": (0.096, 0.030), "straight": (0.114, 0.022), "wide-leg": (0.138, 0.014)}[
        look.fit
    ]
    outer = [
        (top, 0.078 + 0.003 * waist),
        (0.345, 0.080),
        (0.42, 0.110),
        (0.48, 0.114),
        (0.64, knee_outer),
        (full, outer_hem),
    ]
    inner = [(crotch - 0.001, -0.2), (crotch, -0.002), (0.50, 0.004), (0.64, knee_inner), (full, inner_hem)]
    return Legs(
        outer=Curve(outer, rounding=0.05),
        inner=Curve(inner, rounding=0.001),
        top_y=top,
        crotch_y=crotch,
        hem_y=hem,
        max_width=max(width for _, width in outer),
    )


@lru_cache(maxsize=256)
def sleeve_of(look: Look) -> Sleeve | None:
    """The look's sleeve, or None for a garment without."""
    width = 1 + 0.07 * look.cut[4]
    loose = 1.12 if look.fit == "loose" else 1.0
    if look.sleeve == "short":
        return _sleeve(0.098, 30, 0.0, [(0.0, 0.034), (0.03, 0.040), (0.098, 0.046)], width * loose)
    if look.sleeve == "puff":
        points = [(0.0, 0.034), (0.035, 0.062), (0.075, 0.068), (0.105, 0.050), (0.118, 0.034), (0.13, 0.035)]
        return _sleeve(0.13, 30, 0.0, points, width, gathered=True)
    if look.sleeve == "three-quarter":
        return _sleeve(0.255, 17, 0.15, [(0.0, 0.034), (0.03, 0.039), (0.12, 0.037), (0.255, 0.034)], width * loose)
    if look.sleeve == "long":
        points = [(0.0, 0.034), (0.03, 0.039), (0.15, 0.036), (0.33, 0.026), (0.345, 0.025)]
        return _sleeve(0.345, 14, 0.22, points, width * loose)
    if look.sleeve == "bell":
        return _sleeve(
            0.325,
            17,
            0.15,
            [(0.0, 0.034), (0.03, 0.038), (0.13, 0.035), (0.2, 0.042), (0.325, 0.082)],
            width,
            gathered=True,
        )
    return None


def _sleeve(
    length: float, angle: float, bend: float, points: list[tuple[float, float]], width: float, gathered: bool = False
) -> Sleeve:
    scaled = [(position, radius * width) for position, radius in points]
    return Sleeve(length, angle, bend, Curve(scaled, rounding=0.014), max(r for _, r in scaled), gathered)


def _bodice(look: Look) -> list[tuple[float, float]]:
    """Half widths from the shoulder to below the bust."""
    if look.neckline == "strapless" or look.sleeve == "straps":
        return [(0.16, 0.096), (_ARMPIT_Y, 0.097), (_BUST_Y, 0.099), (0.27, 0.089)]
    if look.neckline == "halter":
        return [(0.06, 0.040), (0.10, 0.043), (0.175, 0.085), (0.20, 0.098), (_BUST_Y, 0.099), (0.27, 0.089)]
    if look.sleeve == "sleeveless":
        return [(0.06, 0.112), (0.11, 0.108), (0.15, 0.093), (0.18, 0.095), (_BUST_Y, 0.100), (0.27, 0.089)]
    loose = 0.008 if look.fit == "loose" else 0.0
    return [
        (0.06, _SHOULDER_X),
        (0.11, _SHOULDER_X),
        (0.17, 0.103 + loose),
        (_BUST_Y, 0.101 + loose),
        (0.27, 0.090 + loose),
    ]


def _shoulder_line(x: float) -> float:
    return 0.074 + max(0.0, x - 0.045) * 0.36


def neck_half_width(look: Look) -> float:
    """Half the opening of the neck where it meets the shoulder line."""
    return {"round": 0.054, "v-neck": 0.052, "square": 0.060, "boat": 0.086, "collar": 0.043, "high": 0.038}.get(
        look.neckline, 0.036
    )


def neck_bottom(look: Look) -> float:
    """y of the lowest point of the front neckline."""
    depth = look.cut[3]
    if look.sleeve == "straps":
        return {"round": 0.197, "v-neck": 0.225, "square": 0.172}[look.neckline] + 0.006 * depth
    return {
        "round": 0.118 + 0.012 * depth,
        "v-neck": 0.196 + 0.016 * depth,
        "square": 0.158 + 0.012 * depth,
        "boat": 0.104 + 0.004 * depth,
        "collar": 0.112,
        "high": 0.062,
        "halter": 0.098,
        "strapless": 0.192,
    }[look.neckline]


def _upper_edge(look: Look) -> Curve:
    """Front upper edge over |x|: the neckline, then the shoulder."""
    bottom, half = neck_bottom(look), neck_half_width(look)
    if look.neckline == "strapless":
        return Curve([(0.0, bottom), (0.02, 0.181), (0.045, 0.170), (0.07, 0.174), (0.095, 0.190), (0.12, 0.20)], 0.008)
    if look.sleeve == "straps":
        outside = [(0.068, 0.148), (0.078, 0.162), (0.098, 0.192), (0.12, 0.20)]
        if look.neckline == "v-neck":
            return Curve([(0.0, bottom), (0.060, 0.146), *outside], 0.004)
        if look.neckline == "square":
            return Curve([(0.0, bottom), (0.052, bottom), (0.060, 0.148), *outside], 0.004)
        return Curve([*_arc(bottom, 0.147, 0.060), *outside], 0.004)
    if look.neckline == "halter":
        return Curve([*_arc(bottom, 0.070, 0.034), (0.05, 0.066), (0.12, 0.066)], 0.003)
    if look.neckline == "high":
        return Curve(
            [
                (0.0, 0.047),
                (0.036, 0.044),
                (0.040, 0.068),
                (0.046, _shoulder_line(0.046)),
                (0.12, _shoulder_line(0.12)),
            ],
            0.004,
        )
    shoulder = [(half + 0.002, _shoulder_line(half)), (0.13, _shoulder_line(0.13))]
    if look.neckline in ("v-neck", "collar"):
        return Curve(
            [(0.0, bottom), (0.6 * half, bottom - 0.62 * (bottom - 0.075)), (half, _shoulder_line(half)), *shoulder],
            0.003,
        )
    if look.neckline == "square":
        return Curve([(0.0, bottom), (half - 0.006, bottom), (half, _shoulder_line(half)), *shoulder], 0.003)
    return Curve([*_arc(bottom, _shoulder_line(half), half), *shoulder], 0.003)


def _arc(bottom: float, top: float, half: float) -> list[tuple[float, float]]:
    """A quarter of an ellipse from the centre's lowest point up to the side."""
    shares = (0.0, 0.2, 0.4, 0.6, 0.75, 0.87, 0.95, 1.0)
    return [(share * half, top + (bottom - top) * (1 - share**2) ** 0.5) for share in shares]


def _back_edge(look: Look) -> Curve | None:
    if look.neckline in ("strapless", "halter") or look.sleeve == "straps":
        return Curve([(0.0, 0.196), (0.06, 0.186), (0.1, 0.19)]) if look.sleeve == "straps" else None
    half = neck_half_width(look)
    if look.neckline == "high":
        return Curve([(0.0, 0.044), (0.04, 0.044)])
    return Curve([(0.0, _shoulder_line(half) + 0.013), (half, _shoulder_line(half) - 0.001), (half + 0.02, 0.2)], 0.006)


def _back_half_width(look: Look) -> float:
    return 0.09 if look.sleeve == "straps" else neck_half_width(look) + 0.002
