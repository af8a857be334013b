"""The look of one garment: its attributes, and the numbers that set it apart from others of the same attributes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embeddings.datasets.rendered import vocabulary as words
from embeddings.datasets.rendered.vocabulary import Rgb


@dataclass(frozen=True, slots=True)
class Look:
    """Everything a garment's drawing depends on. Groups a kind of garment does not have are empty strings.

    Args:
        kind: ``dress``, ``top``, ``skirt`` or ``trousers``.
        color, accent: Names of the cloth's colour and of its pattern's second colour ("" for a plain cloth).
        color_rgb, accent_rgb: The item's own shades of them.
        belt_rgb: Colour of belt and bow.
        stripes: Direction, for a striped cloth.
        fit: Of tops and trousers; ``silhouette`` is that of dresses and skirts.
        pattern_scale: Size of the pattern, 0 (fine) to 1 (coarse).
        pattern_shift: Offset of the pattern on the cloth, in units of its period, two numbers in [0, 1).
        pattern_balance: Share of the accent in stripes, checks and dots, 0 to 1.
        cut: Five deviations in [-1, 1] from the standard cut: waist, flare, length, neck depth, sleeve width.
        texture_seed: Seeds what is random in the cloth: folds, flowers, spots.
    """

    kind: str
    color: str
    accent: str
    pattern: str
    stripes: str
    fabric: str
    neckline: str
    sleeve: str
    length: str
    silhouette: str
    fit: str
    details: tuple[str, ...]
    color_rgb: Rgb
    accent_rgb: Rgb
    belt_rgb: Rgb
    pattern_scale: float
    pattern_shift: tuple[float, float]
    pattern_balance: float
    cut: tuple[float, float, float, float, float]
    texture_seed: int

    @property
    def attributes(self) -> tuple[str, ...]:
        """The look's attributes in normal form, sorted."""
        groups = (
            "color",
            "accent",
            "pattern",
            "stripes",
            "fabric",
            "neckline",
            "sleeve",
            "length",
            "silhouette",
            "fit",
        )
        single = [f"{group}={getattr(self, group)}" for group in groups if getattr(self, group)]
        return tuple(sorted(single + [f"detail={detail}" for detail in self.details]))


def draw_look(random: np.random.Generator) -> Look:
    """A random look whose parts go together."""
    kind = _pick(random, tuple(words.CATEGORY_SHARES), tuple(words.CATEGORY_SHARES.values()))
    fabric = _pick(random, words.FABRICS, (0.36, 0.13, 0.13, 0.10, 0.13, 0.08, 0.07))
    pattern = "plain" if fabric in words.UNPRINTED_FABRICS else _draw_pattern(random, fabric)
    color = _pick(random, words.DENIM_COLORS if fabric == "denim" else tuple(words.COLORS))
    accent = "" if pattern == "plain" else _draw_accent(random, color)
    neckline, sleeve = _draw_top_half(random, kind)
    silhouette = _draw_silhouette(random, kind)
    length = _draw_length(random, kind, silhouette)
    color_rgb = _shade(random, words.COLORS[color])
    accent_rgb = _shade(random, words.COLORS[accent]) if accent else color_rgb
    shift = random.random(2)
    stripes = _pick(random, words.STRIPES, (0.45, 0.3, 0.25)) if pattern == "striped" else ""
    fit = _draw_fit(random, kind)
    details = _draw_details(random, kind, neckline, silhouette, length)
    belt_rgb = _draw_belt_color(random, color, accent)
    scale, balance = random.random(2)
    cut = random.uniform(-1, 1, 5)
    return Look(
        kind=kind,
        color=color,
        accent=accent,
        pattern=pattern,
        stripes=stripes,
        fabric=fabric,
        neckline=neckline,
        sleeve=sleeve,
        length=length,
        silhouette=silhouette,
        fit=fit,
        details=details,
        color_rgb=color_rgb,
        accent_rgb=accent_rgb,
        belt_rgb=belt_rgb,
        pattern_scale=float(scale),
        pattern_shift=(float(shift[0]), float(shift[1])),
        pattern_balance=float(balance),
        cut=(float(cut[0]), float(cut[1]), float(cut[2]), float(cut[3]), float(cut[4])),
        texture_seed=int(random.integers(2**31)),
    )


def _pick(random: np.random.Generator, options: Sequence[str], shares: Sequence[float] | None = None) -> str:
    return str(options[random.choice(len(options), p=shares)])


