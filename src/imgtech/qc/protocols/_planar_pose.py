"""Pose of a planar phantom: centre, size, rotation and mirror image by correlation with its drawing."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import PlanarDrawing
from imgtech.qc.pose import Pose, grid_indices

Floats = npt.NDArray[np.float64]

_PER_SIDE = 7
_TURNS = 180
_BEST = 12
_SURE = 0.96
_REACH = 0.8


@dataclass(frozen=True, kw_only=True)
class PlanarPose:
    """Where a planar phantom lies and how large it is.

    Parameters
    ----------
    pose : Pose
        Centre and rotation; the frame of the phantom is in millimetres at the detector.
    unit_mm : float
        Size of the unit of the drawing at the detector.
    sign : int
        1 where lead is bright, -1 where it is dark.
    score : float
        Correlation with the drawing.
    """

    pose: Pose
    unit_mm: float
    sign: int
    score: float

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Image position ``(y, x)`` of a point of the drawing."""
        y, x = self.pose.to_image_mm(point[0] * self.unit_mm, point[1] * self.unit_mm)
        return float(y), float(x)

    @property
    def bar_normal_rad(self) -> float:
        """Direction across the bars, which run along u."""
        return self.pose.direction_rad(math.pi / 2)


def fit_planar(
    image: Floats, grid: ImageGrid, drawing: PlanarDrawing, starts: list[tuple[tuple[float, float], float]]
) -> PlanarPose:
    """Best pose from several guesses of centre and unit; every rotation and both mirror images are tried."""
    points, levels = _samples(drawing)
    pixel = math.sqrt(grid.spacing_mm[0] * grid.spacing_mm[1])
    wide = 0.2 * min(p.half[0] for p in drawing.patches.values()) * drawing.unit_mm / pixel
    layers = [ndimage.gaussian_filter(image, max(w, 1.0)) for w in (2 * wide, wide, 1.0)]
    radius = np.hypot(*points.T).max()

    def correlations(p: Floats, mirrored: bool, smooth: Floats, turns: Floats) -> Floats:
        """At several rotations of one centre and unit; 0 where too much of the drawing leaves the image."""
        y, x = _placed(points, p, mirrored, turns)
        rows, columns = grid_indices(grid, y, x)
        inside = (rows > 0) & (columns > 0) & (rows < image.shape[0] - 1) & (columns < image.shape[1] - 1)
        values = ndimage.map_coordinates(smooth, np.stack([rows, columns]), order=1, mode="nearest")
        n = np.maximum(inside.sum(axis=1), 1)
        seen, drawn = (
            np.where(inside, a - np.sum(a * inside, axis=1, keepdims=True) / n[:, None], 0.0)
            for a in (values, np.broadcast_to(levels, values.shape))
        )
        spread = np.sqrt((seen**2).sum(axis=1) * (drawn**2).sum(axis=1))
        sound = (inside.mean(axis=1) >= _REACH) & (spread > 0)
        return np.where(sound, (seen * drawn).sum(axis=1) / np.where(spread > 0, spread, 1.0), 0.0)

    def correlation(p: Floats, mirrored: bool, smooth: Floats) -> float:
        return float(correlations(p, mirrored, smooth, p[2:3])[0])

    tried: list[tuple[float, Floats, bool]] = []
    for center, unit in starts:
        for mirrored in (False, True):
            turns = np.arange(_TURNS) * 2 * math.pi / _TURNS
            found = correlations(np.array([*center, 0.0, unit]), mirrored, layers[0], turns)
            tried += [
                (abs(float(c)), np.array([*center, turn, unit]), mirrored)
                for c, turn in zip(found, turns, strict=True)
            ]
    tried.sort(key=lambda t: -t[0])
    best: tuple[float, Floats, bool] | None = None
    for p, mirrored in _apart(tried):
        steps = np.array([0.08 * p[3], 0.08 * p[3], 0.06, 0.05 * p[3]])
        for layer in layers:
            fit = optimize.minimize(
                lambda q, m=mirrored, s=layer: -abs(correlation(q, m, s)), p, method="Nelder-Mead",
                options={"initial_simplex": np.vstack([p, p + np.diag(steps)]), "xatol": 1e-3, "fatol": 1e-6,
                         "maxfev": 250},
            )  # fmt: skip
            p, steps = fit.x, steps / 3
            if best is not None and -fit.fun < 0.85 * best[0]:
                break
        if best is None or -fit.fun > best[0]:
            best = (-float(fit.fun), fit.x, mirrored)
        if best[0] > _SURE:
            break
    assert best is not None
    score, p, mirrored = best
    if p[3] * radius > max(grid.fov_mm):
        score = 0.0
    pose = Pose(
        center_mm=(float(p[0]), float(p[1])),
        angle_rad=float(np.angle(np.exp(1j * p[2]))),
        mirrored=mirrored,
        score=score,
        runner_up=0.0,
    )
    sign = 1 if correlation(p, mirrored, layers[-1]) > 0 else -1
    return PlanarPose(pose=pose, unit_mm=float(p[3]), sign=sign, score=score)


