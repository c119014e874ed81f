"""Inside length of an ACR MRI phantom, from end to end, on its sagittal localizer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import AcrMriDrawing
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.pose import grid_indices

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LENGTH_ALGORITHM = "end-to-end-half-height-1"
MIDDLE_MM = 40.0
_MARGIN_MM = 10.0
_MOST_TILT = 0.25  # sine of the angle between the axis and the image
_CUTS = (0.12, 0.25, 0.4)
_REACH_MM = (14.0, 8.0, 8.0)
_INSIDE_MM = (1.5, 8.0)  # for pixels up to 1 mm; wider pixels, wider windows
_OUTSIDE_MM = (2.5, 7.5)
_STEP_PX = 0.25
_FEWEST_MM = 12.0
_BESIDE_MM = 2.0
_FLAT = 0.6
_WEAK = 0.4
_RIPPLE_PX = 0.061  # of the half height of an unfiltered edge between pixels, magnitude image, no noise
_TILT_RAD = math.radians(0.05)  # how well the slices of the axial series tell the axis
_FLOOR_SHARE = 0.25
_PHASES_MIXED = 0.5
_CORRELATED_MM = 6.0
_EDGE_SHIFT_PX = 0.005  # of one end, root mean square over drawn planes of the twin without noise


@dataclass(frozen=True, kw_only=True, eq=False)
class Ends:
    """Both ends of the phantom in an image, along lines parallel to its axis.

    Parameters
    ----------
    across_mm : numpy.ndarray
        Where each line runs, from the middle of the phantom.
    edge_mm : numpy.ndarray
        Both edges of each line along the axis, ``(2, line)``, from the middle of the phantom.
    sound : numpy.ndarray
        Lines that meet a free end at both sides.
    center_mm : (float, float)
        Middle of the phantom ``(y, x)``.
    axis : (float, float)
        Direction of the axis ``(y, x)`` in the image, square to the ends.
    floor_mm : float
        How much longer the phantom would be if the level outside were zero.
    """

    across_mm: Floats
    edge_mm: Floats
    sound: Bools
    center_mm: tuple[float, float]
    axis: tuple[float, float]
    floor_mm: float

    def to_image_mm(self, along_mm: npt.ArrayLike, across_mm: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Image position of points along and across the axis."""
        t, w = np.asarray(along_mm, dtype=np.float64), np.asarray(across_mm, dtype=np.float64)
        (ay, ax), (cy, cx) = self.axis, self.center_mm
        return cy + ay * t + ax * w, cx + ax * t - ay * w


def phantom_length(grid: ImageGrid, ends: Ends, *, tilt_rad: float | None, definition: Source) -> Measurement:
    """Length from the edges of the sound lines, times the cosine of the tilt where it is known.

    The uncertainty combines the scatter of the edges along the ends with its correlation, the ripple of the
    pixel grid where it cannot be fitted (an end along the pixels), 0.005 pixel at each end, 0.05 degrees of
    the tilt, and a quarter of what the level outside does: in a magnitude image it is in part rectified noise
    and ringing, which are not there at the edge.
    """
    pixel = float(np.hypot(ends.axis[0] * grid.spacing_mm[0], ends.axis[1] * grid.spacing_mm[1]))
    squares = [(_FLOOR_SHARE * ends.floor_mm) ** 2 / 3, 2 * (_EDGE_SHIFT_PX * pixel) ** 2]
    seen = 0.0
    step = float(ends.across_mm[1] - ends.across_mm[0])
    for edge, sign in zip(ends.edge_mm, (-1.0, 1.0), strict=True):
        mean, variance, left = _mean_edge(ends, edge, grid, step)
        seen += sign * mean
        squares += [variance, (_RIPPLE_PX * pixel * left) ** 2 / 2]
    cosine = 1.0 if tilt_rad is None else math.cos(tilt_rad)
    squares.append((0.0 if tilt_rad is None else seen * math.sin(tilt_rad) * _TILT_RAD) ** 2)
    tilted = "unknown, not corrected" if tilt_rad is None else math.degrees(tilt_rad)
    return Measurement(
        name="length",
        value=seen * cosine,
        unit="mm",
        uncertainty=math.sqrt(sum(squares)),
        definition=definition,
        algorithm=LENGTH_ALGORITHM,
        details={
            "lines": float(ends.sound.sum()),
            "width of the lines together (mm)": float(ends.sound.sum()) * step,
            "angle in the image (degrees)": math.degrees(math.atan2(ends.axis[1], ends.axis[0])),
            "tilt out of the image (degrees)": tilted,
        },
    )


