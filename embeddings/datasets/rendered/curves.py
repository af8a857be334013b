"""Smooth curves as tables: outlines of garments are looked up per pixel, thousands of times, so they are made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Always float32 in fact; NumPy's types do not know that a float32 array times a Python float stays one.
Floats = NDArray[np.floating[Any]]

_LOW, _HIGH, _SAMPLES = -0.2, 1.2, 2800


class Curve:
    """A smooth function of one coordinate through the neighbourhood of given points.

    Straight lines between the points, rounded by a moving average; constant beyond the ends. Corners are rounded over
    twice the ``rounding``, so a curve passes a little inside of its corner points.

    Args:
        points: (position, value) pairs, positions increasing, within [-0.2, 1.2].
        rounding: Width of the moving average, in units of the position.
    """

    __slots__ = ("_shrink", "_values")

    def __init__(self, points: Sequence[tuple[float, float]], rounding: float = 0.02) -> None:
        step = (_HIGH - _LOW) / _SAMPLES
        positions, values = np.array(points, dtype=np.float64).T
        table = np.interp(_LOW + step * np.arange(_SAMPLES), positions, values)
        width = 2 * int(rounding / step / 2) + 1
        for _ in range(2):
            padded = np.pad(table, width // 2, mode="edge")
            sums = np.cumsum(np.concatenate([[0.0], padded]))
            table = (sums[width:] - sums[:-width]) / width
        self._values = table.astype(np.float32)
        # How much shorter the curve's shadow on the axis is: a vertical difference times this is a distance.
        self._shrink = (1 / np.hypot(1.0, np.gradient(table, step))).astype(np.float32)

    def __call__(self, position: Floats) -> Floats:
        """The curve's value at every position."""
        found: Floats = self._values[self._index(position)]
        return found

    def at(self, position: float) -> float:
        """The curve's value at one position."""
        return float(self(np.array([position], dtype=np.float32))[0])

    def distance(self, position: Floats, value: Floats) -> Floats:
        """About how far above the curve each point lies, negative below: (value − curve) / √(1 + slope²)."""
        index = self._index(position)
        apart: Floats = (value - self._values[index]) * self._shrink[index]
        return apart

    @staticmethod
    def _index(position: Floats) -> NDArray[np.int32]:
        scaled = (position - np.float32(_LOW)) * np.float32(_SAMPLES / (_HIGH - _LOW))
        index: NDArray[np.int32] = np.clip(scaled, 0, _SAMPLES - 1).astype(np.int32)
        return index


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, a smooth rise between."""
    t: Floats = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def line(distance: Floats, width: float) -> Floats:
    """A soft line, 1 where the distance is 0, falling to 0 at ``width``."""
    strength: Floats = np.maximum(1 - np.abs(distance) * np.float32(1 / width), 0.0)
    return strength


def covered_share(distance: Floats, pixel: float) -> Floats:
    """Share of each pixel that lies inside of an outline, from its centre's distance to it (positive inside)."""
    share: Floats = np.clip(distance * np.float32(1 / pixel) + np.float32(0.5), 0.0, 1.0)
    return share


def fifth_power(value: Floats) -> Floats:
    """value⁵, by products: NumPy's power takes twenty times as long."""
    square = value * value
    return square * square * value
