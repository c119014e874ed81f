"""Regions of interest: area-weighted masks with sub-pixel edges.

A region is an image of weights between 0 and 1: the share of each pixel's area that lies inside. All
positions are ``(y, x)`` in millimetres in the frame of an :class:`~imgtech.geometry.ImageGrid`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import each, finite, positive, real_image
from imgtech.geometry import ImageGrid

__all__ = ["disk_region", "ellipse_region", "rectangle_region", "region_mean"]

Floats = npt.NDArray[np.float64]

_LINES_PER_PIXEL = 16


def disk_region(grid: ImageGrid, *, center_mm: tuple[float, float], radius_mm: float) -> Floats:
    """Weights of a disk.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Centre ``(y, x)`` in the frame of the grid.
    radius_mm : float
        Radius.

    Returns
    -------
    numpy.ndarray
        Share of each pixel's area inside the disk, shape ``grid.shape``, float64.

    Raises
    ------
    ValueError
        If the disk reaches beyond the edge of the image, or an argument is not finite or not positive.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(40, 50), spacing_mm=(0.5, 0.4), center_mm=(3.0, -2.0))
    >>> weights = disk_region(grid, center_mm=(4.0, -1.0), radius_mm=5.0)
    >>> round(float(weights.sum()) * 0.5 * 0.4, 1)
    78.5
    """
    radius = positive("radius_mm", radius_mm)
    return ellipse_region(grid, center_mm=center_mm, semi_axes_mm=(radius, radius))


def ellipse_region(
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    semi_axes_mm: tuple[float, float],
    angle_rad: float = 0.0,
) -> Floats:
    r"""Weights of an ellipse at any angle.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Centre ``(y, x)`` in the frame of the grid.
    semi_axes_mm : (float, float)
        Half lengths along y and x before the rotation.
    angle_rad : float, optional
        Rotation from the x axis towards the y axis. A point at ``(dy, dx)`` from the centre has the
        coordinates :math:`x' = dx \cos\alpha + dy \sin\alpha` and
        :math:`y' = dy \cos\alpha - dx \sin\alpha` along the axes of the ellipse.

    Returns
    -------
    numpy.ndarray
        Share of each pixel's area inside the ellipse, shape ``grid.shape``, float64.

    Raises
    ------
    ValueError
        If the ellipse reaches beyond the edge of the image, or an argument is not finite or not positive.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.roi import ellipse_region
    >>> grid = ImageGrid(shape=(60, 70), spacing_mm=(0.5, 0.4))
    >>> weights = ellipse_region(grid, center_mm=(1.0, 2.0), semi_axes_mm=(3.0, 8.0), angle_rad=0.3)
    >>> round(float(weights.sum()) * 0.5 * 0.4, 1)
    75.4
    """
    cy, cx, ay, ax, angle = _pose(center_mm, "semi_axes_mm", semi_axes_mm, angle_rad)
    c, s = math.cos(angle), math.sin(angle)
    half_x = math.hypot(ax * c, ay * s)
    half_y = math.hypot(ax * s, ay * c)
    skew = s * c * (ax**2 - ay**2) / half_y**2

    def chord(dy: Floats) -> tuple[Floats, Floats]:
        half = ax * ay / half_y**2 * np.sqrt(np.maximum(half_y**2 - dy**2, 0.0))
        return skew * dy - half, skew * dy + half

    return _convex_region(grid, (cy, cx), (half_y, half_x), chord)


def rectangle_region(
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    size_mm: tuple[float, float],
    angle_rad: float = 0.0,
) -> Floats:
    """Weights of a rectangle at any angle.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Centre ``(y, x)`` in the frame of the grid.
    size_mm : (float, float)
        Full lengths along y and x before the rotation.
    angle_rad : float, optional
        Rotation from the x axis towards the y axis, as in :func:`ellipse_region`.

    Returns
    -------
    numpy.ndarray
        Share of each pixel's area inside the rectangle, shape ``grid.shape``, float64.

    Raises
    ------
    ValueError
        If the rectangle reaches beyond the edge of the image, or an argument is not finite or not
        positive.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.roi import rectangle_region
    >>> grid = ImageGrid(shape=(4, 6), spacing_mm=(1.0, 1.0))
    >>> rectangle_region(grid, center_mm=(0.0, 0.0), size_mm=(2.0, 3.0))[1]
    array([0. , 0.5, 1. , 1. , 0.5, 0. ])
    """
    cy, cx, height, width, angle = _pose(center_mm, "size_mm", size_mm, angle_rad)
    c, s = math.cos(angle), math.sin(angle)
    half_x = (width * abs(c) + height * abs(s)) / 2
    half_y = (width * abs(s) + height * abs(c)) / 2

    def chord(dy: Floats) -> tuple[Floats, Floats]:
        low, high = np.full_like(dy, -half_x), np.full_like(dy, half_x)
        for along, across, half in ((c, s * dy, width / 2), (-s, c * dy, height / 2)):
            if abs(along) > 1e-12:
                ends = np.stack([(-half - across) / along, (half - across) / along])
                low, high = np.maximum(low, ends.min(axis=0)), np.minimum(high, ends.max(axis=0))
        return low, high

    return _convex_region(grid, (cy, cx), (half_y, half_x), chord)


def region_mean(image: npt.ArrayLike, region: npt.ArrayLike) -> float:
    r"""Area-weighted mean :math:`\sum w_i I_i / \sum w_i` of an image in a region.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``, finite.
    region : array_like
        Weights of the same shape, between 0 and 1.

    Returns
    -------
    float
        The mean, in the unit of the image.

    Raises
    ------
    ValueError
        If the shapes differ, the region is empty, or a value is not finite.

    Examples
    --------
    >>> from imgtech.qc.roi import region_mean
    >>> region_mean([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.5], [0.0, 0.5]])
    2.0
    """
    pixels = real_image("image", image, 2)
    weights = checked_region("region", region, pixels.shape)
    return float(np.vdot(weights, pixels) / weights.sum())


def checked_region(name: str, region: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Return a region as float64 weights, or say what is wrong with it."""
    weights = real_image(name, region, 2).astype(np.float64, copy=False)
    if weights.shape != tuple(shape):
        raise ValueError(f"{name} must have the shape {tuple(shape)} of the image, got {weights.shape}")
    if weights.min() < 0 or weights.max() > 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {weights.min():g} to {weights.max():g}")
    if weights.sum() == 0:
        raise ValueError(f"{name} must not be empty, got weights that are all zero")
    return weights