def find_ends(image: Floats, grid: ImageGrid, axis: tuple[float, float], drawing: AcrMriDrawing) -> Ends:
    """Find both ends of the phantom, given the direction ``(y, x)`` of its axis to 10 degrees.

    Raises
    ------
    ValueError
        If no bright body of about this length is there, or too little of an end is free.
    """
    reason = ""
    for cut in _CUTS:
        try:
            center, half = _body(image, cut, grid, axis, drawing)
            return _refined(image, grid, center, axis, half)
        except ValueError as error:
            reason = reason or str(error)
    raise ValueError(reason)


def _body(
    image: Floats, cut: float, grid: ImageGrid, axis: tuple[float, float], drawing: AcrMriDrawing
) -> tuple[tuple[float, float], float]:
    """Middle and half length of the biggest bright piece."""
    smooth = ndimage.gaussian_filter(image, 1.0)
    floor, bright = np.percentile(smooth, [5, 95])
    labels, n = ndimage.label(smooth > floor + cut * (bright - floor))
    if n == 0:
        raise ValueError("the localizer shows nothing bright")
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    piece = ndimage.binary_fill_holes(labels == int(np.argmax(sizes)))
    if min(int(side.sum()) for side in (piece[0], piece[-1], piece[:, 0], piece[:, -1])) > 0:
        raise ValueError("the localizer shows no phantom with air around it")
    rows, columns = np.nonzero(piece)
    y, x = grid.coordinates_mm[0][rows], grid.coordinates_mm[1][columns]
    along, across = axis[0] * y + axis[1] * x, axis[1] * y - axis[0] * x
    w = float(np.percentile(across, 1) + np.percentile(across, 99)) / 2
    bins = np.floor((across - w) / (2 * max(grid.spacing_mm))).astype(int)
    inner = np.abs(across - w) < MIDDLE_MM
    low, high = (
        np.median([f(along[inner & (bins == b)]) for b in np.unique(bins[inner])])
        for f in (np.min, np.max)
    )  # fmt: skip
    t, half = (low + high) / 2, (high - low) / 2
    if abs(2 * half - drawing.length_mm) > _MARGIN_MM:
        raise ValueError(
            f"the body in the localizer is {2 * half:.0f} mm long in its middle, "
            f"not {drawing.length_mm - _MARGIN_MM:.0f} to {drawing.length_mm + _MARGIN_MM:.0f} mm: "
            "another phantom, or an end that something covers"
        )
    return (float(axis[0] * t + axis[1] * w), float(axis[1] * t - axis[0] * w)), float(half)


def _refined(
    image: Floats, grid: ImageGrid, center: tuple[float, float], axis: tuple[float, float], half: float
) -> Ends:
    spline = ndimage.spline_filter(image, order=3)
    step = min(grid.spacing_mm) / 2
    across = np.arange(-MIDDLE_MM, MIDDLE_MM + step / 2, step)
    ends = None
    for reach in _REACH_MM:
        found, sound, floor = [], np.ones(len(across), dtype=bool), 0.0
        for sign in (-1.0, 1.0):
            edge, good, lift = _edges(spline, grid, center, axis, across, sign, half, reach)
            found.append(edge)
            sound &= good
            floor += lift
        edges = np.stack(found)
        sound = ndimage.binary_erosion(sound, iterations=max(1, round(_BESIDE_MM / step)), border_value=1)
        for _ in range(2):
            if sound.sum() * step < _FEWEST_MM:
                raise ValueError(
                    f"too little of the ends is free within {MIDDLE_MM:g} mm of the middle: "
                    f"{sound.sum() * step:.0f} mm, needed {_FEWEST_MM:g} mm"
                )
            slope, rest = _common_slope(across, edges, sound)
            spread = max(0.3, 3 * 1.4826 * float(np.median(np.abs(rest[:, sound]))))
            sound = sound & (np.abs(rest) < spread).all(axis=0)
        ends = Ends(across_mm=across, edge_mm=edges, sound=sound, center_mm=center, axis=axis, floor_mm=floor)
        middle = float(edges[:, sound].mean()) - slope * float(across[sound].mean())
        y, x = ends.to_image_mm(middle, 0.0)
        center = float(y), float(x)
        half = float((edges[1] - edges[0])[sound].mean()) / 2
        turn = -math.atan(slope)
        axis = (
            axis[0] * math.cos(turn) + axis[1] * math.sin(turn),
            axis[1] * math.cos(turn) - axis[0] * math.sin(turn),
        )
    assert ends is not None
    return ends


