"""Items of an opaque plate on an open field: MTF of its sides, noise power, DQE, uniformity, bad pixels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import MTF, NPS, dqe, slanted_edge_mtf
from imgtech.qc.protocols._flat_pictures import path, ring
from imgtech.qc.protocols._items import Item
from imgtech.qc.protocols._planar_plain import (
    IEC,
    PIXELS,
    UNIFORM,
    bad_pixels,
    checked_linear,
    disk_contrast,
    plain_nps,
    region_noise,
    uniformity,
)
from imgtech.qc.report import Outline

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FREQUENCIES_PER_MM = (0.5, 1.0, 2.0)
SIDES = ("right", "bottom", "left", "top")
_EDGE = Source(document="IEC 62220-1-1", edition="2015", clause="MTF from an edge", verified=False)
_LARGEST_SHARE = 0.5
_MARGIN_MM = 3.0
_DISK_SIGMA = 8.0
_CLEAR_MM = 1.5
_SHORTEST_MM = 5.0
_OPEN_AROUND = 0.9
_BELOW_ZERO = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EdgeScene:
    """A plate found in an image.

    Parameters
    ----------
    image : numpy.ndarray
        Signal.
    grid : ImageGrid
        Pixels.
    plate, open_field : numpy.ndarray
        Masks: the plate; what is open, away from edges.
    corners_mm : tuple
        Corners ``(y, x)`` of the plate, in order.
    disks : tuple of ((float, float), float)
        Middle and radius of round objects beside it.
    """

    image: Floats
    grid: ImageGrid
    plate: Bools
    open_field: Bools
    corners_mm: tuple[tuple[float, float], ...]
    disks: tuple[tuple[tuple[float, float], float], ...]

    @property
    def sides(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        """Ends of the four sides, named by where their middles lie in the image."""
        pairs = list(zip(self.corners_mm, (*self.corners_mm[1:], self.corners_mm[0]), strict=True))
        cy, cx = np.mean(self.corners_mm, axis=0)
        angles = [math.atan2((a[0] + b[0]) / 2 - cy, (a[1] + b[1]) / 2 - cx) for a, b in pairs]
        first = int(np.argmin([abs(math.remainder(a, 2 * math.pi)) for a in angles]))
        step = 1 if math.remainder(angles[(first + 1) % 4] - angles[first], 2 * math.pi) > 0 else -1
        return {name: pairs[(first + step * k) % 4] for k, name in enumerate(SIDES)}


def find_plate(image: Floats, grid: ImageGrid) -> EdgeScene:
    """The one opaque rectangle of an open field.

    Dark pieces that touch the border are collimators; the rectangle must have open field around it.
    """
    smooth = ndimage.median_filter(image, 5)
    low, high = np.percentile(smooth, [0.5, 90])
    pieces, n = ndimage.label(smooth < (low + high) / 2)
    if n == 0 or high <= low:
        raise ValueError("no plate stands out of the open field")
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    border = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    sizes[np.unique(border)] = 0
    plate = pieces == int(np.argmax(sizes))
    if plate.mean() > _LARGEST_SHARE or sizes.max() < 400:
        raise ValueError("no opaque plate lies wholly in the open field")
    y, x = grid.coordinates_mm
    rows, columns = np.nonzero(plate & ~ndimage.binary_erosion(plate))
    corners = _rectangle(y[rows], x[columns])
    area = abs(_area(corners))
    if not 0.9 < plate.sum() * grid.spacing_mm[0] * grid.spacing_mm[1] / area < 1.1:
        raise ValueError("the opaque piece in the field is not a rectangle")
    reach = [max(math.ceil(_MARGIN_MM / d), 2) for d in grid.spacing_mm]
    off_edge = ndimage.binary_dilation(plate, iterations=max(reach))
    beside = ndimage.binary_dilation(off_edge, iterations=12) ^ off_edge
    lit = smooth > 0.7 * high
    if lit[beside].mean() < _OPEN_AROUND:
        raise ValueError("what lies around the opaque rectangle is not open field")
    inside = ndimage.binary_erosion(plate, iterations=max(reach))
    checked_linear(image, behind=inside.astype(np.float64), before=(beside & lit).astype(np.float64))
    level = float(image[inside].mean())
    if level < -_BELOW_ZERO * high:
        raise ValueError(f"values must be counted from no dose, but behind the plate they are {level:.4g}")
    disks, covered = _disks(smooth, grid, plate, region_noise(image, beside.astype(np.float64)))
    near = ndimage.binary_dilation(plate | covered, iterations=max(reach))
    return EdgeScene(
        image=image,
        grid=grid,
        plate=inside,
        open_field=ndimage.binary_erosion(lit, iterations=max(reach), border_value=1) & ~near,
        corners_mm=corners,
        disks=disks,
    )


def _rectangle(y: Floats, x: Floats) -> tuple[tuple[float, float], ...]:
    """Smallest rectangle around points, over all rotations."""
    best: tuple[float, float] = (math.inf, 0.0)
    for angle in np.deg2rad(np.arange(0.0, 90.0, 0.25)):
        c, s = math.cos(angle), math.sin(angle)
        u, v = x * c + y * s, y * c - x * s
        best = min(best, (float(np.ptp(u) * np.ptp(v)), float(angle)))
    c, s = math.cos(best[1]), math.sin(best[1])
    u, v = x * c + y * s, y * c - x * s
    ends = [(u.min(), v.min()), (u.max(), v.min()), (u.max(), v.max()), (u.min(), v.max())]
    return tuple((float(a * s + b * c), float(a * c - b * s)) for a, b in ends)


def _area(corners: tuple[tuple[float, float], ...]) -> float:
    points = np.array(corners)
    y, x = points.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _disks(
    smooth: Floats, grid: ImageGrid, plate: Bools, noise: float
) -> tuple[tuple[tuple[tuple[float, float], float], ...], Bools]:
    """Round pieces beside the plate that stand out, largest contrast first."""
    pixel = math.sqrt(grid.spacing_mm[0] * grid.spacing_mm[1])
    blurred = ndimage.gaussian_filter(smooth, 1.0 / pixel)
    wide = ndimage.median_filter(blurred[::4, ::4], size=max(3, round(40.0 / pixel / 4)))
    wide = ndimage.zoom(wide, np.array(blurred.shape) / np.array(wide.shape), order=1)
    near = ndimage.binary_dilation(plate, iterations=math.ceil(6.0 / pixel))
    scatter = noise * pixel / (2 * math.sqrt(math.pi) * 1.0)
    off = (np.abs(blurred - wide) > _DISK_SIGMA * scatter) & ~near
    off = ndimage.binary_opening(off, iterations=max(round(1.0 / pixel), 1))
    labels, _ = ndimage.label(off)
    y, x = grid.coordinates_mm
    found = []
    for k, box in enumerate(ndimage.find_objects(labels), 1):
        piece = labels[box] == k
        # its size where it is half as deep as in its middle, however far its foot stands out of the noise
        depth = np.abs(blurred - wide)[box]
        piece &= depth > 0.5 * np.percentile(depth[piece], 90)
        rows, columns = np.nonzero(piece)
        piece = piece[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        box = tuple(
            slice(side.start + int(line.min()), side.start + int(line.max()) + 1)
            for side, line in zip(box, (rows, columns), strict=True)
        )
        area = piece.sum() * pixel**2
        height, width = (piece.shape[a] * grid.spacing_mm[a] for a in (0, 1))
        round_enough = (
            abs(height - width) < 0.25 * max(height, width) and 0.65 < area / (height * width) < 0.9
        )
        if not round_enough or not 3.0 < width < 40.0:
            continue
        rows, columns = np.nonzero(piece)
        weight = np.abs((blurred - wide)[box][piece])
        place = (
            float(np.average(y[box[0]][rows], weights=weight)),
            float(np.average(x[box[1]][columns], weights=weight)),
        )
        found.append((float(weight.mean()), place, 0.5 * math.sqrt(height * width)))
    found.sort(key=lambda f: -f[0])
    return tuple((place, radius) for _, place, radius in found), np.asarray(
        ndimage.binary_dilation(off, iterations=3)
    )


def edge_items(
    scene: EdgeScene, *, quanta_per_mm2: float | None, quanta_relative_uncertainty: float
) -> Iterator[Item]:
    """Everything that can be measured."""

    @cache
    def mtf(side: str) -> MTF:
        return _mtf(scene, side)

    @cache
    def nps() -> NPS:
        return plain_nps(scene.image, scene.grid, scene.open_field)

    def item(
        name: str, unit: str, algorithm: str, source: Source, measure: Callable[[], Measurement]
    ) -> Item:
        return Item(name=name, unit=unit, algorithm=algorithm, definition=source, measure=measure)

    for side in SIDES:
        for level in (0.5, 0.1):
            yield item(f"MTF{100 * level:g} {side} edge", "1/mm", "slanted-edge-hermite-3", _EDGE,
                       lambda s=side, v=level: mtf(s).at(v))  # type: ignore[misc]  # fmt: skip
    nyquist = 0.5 / max(scene.grid.spacing_mm)
    signal = float(scene.image[scene.open_field].mean())
    for f in FREQUENCIES_PER_MM:
        if f < 0.9 * nyquist:
            yield item(f"NNPS at {f:g} per mm", "mm^2", "nps-over-signal-squared-1", IEC,
                       lambda f=f: _nnps(nps(), f, signal))  # type: ignore[misc]  # fmt: skip
    if quanta_per_mm2 is not None:
        for f in FREQUENCIES_PER_MM:
            if f < 0.9 * nyquist:
                measure = partial(_dqe, mtf, nps, f, quanta_per_mm2, quanta_relative_uncertainty)
                yield item(f"DQE at {f:g} per mm", "1", "dqe-1", IEC, measure)
    yield item("noise", "%", "nps-integral-1", IEC, lambda: _noise(nps(), signal))
    for k in range(len(scene.disks)):
        yield item(
            f"contrast disk {k + 1}", "%", "disk-ring-contrast-1", IEC, partial(_contrast, scene, k, signal)
        )
    yield item("uniformity", "%", "percentile-uniformity-2", UNIFORM, partial(_uniform, scene))
    yield item("bad pixels", "1", "median-deviation-1", PIXELS, partial(_bad, scene))


def _mtf(scene: EdgeScene, side: str) -> MTF:
    """From a box around the middle of a side, as long as the corners and what lies beside the plate allow."""
    (ay, ax), (by, bx) = scene.sides[side]
    middle = (ay + by) / 2, (ax + bx) / 2
    length = math.hypot(by - ay, bx - ax)
    along = abs(by - ay) > abs(bx - ax)
    slope = abs((bx - ax) / (by - ay) if along else (by - ay) / (bx - ax))
    others = _in_the_way(scene, side) - middle
    half, width = 0.36 * length, min(0.3 * length, 12.0)
    while True:
        across = width + slope * half
        reach = (half, across) if along else (across, half)
        if not (np.abs(others) < np.array(reach) + _CLEAR_MM).all(axis=1).any():
            break
        half, width = 0.93 * half, 0.96 * width
        if half < _SHORTEST_MM:
            raise ValueError(f"what lies beside the {side} edge leaves less than {_SHORTEST_MM:g} mm of it")
    box = []
    for positions, c, r in zip(scene.grid.coordinates_mm, middle, reach, strict=True):
        first, last = np.searchsorted(positions, [c - r, c + r])
        box.append(slice(int(first), int(last)))
    return slanted_edge_mtf(scene.image[box[0], box[1]], (scene.grid.spacing_mm[0], scene.grid.spacing_mm[1]))


def _in_the_way(scene: EdgeScene, side: str) -> Floats:
    """Points ``(y, x)`` on the other sides of the plate and on the rims of the disks."""
    share = np.linspace(0.0, 1.0, 200)[:, None]
    points = [
        np.array(first) * (1 - share) + np.array(second) * share
        for name, (first, second) in scene.sides.items()
        if name != side
    ]
    turn = np.linspace(0.0, 2 * math.pi, 60)
    for (cy, cx), radius in scene.disks:
        points.append(np.stack([cy + radius * np.sin(turn), cx + radius * np.cos(turn)], axis=1))
    return np.concatenate(points)


def _nnps(nps: NPS, f: float, signal: float) -> Measurement:
    m = nps.at(f)
    return dataclasses.replace(
        m,
        value=(m.value or 0.0) / signal**2,
        uncertainty=(m.uncertainty or 0.0) / signal**2,
        unit="mm^2",
        definition=IEC,
        algorithm="nps-over-signal-squared-1",
        details={},
    )


def _noise(nps: NPS, signal: float) -> Measurement:
    m = nps.variance()
    deviation = math.sqrt(m.value or 0.0)
    return dataclasses.replace(
        m,
        name="noise",
        value=100 * deviation / signal,
        uncertainty=100 * (m.uncertainty or 0.0) / (2 * deviation) / signal,
        unit="%",
        definition=IEC,
        algorithm="nps-integral-1",
        details={"signal": signal},
    )


def _dqe(
    mtf: Callable[[str], MTF], nps: Callable[[], NPS], f: float, quanta: float, relative: float
) -> Measurement:
    """Of the first side that has an MTF."""
    reasons = []
    for side in SIDES:
        try:
            curve = mtf(side)
        except ValueError as error:
            reasons.append(str(error))
            continue
        return dqe(curve, nps(), quanta_per_mm2=quanta, quanta_relative_uncertainty=relative).at(f)
    raise ValueError(reasons[0])


def _contrast(scene: EdgeScene, k: int, signal: float) -> Measurement:
    place, radius = scene.disks[k]
    found = disk_contrast(scene.image, scene.grid, place, radius, signal=signal)[1]
    assert found is not None
    y, x = place
    return dataclasses.replace(found, details={"y (mm)": y, "x (mm)": x, "diameter (mm)": 2 * radius})


def _uniform(scene: EdgeScene) -> Measurement:
    return uniformity(scene.image, [scene.open_field.astype(np.float64)], 0.0)


def _bad(scene: EdgeScene) -> Measurement:
    clear = scene.open_field | scene.plate
    found, _ = bad_pixels(scene.image, region_noise(scene.image, scene.open_field.astype(np.float64)), clear)
    return dataclasses.replace(found, details={**found.details, "pixels looked at": float(clear.sum())})


def edge_outlines(scene: EdgeScene) -> list[Outline]:
    """The plate, the disks and the squares of the noise power."""
    out = [path(scene.grid, scene.corners_mm, "plate")]
    out += [ring(scene.grid, place, radius, str(k)) for k, (place, radius) in enumerate(scene.disks, 1)]
    return out
