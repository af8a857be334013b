"""Features of many images in a file, read a few rows at a time, so that memory does not grow with the gallery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
Positions: TypeAlias = NDArray[np.intp]

_BLOCK_ELEMENTS = 2**22
_MOST_ROWS = 1024


class FeatureRows(Protocol):
    """One feature of n images: an array (n, size) float32, or what reads like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, size)."""

    def __getitem__(self, rows: slice | Positions, /) -> FloatArray:
        """(len(rows), size) float32."""


class FeatureFile:
    """Rows in a file of their own, appended once and then read in any order. What is read is a copy in memory.

    Args:
        path: Made by the first ``append``; what was there is replaced.
        size: Components of a row, at least 1.
        half_precision: Keep float16: half the space, and rounding at the fourth digit.
    """

    def __init__(self, path: Path, size: int, *, half_precision: bool = False) -> None:
        if size < 1:
            raise ValueError(f"a row needs at least one component, received {size}")
        self._path = path
        self._size = size
        self._dtype: type[np.float16 | np.float32] = np.float16 if half_precision else np.float32
        self._num_rows = 0
        path.write_bytes(b"")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows appended so far, size)."""
        return self._num_rows, self._size

    @property
    def largest(self) -> float:
        """The largest magnitude that can be kept."""
        return float(np.finfo(self._dtype).max)

    def append(self, rows: FloatArray) -> None:
        """Add rows (m, size) after those that are there.

        Raises:
            ValueError: the rows have another size, or hold NaN, infinity, or (for float16) what does not fit.
        """
        if rows.ndim != 2 or rows.shape[1] != self._size:
            raise ValueError(f"expected rows of shape (m, {self._size}), received {rows.shape}")
        if not np.isfinite(rows).all() or np.abs(rows).max(initial=0) > self.largest:
            raise ValueError(f"features must be finite numbers within {self._dtype.__name__}")
        with self._path.open("ab") as file:
            rows.astype(self._dtype).tofile(file)
        self._num_rows += len(rows)

    def __getitem__(self, rows: slice | Positions, /) -> FloatArray:
        if not self._num_rows:
            return np.zeros((0, self._size), dtype=np.float32)
        # Mapped anew for every read: pages of a mapping that stays open would count as this process's memory.
        stored = np.memmap(self._path, dtype=self._dtype, mode="r", shape=self.shape)
        return np.array(stored[rows], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """Some rows of another feature, in an order of their own, not copied.

    Args:
        positions: (m,) which row stands where; one may stand in several places.
    """

    rows: FeatureRows
    positions: Positions

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.positions), self.rows.shape[1]

    def __getitem__(self, rows: slice | Positions, /) -> FloatArray:
        return self.rows[self.positions[rows]]


def block_rows(size: int) -> int:
    """How many rows of a feature make a block: at most 16 MiB of float32, and at most 1024 rows."""
    return min(_MOST_ROWS, max(1, _BLOCK_ELEMENTS // size))


def blocks(num_rows: int, rows_per_block: int) -> Iterator[slice]:
    """Slices that cover the rows in order.

    >>> list(blocks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, num_rows, rows_per_block):
        yield slice(start, min(start + rows_per_block, num_rows))