def _edges(
    spline: Floats,
    grid: ImageGrid,
    center: tuple[float, float],
    axis: tuple[float, float],
    across: Floats,
    sign: float,
    half: float,
    reach: float,
) -> tuple[Floats, Bools, float]:
    """Half height of every line at one end, whether the end is free, and what the level outside does."""
    step = _STEP_PX * min(grid.spacing_mm)
    wide = max(float(np.hypot(axis[0] * grid.spacing_mm[0], axis[1] * grid.spacing_mm[1])), 1.0)
    (first, last), (near, far) = ((wide * a, wide * b) for a, b in (_INSIDE_MM, _OUTSIDE_MM))
    out = np.arange(-reach - last, reach + far + step / 2, step)
    along = sign * (half + out)
    y = center[0] + axis[0] * along + axis[1] * across[:, None]
    x = center[1] + axis[1] * along - axis[0] * across[:, None]
    rows, columns = grid_indices(grid, y, x)
    inside_image = (rows > -0.5) & (rows < grid.shape[0] - 0.5)
    inside_image &= (columns > -0.5) & (columns < grid.shape[1] - 0.5)
    values = ndimage.map_coordinates(
        spline, np.stack([rows, columns]), order=3, mode="nearest", prefilter=False
    )
    place = np.zeros(len(across))
    for _ in range(2):
        inner = (out <= place[:, None] - first) & (out >= place[:, None] - last)
        outer = (out >= place[:, None] + near) & (out <= place[:, None] + far)
        high, low = _at_edge(values, out, place, inner), _mean(values, outer)
        place = _crossings(values, out, (high + low) / 2, place, reach)
    lowest = np.where(inner, values, np.inf).min(axis=1)
    rise = high - low
    usual = float(np.median(rise[rise > 0])) if (rise > 0).any() else 0.0
    good = np.isfinite(place) & inside_image.all(axis=1) & (rise > _WEAK * usual)
    good &= lowest > low + _FLAT * rise
    place = np.where(np.isfinite(place), place, 0.0)
    steep = _steepness(values, out, place, good, step)
    lift = float(np.median(low[good])) / 2 / steep if good.any() and steep > 0 else 0.0
    return sign * (half + place), good, lift


def _at_edge(values: Floats, out: Floats, place: Floats, inner: Bools) -> Floats:
    """Level inside, carried to the edge by the common relative slope of all lines."""
    depth = np.where(inner, place[:, None] - out, 0.0)
    n = np.maximum(inner.sum(axis=1), 1)
    mean = (values * inner).sum(axis=1) / n
    middle = depth.sum(axis=1) / n
    rest = np.where(inner, depth - middle[:, None], 0.0)
    slopes = (rest * values).sum(axis=1) / np.maximum((rest**2).sum(axis=1), 1e-12)
    share = float(np.median(slopes / np.maximum(np.abs(mean), 1e-12)))
    return np.asarray(mean * (1 - share * middle))


def _mean(values: Floats, where: Bools) -> Floats:
    return np.asarray((values * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))