def _pose(
    center_mm: tuple[float, float], name: str, lengths_mm: tuple[float, float], angle_rad: float
) -> tuple[float, float, float, float, float]:
    cy, cx = each("center_mm", center_mm, 2)
    along_y, along_x = each(name, lengths_mm, 2, positive)
    return cy, cx, along_y, along_x, finite("angle_rad", angle_rad)


def _convex_region(
    grid: ImageGrid,
    center: tuple[float, float],
    half: tuple[float, float],
    chord: Callable[[Floats], tuple[Floats, Floats]],
) -> Floats:
    """Cut the shape into thin strips along x; the share of a strip's middle in a pixel is exact."""
    if grid.ndim != 2:
        raise ValueError(f"grid must have 2 axes, got shape {grid.shape}")
    box = []
    for axis, name in enumerate("yx"):
        n, spacing = grid.shape[axis], grid.spacing_mm[axis]
        first = grid.coordinates_mm[axis][0] - spacing / 2
        low, high = center[axis] - half[axis], center[axis] + half[axis]
        if low < first - 1e-9 * spacing or high > first + (n + 1e-9) * spacing:
            raise ValueError(
                f"the region must lie inside the image, which reaches from {first:.2f} to "
                f"{first + n * spacing:.2f} mm along {name}, got {low:.2f} to {high:.2f} mm"
            )
        start = max(math.floor((low - first) / spacing), 0)
        box.append(slice(start, min(math.ceil((high - first) / spacing), n)))
    rows, columns = (grid.coordinates_mm[axis][box[axis]] - center[axis] for axis in (0, 1))
    dy, dx = grid.spacing_mm
    strip = dy / _LINES_PER_PIXEL
    starts = (rows[:, None] - dy / 2 + np.arange(_LINES_PER_PIXEL) * strip).ravel()
    lower, upper = np.clip(starts, -half[0], half[0]), np.clip(starts + strip, -half[0], half[0])
    height = (upper - lower) / strip
    low_x, high_x = chord((lower + upper) / 2)
    left, right = columns - dx / 2, columns + dx / 2
    cover = np.minimum(right, high_x[:, None]) - np.maximum(left, low_x[:, None])
    share = height[:, None] * np.clip(cover / dx, 0.0, 1.0)
    weights = np.zeros(grid.shape)
    weights[box[0], box[1]] = np.minimum(
        share.reshape(len(rows), _LINES_PER_PIXEL, len(columns)).mean(axis=1), 1.0
    )
    return weights
