"""Where a point target lies and how wide it looks, between the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import each, finite, positive
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound._envelope import checked_envelope
from imgtech.qc.uncertainty.propagation import propagate

Floats = npt.NDArray[np.float64]

_IEC = Source(document="IEC 61391-1", edition="2006", clause="axial and lateral resolution", verified=False)
_ALGORITHM = "point-target-1"
_FINE = 24
_AXES = ("axial", "lateral")


@dataclass(frozen=True, kw_only=True)
class PointTarget:
    """A point or wire target of an ultrasound image.

    Parameters
    ----------
    axial_width, lateral_width : Measurement
        Full width of the envelope at the chosen level, in mm.
    axial_position, lateral_position : Measurement
        Middle between the points at half the peak, in mm in the frame of the grid.
    peak : float
        Highest value of the envelope.
    background : float
        Root mean square of the envelope around the target.
    """

    axial_width: Measurement
    lateral_width: Measurement
    axial_position: Measurement
    lateral_position: Measurement
    peak: float
    background: float


def point_target(
    envelope: npt.ArrayLike,
    grid: ImageGrid,
    *,
    near_mm: tuple[float, float],
    search_mm: tuple[float, float],
    level_db: float = -6.0,
) -> PointTarget:
    r"""Position and width of the brightest point near a place.

    The envelope is interpolated by quintic splines. The widths are the distances between the points where
    the lines through its highest point, along either axis, fall to ``level_db`` below the peak (-6 dB of the
    envelope is half the peak, -20 dB a tenth). The position is the middle between the points at half the
    peak, which noise on a flat top moves less than the highest point.

    What adds to the target, speckle or receiver noise, is a random field whose power and correlation are
    measured in the search window outside twice the -6 dB widths. The uncertainty follows from the
    slope of the envelope at the crossings and that correlation: a field as wide as the target moves peak
    and flanks together. It says how the numbers would change in front of
    another piece of the same background; a scan repeated at the same place would differ by less.

    Parameters
    ----------
    envelope : array_like
        Envelope (not in dB), shape ``(ny, nx)``: depth and lateral position.
    grid : ImageGrid
        Where the pixels are.
    near_mm : (float, float)
        Where to look, ``(y, x)``.
    search_mm : (float, float)
        Half the height and width of the search window; the brightest pixel in it is taken.
    level_db : float, optional
        Level of the width, below 0.

    Returns
    -------
    PointTarget
        Positions and widths with their uncertainties.

    Raises
    ------
    ValueError
        If the envelope is negative or not finite, the window reaches outside the image, the brightest
        pixel lies on its edge, the envelope does not fall to the level inside it, the width spans fewer
        than 3 pixels, or the window leaves no background.

    References
    ----------
    IEC 61391-1:2006, Ultrasonics - Pulse-echo scanners - Part 1: Techniques for calibrating spatial
    measurement systems and measurement of system point-spread function response.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> from imgtech.qc.metrics.ultrasound import point_target
    >>> grid = ImageGrid(shape=(120, 90), spacing_mm=(0.05, 0.1), center_mm=(30.0, -2.0))
    >>> y, x = grid.coordinates_mm[0][:, None] - 30.11, grid.coordinates_mm[1] + 1.87
    >>> point = np.exp(-4 * np.log(2) * ((y / 0.4) ** 2 + (x / 0.9) ** 2))  # 0.4 and 0.9 mm wide
    >>> noise = 0.01 * speckle_field(grid, fwhm_mm=(0.4, 0.9), rng=np.random.default_rng(1))
    >>> target = point_target(abs(point + noise), grid, near_mm=(30.0, -2.0), search_mm=(1.5, 2.5),
    ...                       level_db=-6.0206)
    >>> abs(target.lateral_width.value - 0.9) < 2 * target.lateral_width.uncertainty
    True
    """
    image = checked_envelope("envelope", envelope, grid)
    level = 10 ** (finite("level_db", level_db) / 20)
    if level >= 1:
        raise ValueError(f"level_db must be below 0, got {level_db}")
    window = _window(grid, near_mm, search_mm)
    crop = image[window]
    first = [float(grid.coordinates_mm[axis][window[axis]][0]) for axis in (0, 1)]
    splines = ndimage.spline_filter(crop, order=5, mode="mirror")
    place, peak = _highest(crop, splines)
    sides = [_crossings(splines, place, axis, 0.5 * peak, 0.5) for axis in (0, 1)]
    reach = [high - low for low, high, _, _ in sides]
    power, widths = _background(crop, place, reach)
    field = math.sqrt(power / 2)
    found = {}
    for axis, name in enumerate(_AXES):
        step = grid.spacing_mm[axis]
        low, high, rise, fall = _crossings(splines, place, axis, level * peak, 1 - level)
        if high - low < 3:
            raise ValueError(
                f"envelope must have 3 pixels or more in the {name} width, got {high - low:.1f}; "
                "show less depth or zoom in"
            )
        spots = np.array([low, place[axis], high])
        correlation = np.exp(-((spots[:, None] - spots) ** 2) / (4 * widths[axis] ** 2))
        slopes = [1 / rise, -level * (1 / rise + 1 / fall), 1 / fall]
        width = propagate(high - low, slopes, [field] * 3, correlation=correlation)
        left, right, rise, fall = sides[axis]
        spots = np.array([left, place[axis], right])
        correlation = np.exp(-((spots[:, None] - spots) ** 2) / (4 * widths[axis] ** 2))
        slopes = [-1 / rise, 0.5 * (1 / rise - 1 / fall), 1 / fall]
        middle = propagate((left + right) / 2, slopes, [field / 2] * 3, correlation=correlation)
        details = {"peak": peak, "background (dB)": 10 * math.log10(max(power, 1e-300) / peak**2)}
        found[f"{name}_width"] = Measurement(
            name=f"{name} width at {level_db:g} dB",
            value=width.value * step,
            unit="mm",
            uncertainty=width.uncertainty * step,
            definition=_IEC,
            algorithm=_ALGORITHM,
            details=details,
        )
        found[f"{name}_position"] = Measurement(
            name=f"{name} position",
            value=first[axis] + middle.value * step,
            unit="mm",
            uncertainty=middle.uncertainty * step,
            definition=_IEC,
            algorithm=_ALGORITHM,
            details=details,
        )
    return PointTarget(peak=peak, background=math.sqrt(power), **found)


def _window(
    grid: ImageGrid, near_mm: tuple[float, float], search_mm: tuple[float, float]
) -> tuple[slice, slice]:
    slices = []
    places, reach = each("near_mm", near_mm, 2), each("search_mm", search_mm, 2, positive)
    for name, near, half, positions in zip("yx", places, reach, grid.coordinates_mm, strict=True):
        if near - half < positions[0] - 1e-9 or near + half > positions[-1] + 1e-9:
            raise ValueError(
                f"near_mm and search_mm must stay between {positions[0]:.2f} and {positions[-1]:.2f} mm "
                f"along {name}, got {near:g} and {half:g}"
            )
        inside = np.flatnonzero(np.abs(positions - near) <= half + 1e-9)
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return slices[0], slices[1]


def _highest(crop: Floats, splines: Floats) -> tuple[tuple[float, float], float]:
    """Highest point of the splines within a pixel of the brightest pixel."""
    row, column = np.unravel_index(int(np.argmax(crop)), crop.shape)
    if row in (0, crop.shape[0] - 1) or column in (0, crop.shape[1] - 1):
        raise ValueError("search_mm must hold a peak, got the brightest pixel on the edge of the window")
    y, x, half = float(row), float(column), 1.0
    offsets = np.linspace(-1, 1, 9)
    while half > 1e-5:
        ys, xs = y + half * offsets, x + half * offsets
        values = _at(splines, np.repeat(ys, 9), np.tile(xs, 9))
        best = int(np.argmax(values))
        y, x, half = float(ys[best // 9]), float(xs[best % 9]), half / 3
    return (y, x), float(values[best])


def _at(splines: Floats, y: Floats, x: Floats) -> Floats:
    return np.asarray(ndimage.map_coordinates(splines, [y, x], order=5, mode="mirror", prefilter=False))


def _line(splines: Floats, place: tuple[float, float], axis: int, positions: Floats) -> Floats:
    fixed = np.full(positions.shape, place[1 - axis])
    return _at(splines, positions, fixed) if axis == 0 else _at(splines, fixed, positions)


def _crossings(
    splines: Floats, place: tuple[float, float], axis: int, level: float, drop: float
) -> tuple[float, float, float, float]:
    """Where the line through the peak crosses a level on either side, and its slopes there."""
    n = splines.shape[axis]
    ends, slopes = [], []
    for direction, room in ((-1, place[axis]), (1, n - 1 - place[axis])):
        steps = np.arange(int(room * _FINE) + 1) / _FINE
        values = _line(splines, place, axis, place[axis] + direction * steps)
        below = np.flatnonzero(values < level)
        if below.size == 0 or below[0] == 0:
            raise ValueError(f"search_mm must hold the {_AXES[axis]} width, got no fall by {drop:.0%}")
        i = int(below[0])
        part = (values[i - 1] - level) / (values[i - 1] - values[i])
        ends.append(place[axis] + direction * (i - 1 + part) / _FINE)
        slopes.append(float((values[i - 1] - values[i]) * _FINE))
    return float(ends[0]), float(ends[1]), slopes[0], slopes[1]


def _background(crop: Floats, place: tuple[float, float], reach: list[float]) -> tuple[float, list[float]]:
    """Mean power around the target, and the width of its correlation along each axis in pixels."""
    y, x = ((np.arange(n) - p) / (2 * w) for n, p, w in zip(crop.shape, place, reach, strict=True))
    outside = np.hypot(y[:, None], x) > 1
    if outside.sum() < 50:
        raise ValueError(f"search_mm must leave 50 pixels of background, got {outside.sum()}")
    power = crop**2
    mean = float(power[outside].mean())
    widths = []
    for axis in (0, 1):
        p, seen = np.moveaxis(power, axis, 0), np.moveaxis(outside, axis, 0)
        squares, weights = 0.0, 0.0
        for lag in range(1, max(int(2 * reach[axis]), 2)):
            both = seen[lag:] & seen[:-lag]
            if both.sum() < 20 or mean == 0:
                break
            fall = float((p[lag:] * p[:-lag])[both].mean()) / mean**2 - 1
            if fall < 0.2:
                break
            # exp(-lag^2 / 2 s^2), normalised to a variance of mean^2 as of complex normal fields
            squares += lag**2 * min(fall, 0.99)
            weights += -2 * math.log(min(fall, 0.99)) * min(fall, 0.99)
        widths.append(math.sqrt(squares / weights) if weights > 0 else 0.4)
    return mean, widths
