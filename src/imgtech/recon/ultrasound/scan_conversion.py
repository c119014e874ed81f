"""From a sector of ranges and angles to square pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from imgtech._core.validate import FloatArray, finite, of_kind, real_image
from imgtech.geometry import ImageGrid, PolarGrid

_TIE = 1e-9  # pixels: rounding must not decide at the edge of the sector


def scan_convert(
    image: npt.ArrayLike, sector: PolarGrid, grid: ImageGrid, *, outside: float = 0.0
) -> FloatArray:
    r"""Interpolate an image on a sector at the pixels of a Cartesian grid.

    A pixel at (z, x) takes the value at range :math:`\sqrt{(z - z_0)^2 + (x - x_0)^2}` and angle
    :math:`\arctan((x - x_0) / (z - z_0))`, linearly between its four neighbours. Convert envelopes or
    decibels, not RF: between two lines phases do not interpolate.

    Parameters
    ----------
    image : array_like
        Real values ``(range, angle)`` or ``(range, angle, frame)`` on ``sector``.
    sector : PolarGrid
        Where they are.
    grid : ImageGrid
        Pixels ``(z, x)`` wanted.
    outside : float, optional
        Value of pixels that lie outside the sector.

    Returns
    -------
    numpy.ndarray
        Values ``(z, x)`` or ``(z, x, frame)``, float32 (float64 for float64 input).

    Raises
    ------
    ValueError
        If the image does not fit the sector, a value is not finite or the grid has not two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, PolarGrid
    >>> from imgtech.recon.ultrasound import scan_convert
    >>> sector = PolarGrid(shape=(9, 9), range_spacing_mm=1, angle_spacing_rad=0.1, range_center_mm=9)
    >>> grid = ImageGrid(shape=(1, 3), spacing_mm=(1, 6), center_mm=(8.0, 0.0))
    >>> ranges = np.repeat(sector.ranges_mm[:, None], 9, axis=1)
    >>> scan_convert(ranges, sector, grid, outside=-1.0).round(6).tolist()
    [[-1.0, 8.0, -1.0]]
    """
    values = real_image("image", image, (2, 3))
    of_kind("sector", sector, PolarGrid)
    of_kind("grid", grid, ImageGrid)
    if values.shape[:2] != sector.shape:
        raise ValueError(f"image must have shape {sector.shape} as its sector, got shape {values.shape}")
    if grid.ndim != 2:
        raise ValueError(f"grid must have two axes (z, x), got shape {grid.shape}")
    fill = finite("outside", outside)
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    down, across = z - sector.apex_mm[0], x - sector.apex_mm[1]
    row = (np.hypot(down, across) - sector.ranges_mm[0]) / sector.range_spacing_mm
    column = (np.arctan2(across, down) - sector.angles_rad[0]) / sector.angle_spacing_rad
    last = np.array(sector.shape) - 1
    inside = (row >= -_TIE) & (row <= last[0] + _TIE) & (column >= -_TIE) & (column <= last[1] + _TIE)
    places = np.stack([row.clip(0, last[0]), column.clip(0, last[1])])
    frames = values[..., None] if values.ndim == 2 else values
    out = np.empty((*grid.shape, frames.shape[2]), dtype=values.dtype)
    for k in range(frames.shape[2]):
        out[..., k] = np.where(inside, map_coordinates(frames[..., k], places, order=1), fill)
    return out[..., 0] if values.ndim == 2 else out
