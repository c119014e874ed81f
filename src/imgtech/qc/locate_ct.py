"""Find a round CT phantom in a stack: its axis, its rods, the slice and the way round it lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import each, positive
from imgtech.io import Series
from imgtech.phantoms.twins import Insert
from imgtech.qc.locate import outline_circle
from imgtech.qc.metrics.rim import fit_circle
from imgtech.qc.pose import grid_indices

__all__ = ["Axis", "RodPattern", "find_axis", "match_rods"]

Floats = npt.NDArray[np.float64]

_COARSE_MM = 3.0
_LOOKED_AT = 25
_TURNS = 720
_ANGLES = 2 * math.pi * np.arange(_TURNS) / _TURNS
_LEAST_BLOCKS = 16
_BAND_MM = (-2.5, -1.25, 0.0, 1.25, 2.5)
_APART_RAD = math.radians(25.0)
_ROUNDED_HU = 1e-6
_SHARE_OF_BEST = 0.6
_STEADY_MM = {
    True: 0.0016,
    False: 0.0045,
}  # what interpolation leaves of a centroid, of a circle through the rim
_RAYS = 240
_FREE_MM = (4.0, 7.0)
_FREE_SHARE = 0.03
_AGREE = 0.05  # mm, or pixels where they are larger: metal beside the phantom pulls at the centroid
_LOWEST_HU = -1024.0
_FILLED = (0.75, 0.9)
_SHARES = (-0.5, 1.5)  # of the step from air to the body: a wall may be denser, metal counts no more
_SEARCH_MM = 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis(ArrayValue):
    """The outline of a round phantom through a stack.

    Parameters
    ----------
    positions_mm : numpy.ndarray
        Positions along the stack of the slices in which it was found; up to 25 are looked at.
    centers_mm : numpy.ndarray
        ``(slice, 2)``: centre ``(y, x)`` of the outline in them.
    radii_mm : numpy.ndarray
        Its radius.
    offset_mm : tuple of float
        ``(y, x)`` of the straight line through the centres, at position 0 of the stack.
    slope : tuple of float
        Shift of that line in ``(y, x)`` per mm along the stack.
    slope_uncertainties : tuple of float
        Standard uncertainties of the two slopes.
    """

    positions_mm: Floats
    centers_mm: Floats
    radii_mm: Floats
    offset_mm: tuple[float, float]
    slope: tuple[float, float]
    slope_uncertainties: tuple[float, float]

    def at(self, position_mm: float) -> tuple[float, float]:
        """Centre ``(y, x)`` of the axis at a position of the stack."""
        return (
            self.offset_mm[0] + self.slope[0] * position_mm,
            self.offset_mm[1] + self.slope[1] * position_mm,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RodPattern(ArrayValue):
    """How well a ring of rods fits every slice.

    Parameters
    ----------
    scores : numpy.ndarray
        Best correlation with the pattern in every slice, 1 for a perfect match.
    roll_rad : float
        Rotation from x towards y in the slices that fit.
    mirrored : bool
        Whether left and right are exchanged.
    score, runner_up : float
        Correlation of the mean over the slices that fit, and that of the best pose that differs by more than
        25 degrees or by a mirror.
    heights : numpy.ndarray
        How strongly every slice shows the pattern, in HU: score times standard deviation of its ring.
    """

    scores: Floats
    roll_rad: float
    mirrored: bool
    score: float
    runner_up: float
    heights: Floats


def find_axis(series: Series, *, radius_mm: tuple[float, float]) -> Axis:
    """Find the outline of a round phantom in a CT series.

    On means over blocks of about 3 mm slices are cut half-way between air and the middle of the image; of the
    largest piece, its holes filled, the circle that most outline points agree on is taken, so that a table
    below and a clipped side do not pull at it. Along rays from its centre the half height is found to a
    fraction of a pixel and a circle fitted, points far from it left out, first on the blocks, then on the
    pixels; where nothing else is near, the centroid of the disk is taken. A straight line goes through the
    centres of all slices whose radius fits.

    Parameters
    ----------
    series : Series
        CT, in HU or any unit in which the phantom is brighter than air.
    radius_mm : (float, float)
        Smallest and largest radius.

    Returns
    -------
    Axis
        Centres, radii and the line through them.

    Raises
    ------
    ValueError
        If no slice shows a disk of that size.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import Series
    >>> from imgtech.phantoms.twins import Placement, catphan
    >>> from imgtech.qc.locate_ct import find_axis
    >>> grid, z = ImageGrid(shape=(250, 260), spacing_mm=(0.95, 0.9)), np.arange(-20.0, 21.0, 5.0)
    >>> pixels = catphan("504").slices(grid, z, thickness_mm=5.0, sigma_mm=0.7,
    ...                                placement=Placement(center_mm=(4.0, -7.0)))
    >>> series = Series(pixels=pixels, spacing_mm=grid.spacing_mm, positions_mm=z, slice_thickness_mm=5.0,
    ...                 modality="CT")
    >>> axis = find_axis(series, radius_mm=(90.0, 110.0))
    >>> [round(c, 1) for c in axis.at(0.0)]
    [4.0, -7.0]
    """
    low, high = each("radius_mm", radius_mm, 2, positive)
    steps = [max(1, round(_COARSE_MM / d)) for d in series.spacing_mm]
    rows, columns = (n // step * step for n, step in zip(series.pixels.shape[1:], steps, strict=True))
    if min(rows // steps[0], columns // steps[1]) < _LEAST_BLOCKS:
        high, wide = series.grid.fov_mm
        raise ValueError(
            f"series must show at least {_LEAST_BLOCKS} pixels and {_LEAST_BLOCKS * _COARSE_MM:g} mm each "
            f"way, got {series.grid.shape[0]} x {series.grid.shape[1]} pixels, {high:g} x {wide:g} mm"
        )
    y, x = (
        c[:n].reshape(-1, step).mean(axis=1)
        for c, n, step in zip(series.grid.coordinates_mm, (rows, columns), steps, strict=True)
    )
    last = len(series.pixels) - 1
    chosen = np.unique(np.linspace(0, last, min(last + 1, _LOOKED_AT)).round().astype(int))
    lowest = _LOWEST_HU if _is_padded(series) else -np.inf
    found, seen = [], []
    fine, coarse = (series.grid.coordinates_mm[0], series.grid.coordinates_mm[1]), []
    for i in chosen:
        seen_values = np.maximum(series.pixels[i, :rows, :columns], lowest)
        blocks = seen_values.reshape(rows // steps[0], steps[0], -1, steps[1])
        coarse.append(blocks.mean(axis=(1, 3), dtype=np.float64))
    heights = [_levels(image) for image in coarse]
    least = _SHARE_OF_BEST * max(body - air for air, body in heights)
    for i, image, (air, body) in zip(chosen, coarse, heights, strict=True):
        circle = None
        if body - air > max(least, _ROUNDED_HU):
            circle = _circle(image, (y, x), series.pixels[i], fine, air, body)
        if circle is None:
            continue
        seen.append(circle[1])
        if low <= circle[1] <= high:
            found.append((float(series.positions_mm[i]), *circle))
    if not found:
        sizes = f"{2 * np.median(seen):.0f} mm across" if seen else "none"
        raise ValueError(
            f"no slice shows a disk of {2 * low:.0f} to {2 * high:.0f} mm diameter; outlines found: {sizes}"
        )
    positions, centers = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    offset, slope, spread = _line(positions, centers, _STEADY_MM[all(f[3] for f in found)])
    return Axis(
        positions_mm=positions,
        centers_mm=centers,
        radii_mm=np.array([f[2] for f in found]),
        offset_mm=offset,
        slope=slope,
        slope_uncertainties=spread,
    )


def match_rods(series: Series, axis: Axis, rods: Sequence[Insert], *, body_hu: float) -> RodPattern:
    """Find the slices that show a ring of rods, and its rotation and mirror image, by correlation.

    Every slice is read on the circle through the rods; the correlation with the drawing is computed for all
    rotations at once, for the drawing and for its mirror image. It does not change with offset or scale of
    the CT numbers.

    Parameters
    ----------
    series : Series
        The stack.
    axis : Axis
        Where the phantom lies.
    rods : sequence of Insert
        Rods at one distance from the axis; others are passed over.
    body_hu : float
        Nominal CT number between them.

    Returns
    -------
    RodPattern
        The score of every slice and the pose.

    Raises
    ------
    ValueError
        If the circle reaches beyond the image in every slice.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import Series
    >>> from imgtech.phantoms.twins import Placement, catphan, catphan_drawing
    >>> from imgtech.qc.locate_ct import find_axis, match_rods
    >>> grid, z = ImageGrid.square(230, fov_mm=230.0), np.arange(-30.0, 31.0, 10.0)
    >>> pixels = catphan("504").slices(grid, z, thickness_mm=5.0, sigma_mm=0.7,
    ...                                placement=Placement(roll_rad=0.3, mirrored=True))
    >>> series = Series(pixels=pixels, spacing_mm=grid.spacing_mm, positions_mm=z, slice_thickness_mm=5.0,
    ...                 modality="CT")
    >>> axis = find_axis(series, radius_mm=(90.0, 110.0))
    >>> pattern = match_rods(series, axis, catphan_drawing("504").inserts, body_hu=90.0)
    >>> round(pattern.roll_rad, 2), pattern.mirrored, z[pattern.scores > 0.9].tolist()
    (0.3, True, [-10.0, 0.0, 10.0])
    """
    return match_drawings(series, axis, {"": (rods, body_hu)})[""]


def match_drawings(
    series: Series, axis: Axis, drawings: Mapping[str, tuple[Sequence[Insert], float]]
) -> dict[str, RodPattern]:
    """:func:`match_rods` for several drawings, each rods and CT number between them, by name.

    Circles of one radius are read once.

    Raises
    ------
    ValueError
        If a circle reaches beyond the image in every slice.
    """
    read: dict[float, Floats] = {}
    found = {}
    for name, (rods, body_hu) in drawings.items():
        radius = float(np.median([math.hypot(*rod.center_mm) for rod in rods]))
        if radius not in read:
            read[radius] = _rings(series, axis, radius)
        found[name] = _pattern(read[radius], rods, body_hu, radius)
    return found


def _rings(series: Series, axis: Axis, radius: float) -> Floats:
    """What every slice shows on a circle around the axis; 0 where it reaches beyond the image."""
    places = enumerate(series.positions_mm)
    rings = np.stack([_ring(series, i, axis.at(float(z)), radius, _ANGLES) for i, z in places])
    inside = np.asarray(np.isfinite(rings).all(axis=1), dtype=bool)
    if not inside.any():
        raise ValueError(f"the circle of {2 * radius:.0f} mm through the rods reaches beyond the image")
    return np.where(inside[:, None], rings, 0.0)


def _pattern(rings: Floats, rods: Sequence[Insert], body_hu: float, radius: float) -> RodPattern:
    """Best rotation and mirror image of a drawing on rings."""
    angles = _ANGLES
    drawn = [_drawn(rods, body_hu, radius, angles, mirrored) for mirrored in (False, True)]
    found = np.stack([_turns(rings, d) for d in drawn], axis=1)
    scores = found.max(axis=(1, 2))
    top = float(scores.max())
    fits = scores >= max(0.9 * top, top - 0.1)
    together = np.stack([_turns(rings[fits].mean(axis=0)[None], d)[0] for d in drawn])
    side, turn = np.unravel_index(int(np.argmax(together)), together.shape)
    away = np.abs(np.angle(np.exp(1j * (angles - angles[turn])))) > _APART_RAD
    others = max(float(together[side][away].max()), float(together[1 - side].max()))
    return RodPattern(
        scores=scores,
        roll_rad=float(np.angle(np.exp(1j * angles[turn]))),
        mirrored=bool(side == 1),
        score=float(together[side, turn]),
        runner_up=others,
        heights=scores * rings.std(axis=1),
    )


def _is_padded(series: Series) -> bool:
    """Whether values below those of air fill a part of the images, as around a round field of view."""
    low, middle = np.percentile(series.pixels[:: max(1, len(series.pixels) // 5)], (1, 50))
    return bool(low < 1.1 * _LOWEST_HU < middle)


def _levels(image: Floats) -> tuple[float, float]:
    """Levels of the air and of the body: the median of what lies above half of the range."""
    air, high = (float(p) for p in np.percentile(image, (2, 99)))
    return air, float(np.median(image[image >= (air + high) / 2]))


def _circle(
    image: Floats,
    places: tuple[Floats, Floats],
    pixels: npt.NDArray[np.float32],
    fine: tuple[Floats, Floats],
    air: float,
    body: float,
) -> tuple[tuple[float, float], float, bool] | None:
    """Centre and radius of the phantom, and whether it stands free: first on coarse pixels, then on all."""
    level = (air + body) / 2
    guess = outline_circle(image > level, *places)
    if guess is None:
        return None
    center, radius = guess
    angles = 2 * math.pi * np.arange(_RAYS) / _RAYS
    for values, where in ((image, places), (pixels, fine)):
        edge, found = _half_height(values, where, center, radius, angles, level)
        if found.sum() < _RAYS / 3:
            return *guess, False
        center, radius, _ = fit_circle(edge, found, angles, center)
    whole = _centroid(np.clip((image - air) / (body - air), *_SHARES), places, center, radius)
    tolerance = _AGREE * max(1.0, fine[0][1] - fine[0][0], fine[1][1] - fine[1][0])
    if whole is None or math.dist(whole, center) > tolerance:
        return center, radius, False
    return whole, radius, True


def _centroid(
    share: Floats, places: tuple[Floats, Floats], center: tuple[float, float], radius: float
) -> tuple[float, float] | None:
    """Centroid of a disk that stands free in the image, better than any edge; None if it does not."""
    y, x = places
    cy, cx = center
    far = radius + _FREE_MM[1]
    if cy - far < y[0] or cy + far > y[-1] or cx - far < x[0] or cx + far > x[-1]:
        return None
    r = np.hypot(y[:, None] - cy, x - cx)
    if share[(r > radius + _FREE_MM[0]) & (r < far)].mean() > _FREE_SHARE:
        return None
    filled = np.clip((_FILLED[1] - r / radius) / (_FILLED[1] - _FILLED[0]), 0.0, 1.0)
    disk = np.where(r < far, filled + (1 - filled) * share, 0.0)
    whole = disk.sum()
    return float((disk.sum(axis=1) @ y) / whole), float((disk.sum(axis=0) @ x) / whole)


def _half_height(
    image: Floats | npt.NDArray[np.float32],
    places: tuple[Floats, Floats],
    center: tuple[float, float],
    radius: float,
    angles: Floats,
    level: float,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Where rays fall below a level, nearest to a circle; not found where they leave the image."""
    r = radius + np.arange(-_SEARCH_MM, _SEARCH_MM + 0.5)
    at = [
        (c + np.multiply.outer(way(angles), r) - p[0]) / (p[1] - p[0])
        for c, way, p in zip(center, (np.sin, np.cos), places, strict=True)
    ]
    values = ndimage.map_coordinates(image, np.stack(at), order=1, mode="nearest", output=np.float64)
    falls = (values[:, :-1] >= level) & (values[:, 1:] < level)
    inside = [(a >= 0) & (a <= n - 1) for a, n in zip(at, image.shape, strict=True)]
    falls &= (inside[0] & inside[1])[:, 1:]
    distance = np.where(falls, np.abs(r[:-1] - radius), np.inf)
    k, rows = np.argmin(distance, axis=1), np.arange(len(angles))
    upper, lower = values[rows, k], values[rows, k + 1]
    part = np.clip((upper - level) / np.maximum(upper - lower, 1e-9), 0.0, 1.0)
    return np.asarray(r[k] + part), falls.any(axis=1)


