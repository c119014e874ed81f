"""Line integrals of an image along the rays of a parallel or fan beam."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from imgtech._core.validate import FloatArray
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct.projector import Projector

_WRAPPED = 8  # views repeated at either end of half a turn, for the spline


def project(image: npt.NDArray[Any], beam: ParallelBeam | FanBeam, grid: ImageGrid) -> FloatArray:
    """Sinogram ``(view, channel)`` of an image; a fan reads a dense parallel sinogram at its rays."""
    if isinstance(beam, ParallelBeam):
        return Projector(beam, grid).forward(image)
    gamma = beam.fan_angles_rad(beam.channels_mm)
    reach = int(np.ceil(np.abs(beam.ray_positions_mm).max() / beam.axis_spacing_mm)) + 4
    n_views = max(beam.n_views // 2, 2 * reach)
    dense = ParallelBeam.half_turn(
        n_views=n_views, n_channels=2 * reach + 1, channel_spacing_mm=beam.axis_spacing_mm
    )
    half = Projector(dense, grid).forward(image)
    wrapped = np.concatenate([half[-_WRAPPED:, ::-1], half, half[:_WRAPPED, ::-1]])
    theta = beam.angles_rad[:, None] - gamma
    turns = np.floor(theta / np.pi)
    mirror = np.where(turns % 2 == 0, 1.0, -1.0)
    rows = (theta - turns * np.pi) * (n_views / np.pi) + _WRAPPED
    columns = mirror * beam.ray_positions_mm / beam.axis_spacing_mm + reach
    found = map_coordinates(wrapped, [rows, columns], order=3, mode="nearest")
    return np.asarray(found, dtype=half.dtype)