def _apart(tried: list[tuple[float, Floats, bool]]) -> list[tuple[Floats, bool]]:
    """The best guesses that differ from one another in centre, size, rotation or mirror image."""
    chosen: list[tuple[Floats, bool]] = []
    for _, p, mirrored in tried:
        alike = False
        for q, other in chosen:
            turn = abs(math.remainder(p[2] - q[2], 2 * math.pi))
            moved = math.hypot(p[0] - q[0], p[1] - q[1])
            alike |= mirrored == other and turn < 0.12 and moved < 0.3 * q[3] and abs(p[3] / q[3] - 1) < 0.1
        if not alike:
            chosen.append((p, mirrored))
        if len(chosen) == _BEST:
            break
    return chosen


def fit_disks(image: Floats, grid: ImageGrid, found: PlanarPose, drawing: PlanarDrawing) -> PlanarPose:
    """Centre and unit from the centroids of the disks that stand out, at the rotation that was found."""
    y, x = grid.coordinates_mm
    for _ in range(2):
        radius = drawing.disk_radius * found.unit_mm
        places, seen = [], []
        for disk in drawing.disks:
            cy, cx = found.place(disk)
            box = []
            for positions, c in zip((y, x), (cy, cx), strict=True):
                first, last = np.searchsorted(positions, [c - 2.1 * radius, c + 2.1 * radius])
                box.append(slice(int(first), int(last)))
            dy, dx = y[box[0]][:, None] - cy, x[box[1]] - cx
            r = np.hypot(dy, dx)
            values = image[box[0], box[1]]
            ring = values[(r > 1.6 * radius) & (r < 2.0 * radius)]
            if ring.size < 20:
                continue
            w = np.where(r < 1.6 * radius, np.abs(values - np.median(ring)), 0.0)
            scatter = 1.4826 * float(np.median(np.abs(ring - np.median(ring))))
            w = np.where(w > 3.5 * scatter, w, 0.0)
            if np.count_nonzero(w) <= 0.4 * np.count_nonzero(r < radius):
                continue
            places.append(
                (cy + float(np.vdot(w, dy + 0 * dx) / w.sum()), cx + float(np.vdot(w, dx + 0 * dy) / w.sum()))
            )
            seen.append(found.pose.to_image_mm(*disk))
        if len(places) < 4:
            return found
        at, drawn = np.array(places), np.array(seen) - np.array(found.pose.center_mm)
        drawn = drawn.reshape(len(places), 2)
        middle = drawn.mean(axis=0)
        unit = float(np.vdot(drawn - middle, at - at.mean(axis=0)) / np.vdot(drawn - middle, drawn - middle))
        center = at.mean(axis=0) - unit * middle
        if not 0.9 < unit / found.unit_mm < 1.1:
            return found
        pose = dataclasses.replace(found.pose, center_mm=(float(center[0]), float(center[1])))
        found = dataclasses.replace(found, pose=pose, unit_mm=unit)
    return found


def _samples(drawing: PlanarDrawing) -> tuple[Floats, Floats]:
    """Points of the drawing and their levels: the inside of plain pieces and, of disks, the middle."""
    points, levels = [], []
    at = np.linspace(-0.85, 0.85, _PER_SIDE)
    small = [p for p in drawing.patches.values() if p.half[0] < 0.1]
    for patch in drawing.patches.values():
        v, u = (a.ravel() for a in np.meshgrid(at * patch.half[0], at * patch.half[1], indexing="ij"))
        v, u = v + patch.center[0], u + patch.center[1]
        keep = np.ones(len(v), dtype=bool)
        for other in small:
            if other is not patch:
                keep &= (np.abs(v - other.center[0]) > other.half[0]) | (
                    np.abs(u - other.center[1]) > other.half[1]
                )
        for group in drawing.groups:
            keep &= (np.abs(v - group.center[0]) > group.half[0]) | (
                np.abs(u - group.center[1]) > group.half[1]
            )
        points += list(zip(v[keep], u[keep], strict=True))
        levels += [patch.level] * int(keep.sum())
    for k, disk in enumerate(drawing.disks):
        points += [disk, (0.85 * disk[0], 0.85 * disk[1])]
        levels += [0.1 + 0.3 * math.exp(-k / 5), 0.1]
    for group in drawing.groups if not drawing.disks else ():
        points += [(group.center[0] + a * group.half[0], group.center[1]) for a in (-0.8, -0.3, 0.3, 0.8)]
        levels += [0.55] * 4
    return np.array(points), np.array(levels)


def _placed(points: Floats, p: Floats, mirrored: bool, turns: Floats) -> tuple[Floats, Floats]:
    """Image positions ``(turn, point)`` of points of the drawing."""
    v, u = points[:, 0] * p[3], points[:, 1] * p[3] * (-1 if mirrored else 1)
    c, s = np.cos(turns)[:, None], np.sin(turns)[:, None]
    return p[0] + u * s + v * c, p[1] + u * c - v * s
