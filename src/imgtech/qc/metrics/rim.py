"""The rim of a bright disk, found along rays to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, each, positive, real_image
from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REACH_MM = (8.0, 4.0, 4.0)
_PLATEAU_MM = (1.5, 4.5)
_AIR_MM = (2.5, 7.5)
_STEP_PX = 0.25
_WEAK = 0.5
_NEIGHBOURS = 9
_COMPANY = 0.75


@dataclass(frozen=True, kw_only=True, eq=False)
class Rim(ArrayValue):
    """Edge of a disk along rays from its centre.

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)`` of the circle fitted to the sound edge points, in the frame of the grid.
    radius_mm : float
        Radius of that circle.
    angle_rad : numpy.ndarray
        Direction of each ray, from the x axis towards the y axis.
    edge_mm : numpy.ndarray
        Distance of the edge from the centre; where ``sound`` is false it has no meaning.
    sound : numpy.ndarray
        Whether an edge was found that lies near the circle.
    scatter_mm : float
        Standard deviation of neighbouring sound edge points about their local mean.
    shape : numpy.ndarray
        Second and third harmonics of the edge, ``(cos 2a, sin 2a, cos 3a, sin 3a)``, millimetres.
    pixel_mm : float
        The larger pixel spacing.
    ripple_mm : numpy.ndarray
        Amplitudes, along y and x, of the ripple of the pixel grid that was taken from the edge.
    ripple : numpy.ndarray
        The ripple along each ray for an amplitude of 1, shape ``(n_rays, 2)``.
    floor_mm : float
        How far the edge would lie further out if the level outside were the floor that rectified noise makes
        in a magnitude image, which is not there at the edge; 0 where values fall below zero.
    """

    center_mm: tuple[float, float]
    radius_mm: float
    angle_rad: Floats
    edge_mm: Floats
    sound: Bools
    scatter_mm: float
    shape: Floats
    pixel_mm: float
    ripple_mm: Floats
    ripple: Floats
    floor_mm: float = 0.0

    def smooth_mm(self, angle_rad: npt.ArrayLike) -> Floats:
        """Radius of the fitted rim (circle with second and third harmonic) in given directions."""
        return self.radius_mm + _harmonics(np.asarray(angle_rad, dtype=np.float64)) @ self.shape


def disk_rim(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radius_mm: float,
    n_rays: int = 720,
) -> Rim:
    r"""Find the edge of a bright disk along rays, to a fraction of a pixel.

    The image is read by cubic splines along each ray. The edge is where it crosses the mean of the level
    inside (1.5 to 4.5 mm from the edge) and outside (2.5 to 7.5 mm) of that ray and its neighbours. Rays
    with less than half of the contrast around them, and rays among many such (a notch, a bubble), do not
    count. A circle is fitted to all points; those further from it than three standard deviations and half
    a millimetre are left out, centre and radius are fitted anew, and the rays are drawn again from the
    better centre.

    Between the pixels a spline only guesses. Where the edge lies p pixels from a pixel centre, outwards along
    y or x, it is seen too far out by :math:`B \sin 2 \pi p`, with no cosine since the edge is as steep on
    either side of its half height. Along the rim p runs through all phases, so that B is fitted, one for
    each axis, and the ripple is taken from the edge points.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : tuple of float
        First guess of the centre ``(y, x)``, good to a few millimetres.
    radius_mm : float
        First guess of the radius, good to 8 mm.
    n_rays : int, optional
        Number of rays.

    Returns
    -------
    Rim
        Centre, radius and the edge along each ray.

    Raises
    ------
    ValueError
        If fewer than half of the rays meet an edge.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import disk_rim
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(1.1, 0.9))
    >>> disk = disk_region(grid, center_mm=(2.0, -3.0), radius_mm=30.0)
    >>> rim = disk_rim(disk, grid, center_mm=(3.0, -1.0), radius_mm=33.0)
    >>> round(rim.radius_mm, 1), [round(c, 1) for c in rim.center_mm]
    (30.0, [2.0, -3.0])
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    cy, cx = each("center_mm", center_mm, 2)
    radius = positive("radius_mm", radius_mm)
    angles = 2 * np.pi * np.arange(count("n_rays", n_rays, 36)) / n_rays
    spline = ndimage.spline_filter(pixels, order=3)
    for reach in _REACH_MM:
        edge, found, _ = _edges(spline, grid, (cy, cx), radius, angles, reach)
        if found.sum() < n_rays / 2:
            raise ValueError(
                f"no disk of radius {radius:.1f} mm at ({cy:.1f}, {cx:.1f}) mm: "
                f"only {found.sum()} of {n_rays} rays meet an edge"
            )
        (cy, cx), radius, sound = fit_circle(edge, found, angles, (cy, cx))
    edge, found, floor = _edges(spline, grid, (cy, cx), radius, angles, _REACH_MM[-1])
    deviation = edge - radius
    sound = found & _near(deviation, found)
    if sound.sum() < n_rays / 2:
        raise ValueError(
            f"no disk of radius {radius:.1f} mm at ({cy:.1f}, {cx:.1f}) mm: only {sound.sum()} of {n_rays} "
            "edge points lie on a circle"
        )
    ripple = _ripple(grid, (cy, cx), edge, angles)
    ripple_mm = _amplitudes(ripple, deviation, angles, sound)
    deviation = deviation - ripple @ ripple_mm
    shape = np.linalg.lstsq(_harmonics(angles[sound]), deviation[sound], rcond=None)[0]
    return Rim(
        center_mm=(cy, cx),
        radius_mm=radius,
        angle_rad=angles,
        edge_mm=np.where(sound, radius + deviation, radius),
        sound=sound,
        scatter_mm=_scatter(deviation, sound),
        shape=np.asarray(shape, dtype=np.float64),
        pixel_mm=max(grid.spacing_mm),
        ripple_mm=ripple_mm,
        ripple=ripple,
        floor_mm=floor if pixels.min() >= 0 else 0.0,
    )


