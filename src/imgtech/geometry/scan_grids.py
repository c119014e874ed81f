"""Grids of ultrasound images that are not Cartesian: sectors and scan lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, not_negative, positive, two
from imgtech.geometry._points import set_rays
from imgtech.geometry.grid import ImageGrid, sample_positions


@dataclass(frozen=True, kw_only=True)
class PolarGrid:
    r"""A sector in the (x, z) plane: ranges from an apex along evenly spaced angles.

    Pixel (i, j) lies at :math:`z = z_0 + r_i \cos\theta_j`, :math:`x = x_0 + r_i \sin\theta_j`. Ranges and
    angles follow the formula of every grid, ``center + (i - (n - 1) / 2) * spacing``.

    Parameters
    ----------
    shape : tuple of int
        Number of ranges and of angles.
    range_spacing_mm, angle_spacing_rad : float
        Distance between neighbours.
    range_center_mm : float
        Middle of the ranges; all must be at least 0.
    angle_center_rad : float, optional
        Middle of the angles, positive towards positive x.
    apex_mm : tuple of float, optional
        The point ``(z, x)`` where all lines meet; for a convex probe ``(-radius_mm, center_mm)``.

    Raises
    ------
    ValueError
        If a size or spacing is not positive, a number is not finite or a range is negative.

    Examples
    --------
    >>> from imgtech.geometry import PolarGrid
    >>> sector = PolarGrid(
    ...     shape=(3, 2),
    ...     range_spacing_mm=1.0,
    ...     angle_spacing_rad=0.4,
    ...     range_center_mm=50.0,
    ...     apex_mm=(-40.0, 0.0),
    ... )
    >>> sector.ranges_mm.tolist(), sector.points_mm[1, 1].round(2).tolist()
    ([49.0, 50.0, 51.0], [9.0, 0.0, 9.93])
    """

    shape: tuple[int, int]
    range_spacing_mm: float
    angle_spacing_rad: float
    range_center_mm: float
    angle_center_rad: float = 0.0
    apex_mm: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        shape = two("shape", self.shape, "(range, angle)")
        apex = two("apex_mm", self.apex_mm, "(z, x)")
        object.__setattr__(self, "shape", tuple(count("shape", n) for n in shape))
        object.__setattr__(self, "apex_mm", tuple(finite("apex_mm", a) for a in apex))
        for name in ("range_spacing_mm", "angle_spacing_rad"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("range_center_mm", "angle_center_rad"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))
        not_negative("the first range of the grid", float(self.ranges_mm[0]))

    @property
    def ranges_mm(self) -> npt.NDArray[np.float64]:
        """Distances from the apex."""
        return sample_positions(self.shape[0], self.range_spacing_mm, self.range_center_mm)

    @property
    def angles_rad(self) -> npt.NDArray[np.float64]:
        """Angles from the z axis."""
        return sample_positions(self.shape[1], self.angle_spacing_rad, self.angle_center_rad)

    @property
    def points_mm(self) -> npt.NDArray[np.float64]:
        """Places of the pixels ``(range, angle, 3)`` as ``(z, y, x)``."""
        r, angle = np.meshgrid(self.ranges_mm, self.angles_rad, indexing="ij")
        z0, x0 = self.apex_mm
        return np.stack([z0 + r * np.cos(angle), np.zeros(r.shape), x0 + r * np.sin(angle)], axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanLines(ArrayValue):
    """Samples along straight lines, each with an origin and a direction of its own.

    Parameters
    ----------
    origins_mm : array_like of float
        Where the lines start, ``(n_lines, 2)`` as ``(z, x)`` or ``(n_lines, 3)`` as ``(z, y, x)``.
    directions : array_like of float
        Along which they run, of the same shape; scaled to length 1.
    n_samples : int
        Samples of each line.
    spacing_mm : float
        Distance between neighbouring samples.
    first_mm : float, optional
        Distance of the first sample from the origin of its line.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or not positive, or a direction is zero.

    Examples
    --------
    >>> from imgtech.geometry import ScanLines
    >>> lines = ScanLines(
    ...     origins_mm=[[0, -1], [0, 1]],
    ...     directions=[[3, -4], [3, 4]],
    ...     n_samples=3,
    ...     spacing_mm=1.0,
    ...     first_mm=5.0,
    ... )
    >>> lines.points_mm[0, 1].tolist()
    [3.0, 0.0, 5.0]
    """

    origins_mm: npt.NDArray[np.float64]
    directions: npt.NDArray[np.float64]
    n_samples: int
    spacing_mm: float
    first_mm: float = 0.0

    def __post_init__(self) -> None:
        set_rays(self, "origins_mm", "directions", "line")
        object.__setattr__(self, "n_samples", count("n_samples", self.n_samples))
        object.__setattr__(self, "spacing_mm", positive("spacing_mm", self.spacing_mm))
        object.__setattr__(self, "first_mm", finite("first_mm", self.first_mm))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples a line and of lines."""
        return self.n_samples, len(self.origins_mm)

    @property
    def points_mm(self) -> npt.NDArray[np.float64]:
        """Places of the samples ``(sample, line, 3)`` as ``(z, y, x)``."""
        along = self.first_mm + np.arange(self.n_samples) * self.spacing_mm
        return np.asarray(self.origins_mm + along[:, None, None] * self.directions)


def cartesian_points_mm(grid: ImageGrid) -> npt.NDArray[np.float64]:
    """Places of the pixels of a grid ``(z, x)`` or ``(z, y, x)``, shape ``(*grid.shape, 3)``."""
    return mesh_points_mm(grid.coordinates_mm)


def mesh_points_mm(axes: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """All points with coordinates from two axes ``(z, x)`` or three ``(z, y, x)``, shape ``(..., 3)``."""
    z, y, x = axes if len(axes) == 3 else (axes[0], np.zeros(1), axes[1])
    points = np.stack(np.meshgrid(z, y, x, indexing="ij"), axis=-1)
    return points.reshape(*(axis.size for axis in axes), 3)


Pixels = ImageGrid | PolarGrid | ScanLines