def _crossings(values: Floats, out: Floats, level: Floats, near: Floats, reach: float) -> Floats:
    """Where each line falls through its level, the crossing next to a place; NaN where there is none."""
    over = values - level[:, None]
    falls = (over[:, :-1] > 0) & (over[:, 1:] <= 0)
    away = np.where(falls, np.abs(out[:-1] - near[:, None]), np.inf)
    i = np.argmin(away, axis=1)
    lines = np.arange(len(values))
    first, second = over[lines, i], over[lines, i + 1]
    at = out[i] + (out[1] - out[0]) * first / np.where(first == second, 1.0, first - second)
    return np.where(away[lines, i] <= reach, at, np.nan)


def _steepness(values: Floats, out: Floats, place: Floats, good: Bools, step: float) -> float:
    """Fall of the signal per millimetre at the edge, median of the good lines."""
    if not good.any():
        return 0.0
    i = np.clip(np.round((place - out[0]) / step).astype(int), 2, len(out) - 3)
    lines = np.arange(len(values))
    fall = (values[lines, i - 2] - values[lines, i + 2]) / (4 * step)
    return float(np.median(fall[good]))


def _common_slope(across: Floats, edges: Floats, sound: Bools) -> tuple[float, Floats]:
    """Slope that both ends share, by the median of pairs, and what it leaves."""
    w = across[sound]
    half = len(w) // 2
    far = w[half : 2 * half] - w[:half]
    slopes = [(e[sound][half : 2 * half] - e[sound][:half]) / far for e in edges]
    slope = float(np.median(np.concatenate(slopes)))
    rest = edges - slope * across
    rest = rest - np.median(rest[:, sound], axis=1)[:, None]
    clear = sound & (np.abs(rest) < max(0.3, 3 * 1.4826 * float(np.median(np.abs(rest[:, sound]))))).all(
        axis=0
    )
    if clear.sum() > 3:
        v = across[clear] - across[clear].mean()
        slope = float(np.mean([(v @ e[clear]) / (v @ v) for e in edges]))
        rest = edges - slope * across
        rest = rest - np.median(rest[:, sound], axis=1)[:, None]
    return slope, rest


def _mean_edge(ends: Ends, edge: Floats, grid: ImageGrid, step: float) -> tuple[float, float, float]:
    """Mean edge of the sound lines, its variance, and the share of the pixels' ripple that is left in it.

    Where the end meets the pixels in all phases the ripple is fitted and taken out. The variance comes from
    the scatter about a line, with its correlation along the end.
    """
    sound = ends.sound
    w, e = ends.across_mm[sound], edge[sound]
    y, x = ends.to_image_mm(e, w)
    phase = 2 * np.pi * grid_indices(grid, y, x)[int(abs(ends.axis[1]) > abs(ends.axis[0]))]
    left = float(np.abs(np.exp(1j * phase).mean()))
    columns = [np.ones_like(w), w - w.mean()]
    if left < _PHASES_MIXED:
        columns += [np.cos(phase), np.sin(phase)]
        left = 0.0
    fitted = np.stack(columns, axis=1)
    values = np.linalg.lstsq(fitted, e, rcond=None)[0]
    rest = e - fitted @ values
    whole = np.zeros(len(edge))
    whole[sound] = rest
    total = float(rest @ rest) / len(rest)
    for k in range(1, max(2, min(round(_CORRELATED_MM / step), len(edge) // 4))):
        covariance = float(whole[:-k] @ whole[k:]) / len(rest)
        if covariance <= 0:
            break
        total += 2 * covariance
    return float(values[0]), total / len(rest), left


def axis_in_image(series: Series, axis: npt.ArrayLike) -> tuple[tuple[float, float], float]:
    """Direction ``(y, x)`` of an axis in the images of a series, and its angle out of their plane.

    Raises
    ------
    ValueError
        If the images are square to the axis, or nearly.
    """
    direction = np.asarray(axis, dtype=np.float64)
    x, y = np.array(series.orientation[:3]), np.array(series.orientation[3:])
    out = float(direction @ series.normal)
    if abs(out) > _MOST_TILT:
        raise ValueError(
            "the localizer must show the axis of the phantom, got images that it crosses at "
            f"{math.degrees(math.asin(min(abs(out), 1.0))):.0f} degrees"
        )
    in_plane = np.array([direction @ y, direction @ x])
    in_plane /= np.linalg.norm(in_plane)
    return (float(in_plane[0]), float(in_plane[1])), math.asin(out)
