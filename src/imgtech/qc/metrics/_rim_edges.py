"""Where rays from the middle of a disk cross its edge."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PLATEAU_MM = (1.5, 4.5)
_AIR_MM = (2.5, 7.5)
_SHADED_MM = (3.0, 9.0)
_BLUR_PX = 1.6
_BLUR = 2.2  # standard deviations of the edge
_BLUR_MM = 5.0
_DEEPER = 1.4
_SHADED_RAYS = 61 / 720
_FLOOR_RAYS = 21 / 720
_STEP_PX = 0.25
_SHARP_PX = 0.65
# what a spline makes of a rectified lobe of ringing and of a rectified floor beside a sharp edge, by disks in
# k-space: with a lobe of 0.04 the edge is +0.009 (no window), -0.001 (Tukey 0.2), -0.005 (Fermi) or -0.008
# pixel off (Tukey 0.5), root mean square 0.0067, and by the floor up to 1.1 times the square of its share of
# the signal, of which the standard deviation if all are alike likely; the lobe counts with its largest
_LOBE_PX = 0.3
_NO_LOBE = 0.01
_BENT_PX = 0.65
_REST_PX = (0.001, 0.0025)  # off without noise: k-space with a window, and sharp disks of pixel means
# what lies beyond a broad edge and is not missing within it, over the standard deviation of the edge: that
# many of it is the half height off where a Gaussian, a mean of 3 x 3 or binomial weights smoothed the
# magnitude of disks in k-space without a window or with Fermi's (0.5 to 4, most 2 to 3)
_FOLDED = 2.5
_UNFOLDED = 0.002  # the lobes of a Hann window, folded up and left as they are: 0.0015 without any effect
_FOLDED_AT = (1.0, 2.5)  # standard deviations of the edge
_LOBES = 1.3
_APART_PX = 0.003  # lobes in twice as many pixels as samples: -0.0025 to 0.005
_WEAK = 0.5
_NEIGHBOURS = 9
_COMPANY = 0.75


def coarse_edges(
    spline: Floats, grid: ImageGrid, center: tuple[float, float], radius: float, angles: Floats, reach: float
) -> tuple[Floats, Bools]:
    """Distance of the half-height crossing nearest to the circle along each ray, to a part of a pixel."""
    reaches = reach + _PLATEAU_MM[1], reach + _AIR_MM[1]
    profiles, r = _profiles(spline, grid, center, radius, angles, reaches)
    edge = np.full(len(angles), radius)
    for _ in range(2):
        inside = _window_mean(profiles, r, edge - _PLATEAU_MM[1], edge - _PLATEAU_MM[0])
        outside = _window_mean(profiles, r, edge + _AIR_MM[0], edge + _AIR_MM[1])
        edge, falls, _ = _crossing(profiles, r, (inside + outside) / 2, radius, reach)
    return edge, _found(falls, inside - outside)


def fine_edges(
    spline: Floats,
    grid: ImageGrid,
    center: tuple[float, float],
    radius: float,
    angles: Floats,
    *,
    reach_mm: float,
    magnitude: bool,
    rectified: bool,
) -> tuple[Floats, Bools, Floats, float]:
    """The edge along each ray without bias, whether it counts, and the uncertainties by its two levels."""
    reach, pixel = reach_mm, max(grid.spacing_mm)
    reaches = reach + _DEEPER * _BLUR_MM + np.ptp(_SHADED_MM), reach + _BLUR_MM + np.ptp(_AIR_MM) + pixel
    profiles, r = _profiles(spline, grid, center, radius, angles, reaches)
    edge, spread = np.full(len(angles), radius), 0.0
    for _ in range(3):
        blur = min(max(_BLUR_PX * pixel, _BLUR * spread), _BLUR_MM)
        plateau, air = _beyond(_PLATEAU_MM, blur), _beyond(_AIR_MM, blur)
        inside = _window_mean(profiles, r, edge - plateau[1], edge - plateau[0])
        outside = _window_mean(profiles, r, edge + air[0], edge + air[1])
        shade = _shading(profiles, r, edge, _beyond(_SHADED_MM, _DEEPER * blur))
        top = inside + shade * sum(plateau) / 2
        nearby = ndimage.uniform_filter1d(outside, _odd(_FLOOR_RAYS * len(angles)), mode="wrap")
        floor = max(float(np.percentile(nearby, 10)), 0.0)
        # the root of the squares of A / 2 and f, less half of that of A and f
        low = 1.5 * floor**2 / np.maximum(top, max(floor, 1e-12)) if magnitude else outside
        edge, falls, slope = _crossing(profiles, r, (top + low) / 2, radius, reach)
        contrast = inside - outside
        found = _found(falls, contrast)
        if found.any():
            spread = float(np.median((contrast / slope)[found])) / math.sqrt(2 * math.pi)
            slope = np.full_like(slope, float(np.median(slope[found])))
    # the same levels a pixel further from the edge
    top_there = _window_mean(profiles, r, edge - plateau[1] - pixel, edge - plateau[0] - pixel)
    change = top_there + shade * (sum(plateau) / 2 + pixel) - top
    if not magnitude:
        change += _window_mean(profiles, r, edge + air[0] + pixel, edge + air[1] + pixel) - outside
    ringing = abs(float(np.median((change / 2 / slope)[found]))) / 2 if found.any() else 0.0
    sharp = spread < _SHARP_PX * pixel
    ringing = math.hypot(ringing, _REST_PX[sharp] * pixel)
    if rectified and sharp:
        lobe = _lobe(profiles, r, edge, found, pixel, contrast)
        bent = floor / float(np.median(top)) if magnitude else 0.0
        ringing = math.hypot(
            ringing, _LOBE_PX * pixel * max(lobe - _NO_LOBE, 0.0), _BENT_PX * pixel * bent**2
        )
    elif rectified and found.any():
        folded = _folded(profiles, r, edge, found, spread, top, shade, floor if magnitude else 0.0)
        by_lobes = _APART_PX * pixel if folded is None else _FOLDED * spread * folded
        ringing = math.hypot(ringing, by_lobes)
    edge = edge + spread**2 * (1 / (2 * radius) + shade / np.where(found, contrast, np.inf))
    if magnitude:
        rest = np.maximum(nearby - floor, 0.0) / math.sqrt(2)
    elif rectified:
        rest = np.full_like(slope, float(np.median(outside)) / math.sqrt(3))
    else:
        rest = np.zeros_like(slope)
    return edge, found, rest / 2 / slope, ringing


def _profiles(
    spline: Floats,
    grid: ImageGrid,
    center: tuple[float, float],
    radius: float,
    angles: Floats,
    reaches: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Values along the rays, and the distances from the centre where they lie."""
    step = _STEP_PX * min(grid.spacing_mm)
    r = np.arange(max(radius - reaches[0], step), radius + reaches[1] + step, step)
    at = _pixel_coordinates(grid, center, r, angles)
    return ndimage.map_coordinates(spline, at, order=3, mode="nearest", prefilter=False), r