def _line(
    position: Floats, centers: Floats, steady_mm: float
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """A line through the centres that outliers do not pull at: offset, slope, uncertainties of the slope."""
    keep = np.ones(len(position), dtype=bool)
    fit = np.stack([np.zeros(2), np.median(centers, axis=0)])
    spread = np.zeros(2)
    for _ in range(6):
        if keep.sum() < 3 or np.ptp(position[keep]) == 0:
            fit = np.stack([np.zeros(2), np.median(centers[keep], axis=0)])
            break
        design = np.stack([position, np.ones_like(position)], axis=1)
        fit = np.linalg.lstsq(design[keep], centers[keep], rcond=None)[0]
        away = np.hypot(*(centers - design @ fit).T)
        limit = max(3 * 1.4826 * float(np.median(away[keep])), 0.1)
        wide = position[keep] - position[keep].mean()
        left = (centers - design @ fit)[keep]
        scatter = np.sqrt((left**2).sum(axis=0) / max(keep.sum() - 2, 1))
        spread = np.hypot(scatter / math.sqrt(float(wide @ wide)), steady_mm / np.ptp(position[keep]))
        new = away <= limit
        if np.array_equal(new, keep):
            break
        keep = new
    return _pair(fit[1]), _pair(fit[0]), _pair(spread)


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _ring(series: Series, index: int, center: tuple[float, float], radius: float, angles: Floats) -> Floats:
    """Mean over the width of a ring, by angle; not a number where it leaves the image."""
    r = radius + np.array(_BAND_MM)[:, None]
    where = grid_indices(series.grid, center[0] + r * np.sin(angles), center[1] + r * np.cos(angles))
    if any(w.min() < 0 or w.max() > n - 1 for w, n in zip(where, series.pixels.shape[1:], strict=True)):
        return np.full(len(angles), np.nan)
    values = ndimage.map_coordinates(series.pixels[index], np.stack(where), order=1, output=np.float64)
    return np.asarray(values.mean(axis=0))


def _drawn(rods: Sequence[Insert], body_hu: float, radius: float, angles: Floats, mirrored: bool) -> Floats:
    """What the ring would show at rotation 0, mean over its width."""
    values = np.zeros((len(_BAND_MM), len(angles)))
    r = radius + np.array(_BAND_MM)[:, None]
    v, u = r * np.sin(angles), r * np.cos(angles) * (-1 if mirrored else 1)
    for rod in rods:
        inside = np.hypot(v - rod.center_mm[0], u - rod.center_mm[1]) <= rod.radius_mm
        values[inside] = rod.nominal_hu - body_hu
    return np.asarray(values.mean(axis=0))


def _turns(rings: Floats, drawn: Floats) -> Floats:
    """Correlation of rings with a drawing at every rotation."""
    rings = rings - rings.mean(axis=1, keepdims=True)
    drawn = drawn - drawn.mean()
    spectrum = fft.rfft(rings, axis=1) * np.conj(fft.rfft(drawn))
    norm = np.sqrt((rings**2).sum(axis=1) * (drawn**2).sum())[:, None]
    turned = fft.irfft(spectrum, rings.shape[1], axis=1)
    return np.where(norm > 0, turned / np.where(norm > 0, norm, 1.0), 0.0)
