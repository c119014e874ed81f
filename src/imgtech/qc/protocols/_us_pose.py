"""Find an ultrasound phantom by its wires."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import UsDrawing
from imgtech.qc.metrics.ultrasound import PointTarget, point_target

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BRIGHTER = 3.5  # peak over local root mean square; Rayleigh speckle of 20,000 cells reaches 3.2
_AROUND_MM = 10.0
_APART_MM = (2.0, 3.0)
_MOST = 40
_BASELINE_MM = 14.0
_SCALE_ERROR = 0.05
_LARGEST_TURN = math.radians(20.0)
_NEAR_MM = 2.0
_FEWEST = 5
_SHARE = 0.7
SEARCH_MM = (2.5, 4.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class UsPose:
    """Where a phantom lies in an ultrasound image, and how far its scale is off.

    A point ``(v, u)`` lies at ``y = y0 + sy (u s + v c)`` and ``x = x0 + sx (u c - v s)`` with ``c, s`` those
    of the angle; u changes its sign first where the image is mirrored.
    """

    center_mm: tuple[float, float]
    angle_rad: float
    mirrored: bool
    scale: tuple[float, float]
    angle_uncertainty_rad: float
    wires: dict[int, PointTarget]
    lost: dict[int, str]
    expected: int

    def turned(self, points_mm: npt.ArrayLike) -> Floats:
        """Points ``(v, u)`` turned into the directions of the image, in true millimetres."""
        return _turned(np.asarray(points_mm, dtype=np.float64), self.angle_rad, self.mirrored)

    def to_image(self, points_mm: npt.ArrayLike) -> Floats:
        """Image places ``(y, x)``, shape ``(n, 2)``."""
        return np.asarray(self.center_mm) + self.turned(points_mm) * np.asarray(self.scale)


def find_phantom(
    envelope: Floats, grid: ImageGrid, seen: Bools, drawing: UsDrawing, depth_scale: float
) -> UsPose:
    """Match bright points to the wires of the drawing.

    ``depth_scale`` is what the speeds of sound make of depths.

    Raises
    ------
    ValueError
        If fewer wires fit than the drawing shows inside the picture, a mirror image fits as well, or the
        picture upside down fits better.
    """
    places = bright_points(envelope, grid, seen)
    wires = np.asarray(drawing.wires_mm)
    stretch = np.array([depth_scale, 1.0])
    best, other = _match(places / stretch, wires, grid, seen, stretch)
    hits, expected, start = best
    y = grid.coordinates_mm[0]
    below = np.array([y[0] + y[-1], 0.0]) + places * np.array([-1.0, 1.0])
    (turned, of, _), _ = _match(below / stretch, wires, grid, seen[::-1], stretch)
    if turned >= _FEWEST and (turned, turned - of) > (hits, hits - expected):
        raise ValueError(
            f"series must have the depth downwards: {turned} wires of the {drawing.name} phantom fit upside "
            f"down, {hits} upright"
        )
    needed = max(_FEWEST, math.ceil(_SHARE * expected))
    if hits < needed:
        raise ValueError(
            f"no {drawing.name} ultrasound phantom was found: {hits} of its wires fit the {len(places)} "
            f"bright points, {needed} at least must"
        )
    if other >= hits:
        raise ValueError(
            f"which side of the {drawing.name} phantom is left cannot be told: {hits} wires fit either way "
            "round"
        )
    angle, mirrored, center = start
    found: dict[int, PointTarget] = {}
    lost: dict[int, str] = {}
    for index, place in enumerate((_turned(wires, angle, mirrored) + center) * stretch):
        try:
            found[index] = point_target(
                envelope,
                grid,
                near_mm=_nearest(places, place),
                search_mm=SEARCH_MM,
                level_db=20 * math.log10(0.5),
            )
        except ValueError as error:
            lost[index] = str(error)
    if len(found) < _FEWEST:
        why = next(iter(lost.values()), "")
        raise ValueError(
            f"the {drawing.name} ultrasound phantom was found, but of its wires {len(found)} can be "
            f"measured, {_FEWEST} must: {why}"
        )
    return _fit(found, lost, wires, start, depth_scale, expected)


def bright_points(envelope: Floats, grid: ImageGrid, seen: Bools) -> Floats:
    """Places ``(y, x)`` of points far brighter than what lies around, brightest first, shape ``(n, 2)``."""
    power = np.where(seen, envelope**2, 0.0)
    box = [max(round(_AROUND_MM / step), 3) for step in grid.spacing_mm]
    share = ndimage.uniform_filter(seen.astype(np.float64), box)
    around = ndimage.uniform_filter(power, box) / np.maximum(share, 1e-6)
    # a wire lifts the mean around itself; what tissue is like there is told by the mean of what is not bright
    usual = np.where(power < 6 * around, power, 0.0)
    weight = ndimage.uniform_filter((seen & (power < 6 * around)).astype(np.float64), box)
    around = ndimage.uniform_filter(usual, box) / np.maximum(weight, 1e-6)
    near = [2 * max(round(a / step), 1) + 1 for a, step in zip(_APART_MM, grid.spacing_mm, strict=True)]
    peaks = seen & (power == ndimage.maximum_filter(power, near)) & (power > _BRIGHTER**2 * around)
    labels, n = ndimage.label(peaks, np.ones((3, 3)))  # a peak that the grey scale cuts off is one plateau
    if n == 0:
        return np.zeros((0, 2))
    middles = np.reshape(ndimage.center_of_mass(peaks, labels, np.arange(1, n + 1)), (n, 2))
    rows, columns = np.rint(middles).astype(np.int64).T
    order = np.argsort(power[rows, columns] / around[rows, columns])[::-1][:_MOST]
    y, x = grid.coordinates_mm
    return np.stack([y[rows[order]], x[columns[order]]], axis=1)


Start = tuple[float, bool, Floats]


def _match(
    places: Floats, wires: Floats, grid: ImageGrid, seen: Bools, stretch: Floats
) -> tuple[tuple[int, int, Start], int]:
    """Best pose by number of wires on a bright point, and that number of its best mirror image."""
    results: dict[bool, tuple[float, int, int, Start]] = {}
    n = len(places)
    first, second = (k.ravel() for k in np.indices((n, n)))
    between = places[second] - places[first] if n else np.zeros((0, 2))
    far = np.hypot(*between.T) if n else np.zeros(0)
    for mirrored in (False, True):
        flat = _turned(wires, 0.0, mirrored)
        for a in range(len(flat)):
            for b in range(a + 1, len(flat)):
                arm = flat[b] - flat[a]
                length = float(np.hypot(*arm))
                if length < _BASELINE_MM:
                    continue
                turn = np.arctan2(between[:, 0], between[:, 1]) - math.atan2(arm[0], arm[1])
                turn = (turn + math.pi) % (2 * math.pi) - math.pi
                fits = (np.abs(far - length) < _SCALE_ERROR * length) & (np.abs(turn) < _LARGEST_TURN)
                for k in np.flatnonzero(fits):
                    angle = float(turn[k])
                    turned = _turned(wires, angle, mirrored)
                    middle = (places[first[k]] + places[second[k]] - turned[a] - turned[b]) / 2
                    score = _score(turned + middle, places, grid, seen, stretch)
                    if mirrored not in results or score[:2] > (results[mirrored][1], results[mirrored][0]):
                        results[mirrored] = (score[1], score[0], score[2], (angle, mirrored, middle))
    if not results:
        return (0, len(wires), (0.0, False, np.zeros(2))), 0
    ranked = sorted(results.values(), key=lambda r: (r[1], r[0]), reverse=True)
    best = ranked[0]
    return (best[1], best[2], best[3]), ranked[1][1] if len(ranked) > 1 else 0


def _score(
    expected: Floats, places: Floats, grid: ImageGrid, seen: Bools, stretch: Floats
) -> tuple[int, float, int]:
    """Wires on a bright point, minus their mean distance, and wires inside the picture."""
    shown = inside(expected * stretch, grid, seen)
    if not shown.any():
        return 0, 0.0, 0
    away = np.hypot(*(expected[shown][:, None] - places[None]).transpose(2, 0, 1)).min(axis=1)
    hits = away < _NEAR_MM
    return int(hits.sum()), -float(away[hits].mean()) if hits.any() else 0.0, int(shown.sum())


def inside(
    points_mm: Floats, grid: ImageGrid, seen: Bools, margin_mm: tuple[float, float] = SEARCH_MM
) -> Bools:
    """Which points lie in the picture with a margin."""
    good = np.ones(len(points_mm), dtype=bool)
    index = []
    for axis in (0, 1):
        step, n = grid.spacing_mm[axis], grid.shape[axis]
        at = np.rint((points_mm[:, axis] - grid.coordinates_mm[axis][0]) / step).astype(np.int64)
        reach = math.ceil(margin_mm[axis] / step)
        good &= (at - reach >= 0) & (at + reach < n)
        index.append(np.clip(at, 0, n - 1))
    return np.asarray(good & seen[index[0], index[1]])


def _nearest(places: Floats, place: Floats) -> tuple[float, float]:
    away = np.hypot(*(places - place).T)
    k = int(np.argmin(away))
    if away[k] > 2 * _NEAR_MM:
        raise ValueError("no bright point is there")
    return float(places[k, 0]), float(places[k, 1])


def _turned(points: Floats, angle_rad: float, mirrored: bool) -> Floats:
    v, u = points[..., 0], points[..., 1] * (-1 if mirrored else 1)
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.stack([u * s + v * c, u * c - v * s], axis=-1)


def _fit(
    found: dict[int, PointTarget],
    lost: dict[int, str],
    wires: Floats,
    start: Start,
    depth_scale: float,
    expected: int,
) -> UsPose:
    """Weighted fit of place, angle and both scales to the wires."""
    angle, mirrored, center = start
    which = sorted(found)
    seen = np.array([[found[k].axial_position.value, found[k].lateral_position.value] for k in which])
    spread = np.array(
        [[found[k].axial_position.uncertainty, found[k].lateral_position.uncertainty] for k in which]
    )
    seen, spread = seen.astype(np.float64), np.maximum(spread.astype(np.float64), 1e-4)

    def rest(p: Floats) -> Floats:
        at = p[:2] + _turned(wires[which], float(p[2]), mirrored) * p[3:]
        return np.asarray(((at - seen) / spread).ravel())

    begin = np.array([center[0] * depth_scale, center[1], angle, depth_scale, 1.0])
    solved = optimize.least_squares(rest, begin, x_scale=[1.0, 1.0, 0.01, 0.01, 0.01], loss="soft_l1")
    covariance = np.linalg.pinv(solved.jac.T @ solved.jac)
    freedom = max(2 * len(which) - 5, 1)
    widened = max(1.0, float(rest(solved.x) @ rest(solved.x)) / freedom)
    y, x, turn, sy, sx = (float(v) for v in solved.x)
    return UsPose(
        center_mm=(y, x),
        angle_rad=turn,
        mirrored=mirrored,
        scale=(sy, sx),
        angle_uncertainty_rad=math.sqrt(float(covariance[2, 2]) * widened),
        wires=found,
        lost=lost,
        expected=expected,
    )
