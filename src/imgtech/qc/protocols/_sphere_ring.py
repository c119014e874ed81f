"""Six spheres in a ring: plane, centre, rotation and mirror image, by their excess over the background."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.pose import grid_indices
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]

_RING_MM = 57.2
_SMOOTH_MM = 4.0
_TURNS = 360
_ENOUGH = 0.6
_BEYOND_MM = 36.0
_AWAY_MM = (-20.0, -10.0, 0.0, 10.0, 20.0)


@dataclass(frozen=True, kw_only=True)
class SphereRing:
    """Where the ring of spheres lies.

    Parameters
    ----------
    center_mm : (float, float)
        ``(y, x)`` of its middle.
    z_mm : float
        Position of its plane along the stack.
    angle_rad : float
        Direction of the largest sphere.
    mirrored : bool
        Whether sizes fall against the direction from x to y.
    score : float
        Correlation of the excess around the ring with the sizes.
    place_uncertainty_mm, angle_uncertainty_rad : float
        Of a sphere along y or x and of the direction, from what the three largest spheres leave of a rigid
        fit, with three degrees of freedom.
    """

    center_mm: tuple[float, float]
    z_mm: float
    angle_rad: float
    mirrored: bool
    score: float
    place_uncertainty_mm: float = 0.0
    angle_uncertainty_rad: float = 0.0

    def place(self, k: int) -> tuple[float, float]:
        """Middle ``(y, x)`` of a sphere, the largest being 0."""
        angle = self.angle_rad + (-1 if self.mirrored else 1) * k * math.pi / 3
        return self.center_mm[0] + _RING_MM * math.sin(angle), self.center_mm[1] + _RING_MM * math.cos(angle)


def find_ring(
    series: Series, center_mm: tuple[float, float], background: float, diameters_mm: Sequence[float]
) -> SphereRing:
    """The plane with most structure on the ring, then the rotation that fits the sizes."""
    grid, z = series.grid, series.positions_mm
    step = float(np.median(np.diff(z)))
    sigma = (_SMOOTH_MM / step, _SMOOTH_MM / grid.spacing_mm[0], _SMOOTH_MM / grid.spacing_mm[1])
    smooth = ndimage.gaussian_filter(series.pixels.astype(np.float64), sigma) - background
    angles = 2 * np.pi * np.arange(_TURNS) / _TURNS

    def ring(plane: Floats, center: tuple[float, float]) -> Floats:
        y, x = center[0] + _RING_MM * np.sin(angles), center[1] + _RING_MM * np.cos(angles)
        return np.asarray(ndimage.map_coordinates(plane, grid_indices(grid, y, x), order=1, mode="nearest"))

    # the three largest spheres, a third of the ring apart from the small ones, make the first harmonic
    waves = [ring(plane, center_mm) for plane in smooth]
    strength = np.array([abs(np.fft.rfft(w)[1]) for w in waves])
    inside = np.array([abs(np.median(w)) < 0.5 * background for w in waves])
    if not inside.any():
        raise ValueError("no slice shows a background around the ring of spheres")
    strength = np.where(inside, ndimage.gaussian_filter1d(strength, 6.0 / step), 0.0)
    # spheres end after some centimetres, rods or a shading do not
    away = max(round(_BEYOND_MM / step), 1)
    padded = np.pad(strength, away)
    strength = np.where(inside, strength - 0.8 * np.maximum(padded[: len(z)], padded[2 * away :]), -np.inf)
    found = _turned(waves[int(np.argmax(strength))], angles, diameters_mm)
    result = SphereRing(
        center_mm=center_mm,
        z_mm=float(z[int(np.argmax(strength))]),
        angle_rad=found[0],
        mirrored=found[1],
        score=found[2],
    )
    for _ in range(3):
        result = _refined(smooth, series, result, diameters_mm)
    index = int(np.argmin(np.abs(z - result.z_mm)))
    again = _turned(ring(smooth[index], result.center_mm), angles, diameters_mm)
    if again[2] < _ENOUGH:
        raise ValueError(f"no ring of six spheres: correlation {again[2]:.2f} of the excess with their sizes")
    return dataclasses.replace(result, score=again[2])


def _turned(wave: Floats, angles: Floats, diameters_mm: Sequence[float]) -> tuple[float, bool, float]:
    best = (0.0, False, -1.0)
    for mirrored in (False, True):
        drawn = np.zeros(len(angles))
        for k, d in enumerate(diameters_mm):
            away = np.angle(np.exp(1j * (angles - (-1 if mirrored else 1) * k * np.pi / 3))) * _RING_MM
            width2 = (0.35 * d) ** 2 + _SMOOTH_MM**2
            drawn += (0.35 * d) ** 3 / width2**1.5 * np.exp(-(away**2) / (2 * width2))
        drawn -= drawn.mean()
        w = wave - wave.mean()
        norm = math.sqrt(float((w**2).sum() * (drawn**2).sum()))
        turned = np.fft.irfft(np.fft.rfft(w) * np.conj(np.fft.rfft(drawn)), len(angles)) / max(norm, 1e-12)
        top = int(np.argmax(np.abs(turned)))
        if abs(turned[top]) > best[2]:
            best = (float(angles[top]), mirrored, float(abs(turned[top])))
    return best


def _refined(smooth: Floats, series: Series, ring: SphereRing, diameters_mm: Sequence[float]) -> SphereRing:
    """Rigid fit to the centroids of the three largest spheres."""
    y, x = series.grid.coordinates_mm
    z = series.positions_mm
    drawn, seen, heights = [], [], []
    for k in range(3):
        cy, cx = ring.place(k)
        reach = 0.5 * diameters_mm[k] + 6.0
        rows, columns = np.abs(y - cy) < reach, np.abs(x - cx) < reach
        layers = np.abs(z - ring.z_mm) < reach
        part = smooth[np.ix_(layers, rows, columns)]
        r2 = (z[layers] - ring.z_mm)[:, None, None] ** 2
        r2 = r2 + (y[rows] - cy)[:, None] ** 2 + (x[columns] - cx) ** 2
        sign = math.copysign(1.0, float(part[r2 < reach**2 / 4].sum()))
        w = np.where(r2 < reach**2, np.maximum(sign * part, 0.0), 0.0)
        w = np.maximum(w - 0.35 * w.max(), 0.0)
        if w.sum() == 0:
            return ring
        drawn.append((cy, cx))
        seen.append((float((w * y[rows][:, None]).sum() / w.sum()), float((w * x[columns]).sum() / w.sum())))
        heights.append(float((w * z[layers][:, None, None]).sum() / w.sum()))
    a, b = np.array(drawn) - ring.center_mm, np.array(seen) - ring.center_mm
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    turn = math.atan2(float((a0[:, 1] * b0[:, 0] - a0[:, 0] * b0[:, 1]).sum()), float((a0 * b0).sum()))
    c, s = math.cos(turn), math.sin(turn)
    middle = a.mean(axis=0)
    moved = np.array([middle[0] * c + middle[1] * s, middle[1] * c - middle[0] * s])
    shift = b.mean(axis=0) - moved
    left = b0 - np.stack([a0[:, 0] * c + a0[:, 1] * s, a0[:, 1] * c - a0[:, 0] * s], axis=1)
    scatter = math.sqrt(float((left**2).sum()) / (2 * len(left) - 3))
    return SphereRing(
        center_mm=(ring.center_mm[0] + float(shift[0]), ring.center_mm[1] + float(shift[1])),
        z_mm=float(np.mean(heights)),
        angle_rad=ring.angle_rad + turn,
        mirrored=ring.mirrored,
        score=ring.score,
        place_uncertainty_mm=scatter,
        angle_uncertainty_rad=scatter / math.sqrt(float((a0**2).sum())),
    )


def disk_mean(image: Floats, grid: ImageGrid, center: tuple[float, float], diameter: float) -> float:
    """Mean of a disk, pixels on its edge by their share."""
    reach = diameter / 2 + 2 * max(grid.spacing_mm)
    box = []
    for positions, c in zip(grid.coordinates_mm, center, strict=True):
        first, last = np.searchsorted(positions, [c - reach, c + reach])
        box.append(slice(int(first), int(last)))
    part = image[box[0], box[1]]
    middle = tuple(float((p[b][0] + p[b][-1]) / 2) for p, b in zip(grid.coordinates_mm, box, strict=True))
    own = ImageGrid(shape=part.shape, spacing_mm=grid.spacing_mm, center_mm=middle)
    w = disk_region(own, center_mm=center, radius_mm=diameter / 2)
    return float(np.vdot(w, part) / w.sum())


def five_slices(series: Series, z_mm: float) -> list[int]:
    """Slices nearest to the plane and 10 and 20 mm either way."""
    z = series.positions_mm
    chosen = [int(np.argmin(np.abs(z - z_mm - away))) for away in _AWAY_MM]
    if z_mm - 20 < z[0] - 3 or z_mm + 20 > z[-1] + 3:
        raise ValueError("the scan must reach 20 mm beyond the plane of the spheres on both sides")
    return chosen