def _draw_pattern(random: np.random.Generator, fabric: str) -> str:
    if fabric == "knit":
        return _pick(random, ("plain", "striped", "zigzag", "color-block"), (0.45, 0.3, 0.13, 0.12))
    return _pick(random, words.PATTERNS, (0.22, 0.17, 0.13, 0.12, 0.14, 0.07, 0.06, 0.09))


def _draw_accent(random: np.random.Generator, color: str) -> str:
    """A second colour that shows: at least as far from the first as white is from light blue."""
    first = np.array(words.COLORS[color], dtype=float)
    clear = [name for name, rgb in words.COLORS.items() if np.linalg.norm(first - np.array(rgb)) > 130]
    # White and black are what most prints are set on or drawn with.
    weights = np.array([4.0 if name in ("white", "black") else 1.0 for name in clear])
    return _pick(random, clear, tuple(weights / weights.sum()))


def _draw_top_half(random: np.random.Generator, kind: str) -> tuple[str, str]:
    if kind == "dress":
        neckline = _pick(random, words.DRESS_NECKLINES)
        if neckline in words.BARE_NECKLINES:
            return neckline, "sleeveless"
        options = [s for s in words.SLEEVES if s != "straps" or neckline in words.NECKLINES_WITH_STRAPS]
        return neckline, _pick(random, options)
    if kind == "top":
        return _pick(random, words.TOP_NECKLINES), _pick(random, words.TOP_SLEEVES)
    return "", ""


def _draw_silhouette(random: np.random.Generator, kind: str) -> str:
    if kind == "dress":
        return _pick(random, words.DRESS_SILHOUETTES)
    return _pick(random, words.SKIRT_SILHOUETTES) if kind == "skirt" else ""


def _draw_length(random: np.random.Generator, kind: str, silhouette: str) -> str:
    if kind == "dress":
        return _pick(random, ("midi", "maxi") if silhouette == "mermaid" else words.DRESS_LENGTHS)
    if kind == "skirt":
        return _pick(random, words.SKIRT_LENGTHS)
    return _pick(random, words.TROUSER_LENGTHS) if kind == "trousers" else ""


def _draw_fit(random: np.random.Generator, kind: str) -> str:
    if kind == "top":
        return _pick(random, words.TOP_FITS)
    return _pick(random, words.TROUSER_FITS) if kind == "trousers" else ""


def _draw_details(
    random: np.random.Generator, kind: str, neckline: str, silhouette: str, length: str
) -> tuple[str, ...]:
    """Details that are seen on this cut, each by its own chance, at most two."""
    chances: dict[str, float] = {}
    if kind in ("dress", "skirt"):
        chances = {"belt": 0.16, "pockets": 0.14, "ruffle hem": 0.14, "slit": 0.25 if length in ("midi", "maxi") else 0}
        if silhouette in ("mermaid", "pencil", "sheath"):
            chances["pockets"] = 0
        if silhouette == "pleated":
            chances = {"belt": 0.25}
        if silhouette == "shift":
            chances["belt"] = 0
    if kind == "dress":
        chances["bow"] = 0.1
    if kind in ("dress", "top") and neckline not in words.BARE_NECKLINES and neckline != "high":
        chances["buttons"] = 0.8 if neckline == "collar" else 0.12
    if kind == "trousers":
        chances = {"belt": 0.4, "pockets": 0.4}
    found = [detail for detail in words.DETAILS if random.random() < chances.get(detail, 0)]
    if "belt" in found and "bow" in found:
        found.remove("bow")
    if "slit" in found and "ruffle hem" in found:
        found.remove("ruffle hem")
    return tuple(sorted(found[:2]))


def _draw_belt_color(random: np.random.Generator, color: str, accent: str) -> Rgb:
    """Leather brown, black, or the accent: whichever is drawn first and stands out from the cloth."""
    cloth = np.array(words.COLORS[color], dtype=float)
    options = [words.COLORS[accent]] if accent else []
    options += [words.COLORS["brown"], words.COLORS["black"], words.COLORS["beige"], words.COLORS["white"]]
    order = random.permutation(len(options))
    clear: list[Rgb] = [options[i] for i in order if np.linalg.norm(cloth - np.array(options[i])) > 110]
    return clear[0]


def _shade(random: np.random.Generator, rgb: Rgb) -> Rgb:
    """The item's own shade of a named colour: a little off in hue, saturation and lightness."""
    hue, lightness, saturation = colorsys.rgb_to_hls(rgb[0] / 255, rgb[1] / 255, rgb[2] / 255)
    hue += random.uniform(-0.012, 0.012)
    lightness = min(0.97, max(0.1, lightness * random.uniform(0.93, 1.07)))
    saturation = min(1.0, saturation * random.uniform(0.88, 1.06))
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
