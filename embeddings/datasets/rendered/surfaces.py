"""Pieces of cloth as the renderer sees them: where a piece is, how it bends, how its pattern runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embeddings.datasets.rendered.curves import Floats, covered_share


@dataclass(frozen=True, slots=True)
class Plane:
    """The pixels of a view, in the garment's own coordinates.

    x is 0 on the body's centre line and grows to the right; y is 0 at the top of the head space and grows downwards;
    the unit is the height of the body, so that a waist is near y = 0.335 and a floor-length hem near 0.9.

    Args:
        x, y: (height, width) float32.
        pixel: Edge of a pixel in units.
    """

    x: Floats
    y: Floats
    pixel: float

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns of the pixels that may show the given box; empty where none does."""
        inside = (self.x > left) & (self.x < right) & (self.y > top) & (self.y < bottom)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return slice(0, 0), slice(0, 0)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    def part(self, window: tuple[slice, slice]) -> Plane:
        """The same plane, its window alone."""
        return Plane(self.x[window], self.y[window], self.pixel)

    def cover(self, distance: Floats) -> Floats:
        """Share of each pixel that lies inside of an outline, from the distance to it (positive inside)."""
        return covered_share(distance, self.pixel)


@dataclass(frozen=True, slots=True)
class Surface:
    """A piece of cloth on a window of the view. All arrays are (rows, columns) of the window, float32.

    Args:
        window: Rows and columns of the view.
        coverage: Share of each pixel that the piece covers, 0 to 1.
        cloth_x, cloth_y: Coordinates on the cloth, for patterns and weaves.
        slope_x, slope_y: How the surface bends: its normal is (slope_x, slope_y, 1), normalised.
        shadow: Factor for folds, seams and hidden places, 1 in the open.
        stitches: Strength of visible stitching, 0 to 1.
        tone: What the piece is: ``cloth``, ``sleeve``, ``strap`` and ``inside`` are of the garment's cloth;
            ``trim`` (belt, bow), ``button`` and ``metal`` are not.
    """

    window: tuple[slice, slice]
    coverage: Floats
    cloth_x: Floats
    cloth_y: Floats
    slope_x: Floats
    slope_y: Floats
    shadow: Floats
    stitches: Floats
    tone: str = "cloth"
