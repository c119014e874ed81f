"""Outlines of regions on the pictures of a CT protocol."""

from __future__ import annotations

import math

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.qc.pose import Pose, grid_indices
from imgtech.qc.report import Outline


def circle(grid: ImageGrid, center_mm: tuple[float, float], radius_mm: float, label: str) -> Outline:
    """A circle in the image."""
    a = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return _outline(grid, center_mm[0] + radius_mm * np.sin(a), center_mm[1] + radius_mm * np.cos(a), label)


def drawn_circle(
    grid: ImageGrid, pose: Pose, center_mm: tuple[float, float], radius_mm: float, label: str
) -> Outline:
    """A circle around a point of the drawing."""
    y, x = pose.to_image_mm(*center_mm)
    return circle(grid, (float(y), float(x)), radius_mm, label)


def drawn_path(
    grid: ImageGrid, pose: Pose, points_mm: list[tuple[float, float]], label: str, *, closed: bool = True
) -> Outline:
    """A path through points of the drawing."""
    y, x = pose.to_image_mm(*np.transpose(points_mm))
    return _outline(grid, y, x, label, closed=closed)


def _outline(grid: ImageGrid, y: np.ndarray, x: np.ndarray, label: str, *, closed: bool = True) -> Outline:
    rows, columns = grid_indices(grid, y, x)
    points = tuple((float(r), float(c)) for r, c in zip(rows, columns, strict=True))
    return Outline(points=points, label=label, closed=closed)
