"""Fan and cone projection and their adjoints: from a beam and a grid to the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from imgtech._core.validate import FloatArray
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid
from imgtech.recon.ct._kernels_rays import (
    adjoint_cone,
    adjoint_fan,
    integrate_volume,
    project_cone,
    project_fan,
)
from imgtech.recon.ct._segments import Segments, edges, segments, source_positions

_BLOCK_BYTES = 24 * 2**20  # edges of the detector elements of a block of views


def check_rays(beam: FanBeam | ConeBeam, grid: ImageGrid) -> None:
    """Raise an error if the source comes into the circle around the grid, or rows overlap."""
    assert grid.center_mm is not None
    y_mm, x_mm = (abs(c) + f / 2 for c, f in zip(grid.center_mm[-2:], grid.fov_mm[-2:], strict=True))
    corner_mm, nearest_mm = float(np.hypot(y_mm, x_mm)), float(np.min(np.hypot(*source_positions(beam))))
    if corner_mm >= nearest_mm:
        raise ValueError(
            f"grid must lie inside the circle of the source of radius {nearest_mm:.6g} mm, "
            f"got a corner at {corner_mm:.6g} mm from the axis"
        )
    if isinstance(beam, ConeBeam) and beam.row_height_mm > beam.row_spacing_mm:  # type: ignore[operator]
        raise ValueError(
            f"row_height_mm must not be above row_spacing_mm {beam.row_spacing_mm}, got {beam.row_height_mm}"
        )


def fan_forward(image: FloatArray, beam: FanBeam, grid: ImageGrid) -> FloatArray:
    """Project an image."""
    sinogram = np.empty(beam.shape, image.dtype)
    rays = segments(beam, grid)
    project_fan.sized(rays.slope.size * max(grid.shape))(
        image, np.ascontiguousarray(image.T), *_in_plane(rays), sinogram
    )
    return sinogram


def fan_adjoint(sinogram: FloatArray, beam: FanBeam, grid: ImageGrid) -> FloatArray:
    """Apply the adjoint of :func:`fan_forward`."""
    rays = segments(beam, grid)
    upright = np.empty(grid.shape, sinogram.dtype)
    lying = np.empty(grid.shape[::-1], sinogram.dtype)
    adjoint_fan.sized(rays.slope.size * max(grid.shape))(sinogram, *_in_plane(rays), upright, lying)
    upright += lying.T
    return upright


def cone_forward(volume: FloatArray, beam: ConeBeam, grid: ImageGrid) -> FloatArray:
    """Project a volume."""
    columns = np.empty((*grid.shape[1:], grid.shape[0] + 1))
    integrate_volume.sized(volume.size)(volume, columns)
    projections = np.empty(beam.shape, volume.dtype)
    for views, some in _blocks(beam):
        rays = segments(some, grid)
        work = rays.slope.size * max(grid.shape) * some.n_rows
        project_cone.sized(work)(columns, *_in_plane(rays), *_in_z(some, grid, rays), projections[views])
    return projections


def cone_adjoint(projections: FloatArray, beam: ConeBeam, grid: ImageGrid) -> FloatArray:
    """Apply the adjoint of :func:`cone_forward`."""
    columns = np.zeros((*grid.shape[1:], grid.shape[0]))
    for views, some in _blocks(beam):
        rays = segments(some, grid)
        work = rays.slope.size * max(grid.shape) * some.n_rows
        adjoint_cone.sized(work)(projections[views], *_in_plane(rays), *_in_z(some, grid, rays), columns)
    return np.ascontiguousarray(np.moveaxis(columns, 2, 0), dtype=projections.dtype)


def _in_plane(rays: Segments) -> tuple[Any, ...]:
    return (
        rays.n_by_y,
        rays.view,
        rays.first,
        rays.count,
        rays.along,
        rays.across,
        rays.slope,
        rays.step,
        rays.way_mm,
        rays.touching,
    )


def _in_z(beam: ConeBeam, grid: ImageGrid, rays: Segments) -> tuple[Any, ...]:
    z_mm, d_z = float(grid.coordinates_mm[0][0]), grid.spacing_mm[0]
    shift_mm = np.asarray(beam.focal_shift_mm)[rays.view, 0]
    source_mm = np.asarray(beam.source_z_mm)[rays.view] + shift_mm
    edges_mm, touching = edges(beam.rows_mm, beam.row_spacing_mm, beam.row_height_mm)
    rise = (edges_mm - shift_mm[:, None]) / d_z
    return (source_mm - z_mm) / d_z + 0.5, rise, beam.rows_mm - shift_mm[:, None], touching


def _blocks(beam: ConeBeam) -> Iterator[tuple[slice, ConeBeam]]:
    size = max(4, int(_BLOCK_BYTES / (8 * beam.n_channels * (beam.n_rows + 1))))
    for begin in range(0, beam.n_views, size):
        views = slice(begin, begin + size)
        yield views, beam.views(views)