def _crossing(
    profiles: Floats, r: Floats, level: Floats, radius: float, reach: float
) -> tuple[Floats, Bools, Floats]:
    """Where a ray falls below the level of it and its neighbours nearest to the radius, and how steeply."""
    level = ndimage.uniform_filter1d(level, 5, mode="wrap")[:, None]
    first, last = np.searchsorted(r, [radius - reach, radius + reach])
    part, near = profiles[:, first : last + 1], r[first : last + 1]
    falls = (part[:, :-1] >= level) & (part[:, 1:] < level)
    at = np.argmin(np.where(falls, np.abs(near[:-1] - radius), np.inf), axis=1)
    rows = np.arange(len(level))
    upper, lower = part[rows, at], part[rows, at + 1]
    step = r[1] - r[0]
    share = np.clip((upper - level[:, 0]) / np.maximum(upper - lower, 1e-12), 0.0, 1.0)
    any_fall = falls.any(axis=1)
    edge = np.where(any_fall, near[at] + share * step, radius)
    return edge, np.asarray(any_fall), np.maximum(upper - lower, 1e-12) / step


def _found(falls: Bools, contrast: Floats) -> Bools:
    """Rays that fall by at least half of the contrast around them, in the company of such."""
    around = ndimage.median_filter(contrast, len(contrast) // 6, mode="wrap")
    found = falls & (contrast > _WEAK * around) & (around > 0)
    company: Bools = ndimage.uniform_filter1d(found.astype(float), _NEIGHBOURS, mode="wrap") > _COMPANY
    return found & company


def _lobe(profiles: Floats, r: Floats, edge: Floats, found: Bools, pixel: float, height: Floats) -> float:
    """Rectified ringing 1.5 to 2.25 pixels outside, beyond what lies 4 to 6 outside, over the contrast."""
    if not found.any():
        return 0.0
    lobe, rest = (
        _window_mean(profiles**2, r, edge + low * pixel, edge + high * pixel)
        for low, high in ((1.375, 2.375), (4.0, 6.0))
    )
    return math.sqrt(max(float(np.mean(((lobe - rest) / height**2)[found])), 0.0))


def _folded(
    profiles: Floats,
    r: Floats,
    edge: Floats,
    found: Bools,
    spread: float,
    top: Floats,
    shade: Floats,
    floor: float,
) -> float | None:
    """Mean signal beyond a blurred edge that is not missing within it, as a share of the level.

    A blur takes from inside what it puts outside. Ringing and noise that were folded up before the blur are
    added outside alone. None where lobes stand apart: those were not blurred after they were folded.
    """
    x = np.arange(-6.0, 6.0 + 0.05, 0.1) * spread
    place = (edge[:, None] + x - r[0]) / (r[1] - r[0])
    i = np.clip(place.astype(int), 0, len(r) - 2)
    share = place - i
    rays = np.take_along_axis(profiles, i, 1) * (1 - share) + np.take_along_axis(profiles, i + 1, 1) * share
    rays = rays / np.maximum(top[:, None] + shade[:, None] * np.minimum(x, 0.0), 1e-12)
    mean = rays[found].mean(axis=0)
    mean = np.sqrt(np.maximum(mean**2 - (floor / float(np.median(top))) ** 2, 0.0))
    outside = mean[len(x) // 2 :]
    lowest = int(np.argmin(outside[: len(outside) // 2]))
    if outside[lowest:].max() > _LOBES * outside[lowest] and outside[lowest:].max() > _NO_LOBE:
        return None
    both = mean + mean[::-1] - 1
    where = (x >= _FOLDED_AT[0] * spread) & (x <= _FOLDED_AT[1] * spread)
    return max(float(both[where].mean()) - _UNFOLDED, 0.0)


def _beyond(window: tuple[float, float], blur: float) -> tuple[float, float]:
    """The window, moved away from the edge to where its blur has ended."""
    start = max(window[0], blur)
    return start, start + window[1] - window[0]


def _odd(rays: float) -> int:
    return 2 * max(round((rays - 1) / 2), 1) + 1


def _shading(profiles: Floats, r: Floats, edge: Floats, depth: tuple[float, float]) -> Floats:
    """Slope of the level inside along each ray, the median over rays within 15 degrees."""
    low, high = edge - depth[1], edge - depth[0]
    part, near = _between(profiles, r, low, high)
    inside = (near >= low[:, None]) & (near <= high[:, None])
    middle = (near * inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    away = (near - middle[:, None]) * inside
    slope = (away * part).sum(axis=1) / np.maximum((away**2).sum(axis=1), 1e-12)
    return np.asarray(ndimage.median_filter(slope, _odd(_SHADED_RAYS * len(edge)), mode="wrap"))


def _pixel_coordinates(
    grid: ImageGrid, center: tuple[float, float], r: Floats, angles: Floats
) -> npt.NDArray[np.float64]:
    y = center[0] + np.sin(angles)[:, None] * r
    x = center[1] + np.cos(angles)[:, None] * r
    first = [c[0] for c in grid.coordinates_mm]
    return np.stack([(y - first[0]) / grid.spacing_mm[0], (x - first[1]) / grid.spacing_mm[1]])


def _window_mean(profiles: Floats, r: Floats, low: Floats, high: Floats) -> Floats:
    """Mean over a window that fades out at both ends, so that ringing cancels."""
    part, near = _between(profiles, r, low, high)
    place = (near - low[:, None]) / (high - low)[:, None]
    weight = np.maximum(place * (1 - place), 0.0)
    return np.asarray((part * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12))


def _between(profiles: Floats, r: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The columns that hold the windows of all rays."""
    first, last = np.searchsorted(r, [low.min(), high.max()])
    return profiles[:, first : last + 1], r[first : last + 1]
