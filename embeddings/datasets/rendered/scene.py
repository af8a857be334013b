"""What surrounds a garment in a photo: the camera, the light, the ground it hangs before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from embeddings.datasets.rendered.curves import Floats, smoothstep
from embeddings.datasets.rendered.fabrics import Light
from embeddings.datasets.rendered.noise import smooth_tile
from embeddings.datasets.rendered.surfaces import Plane
from embeddings.datasets.rendered.tailoring import Extent
from embeddings.datasets.rendered.tiling import sample_tile

BACKGROUNDS = ("plain", "gradient", "studio", "plaster")
_GROUNDS = ((250, 250, 249), (244, 243, 240), (232, 232, 234), (238, 232, 224), (226, 231, 234), (236, 226, 224),
            (214, 216, 214), (225, 230, 220), (198, 202, 208))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shot:
    """How one view is taken.

    Args:
        scale: Size of the garment against the standard framing.
        shift_x, shift_y: Offset in the frame, in shares of its edges.
        rotation: Radians, clockwise.
        turn: Shrinks the width, as if the garment were turned a little: 1 is frontal.
        sway: Sideways bend of the garment over its height.
        exposure: Factor on all samples.
        white_balance: Factors on red, green and blue.
        background: One of ``BACKGROUNDS``.
        ground: Colour of the background.
        seed: Seeds its texture and the sensor's noise.
    """

    scale: float
    shift_x: float
    shift_y: float
    rotation: float
    turn: float
    sway: float
    exposure: float
    white_balance: tuple[float, float, float]
    light: Light
    background: str
    ground: tuple[int, int, int]
    seed: int


def take_shot(seed: int, view: int) -> Shot:
    """The shot of a view: view 0 is the shop's packshot, all others are free-hand."""
    random = np.random.default_rng([seed, view, 77])
    side = float(random.choice([-1.0, 1.0]))
    if view == 0:
        return Shot(
            scale=1.0, shift_x=0.0, shift_y=0.0, rotation=0.0, turn=1.0, sway=0.0, exposure=1.0,
            white_balance=(1.0, 1.0, 1.0), light=_light(-0.36, -0.42, 0.3), background="studio",
            ground=_GROUNDS[int(random.integers(3))], seed=int(random.integers(2**31)),
        )  # fmt: skip
    warmth = random.normal(0, 0.022)
    return Shot(
        scale=float(random.uniform(0.82, 1.06)),
        shift_x=float(random.uniform(-0.05, 0.05)),
        shift_y=float(random.uniform(-0.035, 0.035)),
        rotation=float(random.normal(0, 0.055)),
        turn=float(random.uniform(0.88, 1.0)),
        sway=float(random.normal(0, 0.05)),
        exposure=float(random.uniform(0.84, 1.10)),
        white_balance=(1 + warmth, 1 + random.normal(0, 0.008), 1 - warmth),
        light=_light(side * random.uniform(0.15, 0.6), random.uniform(-0.6, -0.15), random.uniform(0.1, 1.0)),
        background=str(random.choice(BACKGROUNDS)),
        ground=_GROUNDS[int(random.integers(len(_GROUNDS)))],
        seed=int(random.integers(2**31)),
    )


def _light(x: float, y: float, hardness: float) -> Light:
    z = max(0.2, 1 - x * x - y * y) ** 0.5
    return Light(float(x), float(y), float(z), float(hardness))


def frame_plane(extent: Extent, shot: Shot, width: int, height: int) -> Plane:
    """The garment's coordinates at every pixel of a (height, width) frame."""
    garment_height = extent.bottom - extent.top
    # A short garment fills less of the frame than a long one, though more than true scale would give it.
    fill = 0.90 * (garment_height / 0.84) ** 0.27
    units_high = max(garment_height / fill, 2 * extent.half_width / 0.88 * height / width) / shot.scale
    pixel = units_high / height
    columns = ((np.arange(width, dtype=np.float32) + 0.5) - width * (0.5 + shot.shift_x)) * np.float32(pixel)
    rows = ((np.arange(height, dtype=np.float32) + 0.5) - height * (0.5 + shot.shift_y)) * np.float32(pixel)
    cosine, sine = np.float32(np.cos(shot.rotation)), np.float32(np.sin(shot.rotation))
    x = columns[None, :] * cosine + rows[:, None] * sine
    y = rows[:, None] * cosine - columns[None, :] * sine
    center = (extent.top + extent.bottom) / 2
    x = x / np.float32(shot.turn) + np.float32(shot.sway) * y * y
    return Plane(x, y + np.float32(center), pixel)


def light_background(shot: Shot, width: int, height: int) -> Floats:
    """How bright the ground is at every pixel, (height, width) float32, about 1."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    if shot.background == "plain":
        shade: Floats = np.ones((height, width), dtype=np.float32)
    elif shot.background == "gradient":
        shade = 1.02 - 0.20 * rows * np.ones_like(columns) - 0.05 * columns
    elif shot.background == "studio":
        glow = np.hypot((columns - 0.5) * 0.8, rows - 0.42)
        floor = smoothstep(0.86, 0.95, rows)
        shade = 1.02 - 0.16 * glow * glow - 0.045 * floor + 0.03 * floor * rows
    else:
        offset = np.float32((shot.seed % 1000) / 1000)
        aspect = np.float32(height / width)
        rough = sample_tile(smooth_tile(51, 64), columns * 0.8 + offset, rows * aspect * 0.6)
        broad = sample_tile(smooth_tile(52, 8), columns * 0.5 + offset, rows * aspect * 0.4)
        shade = 0.96 + 0.022 * rough + 0.045 * broad
    return shade


def cast_shadow(coverage: Floats, shot: Shot) -> Floats:
    """Darkness of the garment's soft shadow on the wall behind it, (height, width) float32 in 0 to 1."""
    height, width = coverage.shape
    small = Image.fromarray((coverage * 255).astype(np.uint8)).resize(
        (max(1, width // 4), max(1, height // 4)), Image.Resampling.BOX
    )
    radius = small.height * 0.018
    near = small.filter(ImageFilter.GaussianBlur(radius))
    wide = small.filter(ImageFilter.GaussianBlur(radius * 2.6))
    drift_x, drift_y = -shot.light.x * small.height * 0.035, -shot.light.y * small.height * 0.03
    moved = near.transform(small.size, Image.Transform.AFFINE, (1, 0, -drift_x, 0, 1, -drift_y))
    both = (
        np.asarray(moved, dtype=np.float32) * (0.16 + 0.12 * shot.light.hardness)
        + np.asarray(wide, dtype=np.float32) * 0.14
    )
    large = Image.fromarray(both).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(large, dtype=np.float32) / 255
