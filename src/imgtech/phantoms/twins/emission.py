"""Digital twins of emission tomography: the NEMA body phantom and a Jaszczak cylinder with spheres."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import erf, ndtr

from imgtech._core.validate import finite, floats, not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins.placement import Placement
from imgtech.phantoms.twins.solids import blurred_disk

Floats = npt.NDArray[np.float64]

NEMA_SPHERES_MM = (37.0, 28.0, 22.0, 17.0, 13.0, 10.0)
JASZCZAK_SPHERES_MM = (31.8, 25.4, 19.1, 15.9, 12.7, 9.5)
SPHERE_RING_MM = 57.2
_LUNG_MM = 25.0
_TOP_MM, _CORNER_MM, _FLAT_MM = 147.0, 77.0, 70.0


def blurred_ball(r_mm: npt.ArrayLike, radius_mm: float, sigma_mm: float) -> Floats:
    r"""A ball of height 1 blurred by a Gaussian, at a distance from its middle.

    .. math:: \tfrac12 \left[\mathrm{erf}\frac{R - r}{\sqrt2 s} + \mathrm{erf}\frac{R + r}{\sqrt2 s}\right]
              - \frac{s}{r\sqrt{2\pi}} \left[e^{-(R - r)^2 / 2 s^2} - e^{-(R + r)^2 / 2 s^2}\right]

    Parameters
    ----------
    r_mm : array_like
        Distances.
    radius_mm, sigma_mm : float
        Radius R of the ball and standard deviation s of the blur.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a radius or the blur is not positive, or a distance not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import blurred_ball
    >>> [round(float(v), 3) for v in blurred_ball([0.0, 10.0, 20.0], 10.0, 2.0)]
    [1.0, 0.42, 0.0]
    """
    big, s = positive("radius_mm", radius_mm), positive("sigma_mm", sigma_mm)
    distances = np.asarray(r_mm)
    r = np.maximum(np.abs(floats("r_mm", distances, ndim=distances.ndim)), 1e-3 * s)
    low, high = (big - r) / s, (big + r) / s
    steps = 0.5 * (erf(low / math.sqrt(2)) + erf(high / math.sqrt(2)))
    return np.asarray(
        steps - s / (r * math.sqrt(2 * math.pi)) * (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2))
    )


def nema_body(
    grid: ImageGrid,
    positions_mm: npt.ArrayLike,
    *,
    ratio: float = 4.0,
    background: float = 1000.0,
    sigma_mm: float = 2.5,
    placement: Placement | None = None,
) -> Floats:
    """The NEMA image-quality phantom: body, lung insert and six spheres in one plane.

    The outline is a half circle of 147 mm on a bottom with corners of 77 mm; its blur is that of a straight
    edge. Spheres lie 57.2 mm from the axis of the lung insert, every 60 degrees, largest first, at z = 0.

    Parameters
    ----------
    grid : ImageGrid
        Pixels of a slice.
    positions_mm : array_like
        Positions of the slices.
    ratio : float, optional
        Activity concentration of the spheres over that of the background; 0 for cold spheres.
    background : float, optional
        Value of the background.
    sigma_mm : float, optional
        Standard deviation of the blur, alike in all directions.
    placement : Placement, optional
        Where the phantom lies; its tilt is not used.

    Returns
    -------
    numpy.ndarray
        ``(slice, y, x)``, float64.

    Raises
    ------
    ValueError
        If a number is out of range or not finite, or the grid has not two axes.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import nema_body
    >>> volume = nema_body(ImageGrid(shape=(90, 100), spacing_mm=(4.0, 4.0)), [0.0, 40.0])
    >>> round(float(volume[1, 45, 50])), round(float(volume[0, 45, 64])), round(float(volume[1, 45, 64]))
    (0, 4000, 1000)
    """
    level, contrast = finite("background", background), not_negative("ratio", ratio) - 1
    where, blur = placement or Placement(), positive("sigma_mm", sigma_mm)
    u, v = _frame(grid, where)
    upper = _TOP_MM - np.hypot(u, v)
    lower = _CORNER_MM - np.hypot(np.maximum(np.abs(u) - _FLAT_MM, 0.0), v)
    body = ndtr(np.where(v <= 0, upper, lower) / blur)
    plane = body - blurred_disk(np.hypot(u, v), _LUNG_MM, blur)
    return _volume(level * plane, u, v, positions_mm, where, NEMA_SPHERES_MM, level * contrast, blur)


def jaszczak(
    grid: ImageGrid,
    positions_mm: npt.ArrayLike,
    *,
    background: float = 1000.0,
    sigma_mm: float = 5.0,
    radius_mm: float = 108.0,
    placement: Placement | None = None,
) -> Floats:
    """A uniform cylinder with six cold spheres in one plane at z = 0.

    Parameters
    ----------
    grid : ImageGrid
        Pixels of a slice.
    positions_mm : array_like
        Positions of the slices.
    background : float, optional
        Value of the cylinder.
    sigma_mm : float, optional
        Standard deviation of the blur.
    radius_mm : float, optional
        Radius of the cylinder.
    placement : Placement, optional
        Where the phantom lies; its tilt is not used.

    Returns
    -------
    numpy.ndarray
        ``(slice, y, x)``, float64.

    Raises
    ------
    ValueError
        If a number is out of range or not finite, or the grid has not two axes.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import jaszczak
    >>> volume = jaszczak(ImageGrid(shape=(80, 90), spacing_mm=(4.0, 4.0)), [0.0, 60.0])
    >>> round(float(volume[1, 40, 45])), round(float(volume[0, 40, 59]))
    (1000, 23)
    """
    level, blur = finite("background", background), positive("sigma_mm", sigma_mm)
    where = placement or Placement()
    u, v = _frame(grid, where)
    plane = level * blurred_disk(np.hypot(u, v), positive("radius_mm", radius_mm), blur)
    return _volume(plane, u, v, positions_mm, where, JASZCZAK_SPHERES_MM, -level, blur)


def _frame(grid: ImageGrid, where: Placement) -> tuple[Floats, Floats]:
    """Coordinates ``(u, v)`` of the pixels in the frame of the phantom."""
    if len(grid.shape) != 2:
        raise ValueError(f"grid must have two axes (y, x), got shape {grid.shape}")
    y, x = grid.coordinates_mm
    dy, dx = y[:, None] - where.center_mm[0], x - where.center_mm[1]
    c, s = math.cos(where.roll_rad), math.sin(where.roll_rad)
    u, v = dx * c + dy * s, dy * c - dx * s
    return (-u if where.mirrored else u), v


def _volume(
    plane: Floats,
    u: Floats,
    v: Floats,
    positions_mm: npt.ArrayLike,
    where: Placement,
    spheres_mm: Sequence[float],
    step: float,
    sigma_mm: float,
) -> Floats:
    """The plane in every slice, with the spheres added."""
    positions = floats("positions_mm", np.atleast_1d(positions_mm)) - where.z_mm
    out = np.repeat(plane[None], len(positions), axis=0)
    for k, diameter in enumerate(spheres_mm):
        angle = k * math.pi / 3
        flat = np.hypot(u - SPHERE_RING_MM * math.cos(angle), v - SPHERE_RING_MM * math.sin(angle))
        for image, z in zip(out, positions, strict=True):
            if abs(z) < diameter / 2 + 7 * sigma_mm:
                image += step * blurred_ball(np.hypot(flat, z), diameter / 2, sigma_mm)
    return out
