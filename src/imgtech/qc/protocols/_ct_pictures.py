"""Outlines of regions on the pictures of a CT protocol."""

from __future__ import annotations

import math

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.qc.pose import Pose, grid_indices
from imgtech.qc.protocols._ct_scan import CTScan, Indices
from imgtech.qc.protocols._ct_uniform import SIDES, UniformField, edge_place, uniform_slices
from imgtech.qc.report import Outline, Picture


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


def uniform_outlines(scan: CTScan, field: UniformField) -> list[Outline]:
    """Regions of a uniform module."""
    indices = uniform_slices(scan, field)
    center = scan.place(indices, (0.0, 0.0))
    sides = [circle(scan.grid, edge_place(scan, indices, field, s), field.roi_mm, s) for s in SIDES]
    return [
        circle(scan.grid, center, field.roi_mm, "centre"),
        circle(scan.grid, center, field.noise_mm, "noise"),
        *sides,
    ]


def slices_picture(
    scan: CTScan, indices: Indices, name: str, outlines: list[Outline], window: tuple[float, float]
) -> Picture:
    """The mean of slices with its regions."""
    first, last = int(indices.min()) + 1, int(indices.max()) + 1
    which = f"image {first}" if first == last else f"mean of {len(indices)} of images {first} to {last}"
    return Picture(
        title=f"{name}, {which}",
        pixels=scan.image(indices).astype(np.float32),
        outlines=tuple(outlines),
        window=window,
    )


def _outline(grid: ImageGrid, y: np.ndarray, x: np.ndarray, label: str, *, closed: bool = True) -> Outline:
    rows, columns = grid_indices(grid, y, x)
    points = tuple((float(r), float(c)) for r, c in zip(rows, columns, strict=True))
    return Outline(points=points, label=label, closed=closed)
