"""Pose of a phantom in a slice: turn and mirror a drawing of its inside until it fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.metrics.rim import Rim

__all__ = ["Box", "Pose", "Ring", "match_pose", "read_lines"]

Floats = npt.NDArray[np.float64]

_TURNS = 720


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of a drawing, in the frame of the phantom (x to the right, y down, millimetres).

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)``.
    size_mm : tuple of float
        Height and width.
    dark : bool, optional
        Whether it is darker than the filling.
    """

    center_mm: tuple[float, float]
    size_mm: tuple[float, float]
    dark: bool = True

    def holds(self, y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
        """Whether points lie inside."""
        inside: npt.NDArray[np.bool_] = (np.abs(y - self.center_mm[0]) <= self.size_mm[0] / 2) & (
            np.abs(x - self.center_mm[1]) <= self.size_mm[1] / 2
        )
        return inside


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring, or a disk with ``inner_mm=0``, of a drawing.

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)``.
    inner_mm, outer_mm : float
        Radii.
    dark : bool, optional
        Whether it is darker than the filling.
    """

    center_mm: tuple[float, float]
    inner_mm: float
    outer_mm: float
    dark: bool = True

    def holds(self, y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
        """Whether points lie inside."""
        r = np.hypot(y - self.center_mm[0], x - self.center_mm[1])
        inside: npt.NDArray[np.bool_] = (r >= self.inner_mm) & (r <= self.outer_mm)
        return inside


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a phantom lies in an image.

    A point of the phantom ``(v, u)`` (v down, u to the right) lies in the image at
    ``y = y0 + u s + v c`` and ``x = x0 + u c - v s`` with ``c, s = cos, sin(angle)``; u changes its sign
    first where the image is mirrored.

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)`` in the frame of the grid.
    angle_rad : float
        Rotation from the x axis towards the y axis.
    mirrored : bool
        Whether left and right are exchanged.
    score : float
        Correlation with the drawing, 1 for a perfect match.
    runner_up : float
        Best correlation of a pose that differs by more than 20 degrees or by a mirror.
    """

    center_mm: tuple[float, float]
    angle_rad: float
    mirrored: bool
    score: float
    runner_up: float

    def to_image_mm(self, v_mm: npt.ArrayLike, u_mm: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Image position ``(y, x)`` of points of the phantom.

        Examples
        --------
        >>> from imgtech.qc.pose import Pose
        >>> pose = Pose(center_mm=(5.0, -2.0), angle_rad=1.5707963267948966, mirrored=False, score=1.0,
        ...             runner_up=0.0)
        >>> [round(float(c), 6) for c in pose.to_image_mm(0.0, 10.0)]
        [15.0, -2.0]
        """
        v, u = np.asarray(v_mm, dtype=np.float64), np.asarray(u_mm, dtype=np.float64)
        u = -u if self.mirrored else u
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return self.center_mm[0] + u * s + v * c, self.center_mm[1] + u * c - v * s

    def direction_rad(self, angle_rad: float) -> float:
        """Direction in the image of a direction of the phantom."""
        return self.angle_rad + (math.pi - angle_rad if self.mirrored else angle_rad)


def match_pose(image: npt.ArrayLike, grid: ImageGrid, rim: Rim, drawing: Sequence[Box | Ring]) -> Pose:
    """Turn and mirror a drawing until it fits what is inside a disk.

    The inside of the disk is read on circles around its centre, each value divided by the bright level of
    its neighbourhood. The correlation with the drawing is computed for all turns at once (by a Fourier
    transform along the circles) and for both mirror images.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    rim : Rim
        The disk.
    drawing : sequence of Box or Ring
        What is inside; the rest is bright.

    Returns
    -------
    Pose
        The best pose, to half a degree, with its correlation and that of the best different pose.

    Raises
    ------
    ValueError
        If the image does not have the shape of the grid.

    Examples
    --------
    A disk with a dark bar, 30 mm right of its middle and 20 mm below, seen turned by 30 degrees.

    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import Ellipse, Phantom, Rectangle
    >>> from imgtech.qc.locate import find_disk
    >>> from imgtech.qc.pose import Box, match_pose
    >>> turn = np.deg2rad(30.0)
    >>> c, s = np.cos(turn), np.sin(turn)
    >>> place = (30.0 * s + 20.0 * c, 30.0 * c - 20.0 * s)
    >>> phantom = Phantom(shapes=(
    ...     Ellipse(semi_axes_mm=(60.0, 60.0)),
    ...     Rectangle(size_mm=(8.0, 40.0), center_mm=place, angle_rad=turn, value=-1.0),
    ... ))
    >>> grid = ImageGrid.square(160, fov_mm=160.0)
    >>> image = phantom.image(grid)
    >>> rim = find_disk(image, grid, radius_mm=(50.0, 70.0))
    >>> pose = match_pose(image, grid, rim, [Box(center_mm=(20.0, 30.0), size_mm=(8.0, 40.0))])
    >>> round(float(np.rad2deg(pose.angle_rad))), pose.mirrored
    (30, False)
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    angles = 2 * np.pi * np.arange(_TURNS) / _TURNS
    radii = np.arange(1.0, 0.93 * rim.radius_mm, 1.0)
    y = rim.center_mm[0] + radii[:, None] * np.sin(angles)
    x = rim.center_mm[1] + radii[:, None] * np.cos(angles)
    where = np.stack(grid_indices(grid, y, x))
    width = 15.0 / np.asarray(grid.spacing_mm)
    level = ndimage.percentile_filter(_thinned(pixels), 85, size=9)
    level = ndimage.zoom(level, np.array(pixels.shape) / np.array(level.shape), order=1)
    level = ndimage.gaussian_filter(level, width / 2)
    polar = ndimage.map_coordinates(pixels / np.maximum(level, 1e-3 * level.max()), where, order=1)
    polar = np.clip(polar, 0.0, 1.2)
    weight = np.broadcast_to(radii[:, None], polar.shape)
    scores = []
    for sign in (1.0, -1.0):
        v, u = radii[:, None] * np.sin(angles), sign * radii[:, None] * np.cos(angles)
        drawn = np.ones_like(polar)
        for shape in drawing:
            drawn = np.where(shape.holds(v, u), 0.0 if shape.dark else 1.0, drawn)
        scores.append(_correlation(polar, drawn, weight))
    return _best(np.stack(scores), angles, rim.center_mm)


def read_lines(
    spline: Floats, grid: ImageGrid, pose: Pose, v_mm: npt.ArrayLike, u_mm: npt.ArrayLike
) -> Floats:
    """Read an image at points of the phantom.

    Parameters
    ----------
    spline : numpy.ndarray
        Cubic spline coefficients of the image (``scipy.ndimage.spline_filter``).
    grid : ImageGrid
        The pixels, 2-D.
    pose : Pose
        Where the phantom lies.
    v_mm, u_mm : array_like
        Points of the phantom, broadcast against each other.

    Returns
    -------
    numpy.ndarray
        Values in the shape of the points.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.pose import Pose, read_lines
    >>> grid = ImageGrid(shape=(40, 50), spacing_mm=(0.5, 2.0))
    >>> ramp = np.broadcast_to(grid.coordinates_mm[1], grid.shape)
    >>> pose = Pose(center_mm=(1.0, -3.0), angle_rad=0.0, mirrored=False, score=1.0, runner_up=0.0)
    >>> read_lines(ndimage.spline_filter(ramp), grid, pose, 0.0, [4.0, 5.0]).round(6)
    array([1., 2.])
    """
    y, x = pose.to_image_mm(*np.broadcast_arrays(v_mm, u_mm))
    where = np.stack(grid_indices(grid, y, x))
    return np.asarray(ndimage.map_coordinates(spline, where, order=3, mode="nearest", prefilter=False))


def grid_indices(grid: ImageGrid, y_mm: Floats, x_mm: Floats) -> tuple[Floats, Floats]:
    """Row and column (with fractions) of positions in millimetres."""
    first = [c[0] for c in grid.coordinates_mm]
    return (y_mm - first[0]) / grid.spacing_mm[0], (x_mm - first[1]) / grid.spacing_mm[1]


def _thinned(pixels: Floats) -> Floats:
    step = max(1, pixels.shape[0] // 64)
    return ndimage.uniform_filter(pixels, step)[::step, ::step]


def _correlation(image: Floats, drawn: Floats, weight: Floats) -> Floats:
    total = weight.sum()
    image = image - (weight * image).sum() / total
    drawn = drawn - (weight * drawn).sum() / total
    spectrum = np.fft.rfft(weight * image, axis=1) * np.conj(np.fft.rfft(drawn, axis=1))
    norm = math.sqrt(float((weight * image**2).sum()) * float((weight * drawn**2).sum()))
    turned: Floats = np.fft.irfft(spectrum.sum(axis=0), image.shape[1])
    return turned / norm if norm > 0 else turned


def _best(scores: Floats, angles: Floats, center: tuple[float, float]) -> Pose:
    side, turn = np.unravel_index(int(np.argmax(scores)), scores.shape)
    apart = np.abs(np.angle(np.exp(1j * (angles - angles[turn])))) > math.radians(20)
    others = np.concatenate([scores[side][apart], scores[1 - side]])
    return Pose(
        center_mm=center,
        angle_rad=float(np.angle(np.exp(1j * angles[turn]))),
        mirrored=bool(side == 1),
        score=float(scores[side, turn]),
        runner_up=float(others.max()),
    )