def _ripple(grid: ImageGrid, center: tuple[float, float], edge: Floats, angles: Floats) -> Floats:
    """Sine of the phase of every edge point in the pixels along y and x, outwards.

    Full where the edge runs within 30 degrees of the grid, none at 45 degrees.
    """
    patterns = []
    for middle, along, first, pixel in zip(
        center, (np.sin(angles), np.cos(angles)), grid.coordinates_mm, grid.spacing_mm, strict=True
    ):
        phase = 2 * np.pi * (middle + edge * along - first[0]) / pixel
        share = (np.pi / 4 - np.arccos(np.abs(along))) / (np.pi / 12)
        patterns.append(np.clip(share, 0.0, 1.0) * np.sign(along) * np.sin(phase))
    return np.stack(patterns, axis=1)


def _amplitudes(ripple: Floats, deviation: Floats, angles: Floats, sound: Bools) -> Floats:
    """Amplitudes of the ripple, fitted beside a circle that may be shifted and out of round."""
    around = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    columns = np.concatenate([ripple, around, _harmonics(angles)], axis=1)[sound]
    return np.asarray(np.linalg.lstsq(columns, deviation[sound], rcond=None)[0][:2])


def _edges(
    spline: Floats, grid: ImageGrid, center: tuple[float, float], radius: float, angles: Floats, reach: float
) -> tuple[Floats, Bools, float]:
    """Distance of the half-height crossing nearest to the circle along each ray, and what a floor does."""
    step = _STEP_PX * min(grid.spacing_mm)
    low = max(radius - reach - _PLATEAU_MM[1], step)
    r = np.arange(low, radius + reach + _AIR_MM[1] + step, step)
    profiles = ndimage.map_coordinates(
        spline, _pixel_coordinates(grid, center, r, angles), order=3, mode="nearest", prefilter=False
    )
    level = 0.0
    edge = np.full(len(angles), radius)
    for _ in range(2):
        inside = _window_mean(profiles, r, edge - _PLATEAU_MM[1], edge - _PLATEAU_MM[0])
        outside = _window_mean(profiles, r, edge + _AIR_MM[0], edge + _AIR_MM[1])
        level = ndimage.uniform_filter1d((inside + outside) / 2, 5, mode="wrap")[:, None]
        falls = (profiles[:, :-1] >= level) & (profiles[:, 1:] < level)
        falls &= np.abs(r[:-1] - radius) <= reach
        distance = np.where(falls, np.abs(r[:-1] - radius), np.inf)
        at = np.argmin(distance, axis=1)
        rows = np.arange(len(angles))
        upper, lower = profiles[rows, at], profiles[rows, at + 1]
        share = np.clip((upper - level[:, 0]) / np.maximum(upper - lower, 1e-12), 0.0, 1.0)
        found = falls.any(axis=1)
        edge = np.where(found, r[at] + share * step, radius)
    contrast = inside - outside
    around = ndimage.median_filter(contrast, len(angles) // 6, mode="wrap")
    found &= (contrast > _WEAK * around) & (around > 0)
    slope = np.maximum(upper - lower, 1e-12) / step
    floor = np.maximum(outside, 0.0) / 2 / slope
    median = float(np.median(floor[found])) if found.any() else 0.0
    return (
        edge,
        found & (ndimage.uniform_filter1d(found.astype(float), _NEIGHBOURS, mode="wrap") > _COMPANY),
        median,
    )


def _pixel_coordinates(
    grid: ImageGrid, center: tuple[float, float], r: Floats, angles: Floats
) -> npt.NDArray[np.float64]:
    y = center[0] + np.sin(angles)[:, None] * r
    x = center[1] + np.cos(angles)[:, None] * r
    first = [c[0] for c in grid.coordinates_mm]
    return np.stack([(y - first[0]) / grid.spacing_mm[0], (x - first[1]) / grid.spacing_mm[1]])


def _window_mean(profiles: Floats, r: Floats, low: Floats, high: Floats) -> Floats:
    inside = (r >= low[:, None]) & (r <= high[:, None])
    return (profiles * inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)


def fit_circle(
    edge: Floats, found: Bools, angles: Floats, center: tuple[float, float]
) -> tuple[tuple[float, float], float, Bools]:
    y, x = center[0] + edge * np.sin(angles), center[1] + edge * np.cos(angles)
    cy, cx = center
    radius = float(np.median(edge[found]))
    sound = found
    for _ in range(12):
        dy, dx = y - cy, x - cx
        distance = np.hypot(dy, dx)
        sound = found & _near(distance - radius, found)
        if sound.sum() < 3:
            break
        columns = np.stack([dy / distance, dx / distance, np.ones_like(dy)], axis=1)[sound]
        move = np.linalg.lstsq(columns, (distance - radius)[sound], rcond=None)[0]
        cy, cx, radius = cy + float(move[0]), cx + float(move[1]), radius + float(move[2])
        if np.abs(move).max() < 1e-7:
            break
    return (cy, cx), radius, sound


def _near(deviation: Floats, found: Bools) -> Bools:
    middle = float(np.median(deviation[found]))
    spread = 1.4826 * float(np.median(np.abs(deviation[found] - middle)))
    near: Bools = np.abs(deviation - middle) <= max(3 * spread, 0.5)
    return near


def _harmonics(angles: Floats) -> Floats:
    return np.stack([np.cos(2 * angles), np.sin(2 * angles), np.cos(3 * angles), np.sin(3 * angles)], axis=-1)


def _scatter(deviation: Floats, sound: Bools) -> float:
    """Standard deviation about the local mean of sound neighbours (11 rays)."""
    weight = ndimage.uniform_filter1d(sound.astype(float), 11, mode="wrap")
    mean = ndimage.uniform_filter1d(np.where(sound, deviation, 0.0), 11, mode="wrap") / np.maximum(
        weight, 1e-9
    )
    rest = (deviation - mean)[sound & (weight > 0.9)]
    return float(np.sqrt(np.mean(rest**2) * 11 / 10)) if rest.size else float(np.std(deviation[sound]))
