"""Outlines on the pictures of flat phantoms, from millimetres to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.qc.pose import grid_indices
from imgtech.qc.report import Outline


def path(
    grid: ImageGrid, points_mm: Sequence[tuple[float, float]], label: str = "", *, closed: bool = True
) -> Outline:
    """A path through points ``(y, x)``."""
    y, x = np.transpose(np.asarray(points_mm, dtype=np.float64))
    return _outline(grid, y, x, label, closed=closed)


def ring(grid: ImageGrid, center_mm: tuple[float, float], radius_mm: float, label: str = "") -> Outline:
    """A circle."""
    a = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    return _outline(
        grid, center_mm[0] + radius_mm * np.sin(a), center_mm[1] + radius_mm * np.cos(a), label, closed=True
    )


def _outline(
    grid: ImageGrid, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], label: str, *, closed: bool
) -> Outline:
    rows, columns = grid_indices(grid, y, x)
    points = tuple((float(r), float(c)) for r, c in zip(rows, columns, strict=True))
    return Outline(points=points, label=label, closed=closed)
