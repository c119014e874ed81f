"""The MagNET test objects: flood, slice width with nine rods, ghosting bottle.

Which object an image shows is told from its content. Sources of the drawing. [S] Read off an open scan of
the slice-width object (the test data of the open program hazen): two pairs of plates 30 mm above and below
the middle, nine rods in a square grid. [H] Rods 120 mm from end to end, plates at 11.3 degrees: as that
program and the published descriptions of the object have them. From memory and not checked: diameter of the
rods.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from imgtech._core.validate import one_of
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import (
    Distortion,
    RampSignal,
    distance,
    distortion_map,
    find_points,
    percent_integral_uniformity,
    plate_signal,
    slice_width,
    snr_smoothing,
    snr_two_images,
)
from imgtech.qc.metrics.points import Points
from imgtech.qc.pose import Pose, grid_indices, read_lines
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._mr_object import (
    MrObject,
    air_of,
    check_even,
    find_object,
    refuse_bright,
    refuse_clipped,
)
from imgtech.qc.protocols.mr_snr_nema import normalised, pair_of
from imgtech.qc.report import Outline, Picture, Report
from imgtech.qc.roi import rectangle_region, region_mean

Floats = npt.NDArray[np.float64]

MR_MAGNET_EDITIONS = ("2017",)
ROD_STEP_MM = 60.0
PLATE_OFFSET_MM = 30.0
PLATE_RAD = math.radians(11.3)
_IPEM = Source(document="IPEM Report 112", edition="2017", verified=False)
_ROD_MM = 3.4  # the ring around it just stays inside the water at the corners of the grid
_ROD_AREA_MM2 = (8.0, 130.0)
_FEWEST_RODS = 7
_RINGING_PX = (0.0065, 0.0095)  # of a rod well inside and one beside the rim: root mean square without noise,
_NEAR_RIM_MM = 15.0  # from closed-form k-space at several turns and pixel sizes
_RIM_PX = 1.5  # how far inside the rim its edge reaches
_WATER_MM = 3.0
_PLATE_ROWS_MM = 9.0
_PLATE_REACH_MM = 57.0
_BOTTLE_SHARE = 0.12
_FLOOD_SHARE = 0.75
_SQUARE_PX, _SQUARE_STEP_PX = 20, 40
_PROFILE_MM, _PROFILE_WIDTH_MM, _CENTRE_MM, _BAND = 160.0, 10.0, 10.0, 0.1


def mr_magnet(series: Series, *, repeat: Series | None = None, edition: str = "2017") -> Report:
    """Measure an image of a MagNET test object.

    Parameters
    ----------
    series : Series
        One image of an object; of several, the middle one.
    repeat : Series, optional
        The same scan of the flood object once more, for the SNR of two images.
    edition : {"2017"}, optional
        Of IPEM Report 112.

    Returns
    -------
    Report
        What the object is made for. Flood: SNR in five squares, normalised SNR, fractional uniformity along
        rows and columns and percent integral uniformity. Nine rods and two plates: slice width, distances of
        the rods, scale, shear and distortion. Bottle: ghosting along rows and columns. With a picture.

    Raises
    ------
    ValueError
        If the series is not MR, no object stands out of the air, the two scans do not belong together, or
        the edition is unknown.

    Notes
    -----
    ``docs/protocols/mr-magnet.md`` says how the objects are told apart and how to read the numbers.
    """
    one_of("edition", edition, MR_MAGNET_EDITIONS)
    image, second = pair_of(series, repeat)
    grid = series.grid
    found = find_object(image, grid)
    rods = find_rods(image, grid, found)
    if rods is not None:
        kind, items, outlines = "slice width", _width_items(image, grid, rods), _rod_outlines(grid, rods)
    elif found.area_mm2 < _BOTTLE_SHARE * grid.fov_mm[0] * grid.fov_mm[1]:
        kind, items, outlines = "ghosting bottle", _ghost_items(image, grid, found), []
    else:
        check_even(image, grid, found, found.inner(_FLOOD_SHARE))
        for each in (image,) if second is None else (image, second):
            refuse_clipped(each[found.inner(_FLOOD_SHARE) > 0], "the flood")
        kind, items = "flood", _flood_items(series, image, second, found)
        outlines = [_box_outline(s, "square") for s in five_squares(found)]
    return Report(
        protocol="mr-magnet",
        edition=edition,
        measurements=measured(items),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=(
            Picture(
                title=kind,
                pixels=image,
                outlines=tuple(outlines),
                window=(float(image.min()), float(np.percentile(image, 99.5))),
            ),
        ),
        notes=(*series.notes, f"test object: {kind}"),
    )


def find_rods(image: Floats, grid: ImageGrid, found: MrObject) -> tuple[Pose, Points] | None:
    """Nine dark rods in a square grid, in the frame of the plates; None where there are too few."""
    smooth = ndimage.gaussian_filter(image, 1.0 / np.asarray(grid.spacing_mm))
    filled = np.where(found.depth_mm > 0, smooth, found.signal)
    around = ndimage.median_filter(filled, size=[2 * round(9.0 / d) + 1 for d in grid.spacing_mm])
    shadow = smooth < 0.75 * around
    dark = shadow & (found.depth_mm > 2.5)
    labels, n = ndimage.label(dark)
    pixel = grid.spacing_mm[0] * grid.spacing_mm[1]
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:] * pixel
    kept = [i + 1 for i, s in enumerate(sizes) if _ROD_AREA_MM2[0] <= s <= _ROD_AREA_MM2[1]]
    if len(kept) < _FEWEST_RODS:
        return None
    rows, columns = np.transpose(ndimage.center_of_mass(dark, labels, kept))
    y, x = grid.coordinates_mm
    places = np.stack(
        [np.interp(rows, np.arange(len(y)), y), np.interp(columns, np.arange(len(x)), x)], axis=1
    )
    middle = places[int(np.argmin(np.hypot(*(places - found.center_mm).T)))]
    away = places - middle
    near = away[np.abs(np.hypot(*away.T) - ROD_STEP_MM) < 4.0]
    if len(near) < 3:
        return None
    turn = float(np.angle(np.exp(4j * np.arctan2(near[:, 0], near[:, 1])).mean())) / 4
    depth, spline = [], ndimage.spline_filter(image, order=3)
    for quarter in range(2):
        pose = _pose(middle, turn + quarter * math.pi / 2)
        depth.append(sum(_plate_depth(spline, grid, pose, side) for side in (-1, 1)))
    pose = _pose(middle, turn + int(np.argmax(depth)) * math.pi / 2)
    v, u = np.array(_rods()).T
    expected = np.stack(pose.to_image_mm(v, u), axis=1)
    try:
        water = _beyond_rim(image, grid, found, shadow)
        points = find_points(water, grid, expected, radius_mm=_ROD_MM, dark=True)
    except ValueError:
        return None
    # the ring shows the ringing that moves a rod as noise: counted once, the larger of the two
    near = ndimage.map_coordinates(found.depth_mm, grid_indices(grid, *points.positions_mm.T), order=1)
    ringing = np.where(near < _NEAR_RIM_MM, _RINGING_PX[1], _RINGING_PX[0])
    least = np.maximum(points.uncertainties_mm, ringing[:, None] * np.asarray(grid.spacing_mm))
    points = dataclasses.replace(points, uncertainties_mm=least)
    return (pose, points) if points.found.sum() >= _FEWEST_RODS else None


def _beyond_rim(image: Floats, grid: ImageGrid, found: MrObject, shadow: npt.NDArray[np.bool_]) -> Floats:
    """The image with the water that lies inside the rim continued beyond it.

    A rod at a corner of the grid lies so near to the rim that the ring around it would hold air.
    """
    inside = found.depth_mm > _RIM_PX * max(grid.spacing_mm)
    width = _WATER_MM / np.asarray(grid.spacing_mm)
    known = np.asarray(inside & ~shadow, dtype=np.float64)
    share = ndimage.gaussian_filter(known, width)
    water = ndimage.gaussian_filter(known * image, width) / np.maximum(share, 1e-3)
    return np.where(inside, image, np.where(share > 1e-3, water, found.signal))


def five_squares(found: MrObject) -> list[tuple[slice, slice]]:
    """Squares of 20 pixels in the middle of the object and 40 pixels off along both axes."""
    rows, columns = np.flatnonzero(found.mask.any(axis=1)), np.flatnonzero(found.mask.any(axis=0))
    middle = [round((line[0] + line[-1]) / 2) for line in (rows, columns)]
    step, half = _SQUARE_STEP_PX, _SQUARE_PX // 2
    offsets = [(0, 0), (-step, -step), (-step, step), (step, -step), (step, step)]
    return [
        (
            slice(middle[0] + dr - half, middle[0] + dr + half),
            slice(middle[1] + dc - half, middle[1] + dc + half),
        )
        for dr, dc in offsets
    ]


def _rods() -> list[tuple[float, float]]:
    return [(v, u) for v in (-ROD_STEP_MM, 0.0, ROD_STEP_MM) for u in (-ROD_STEP_MM, 0.0, ROD_STEP_MM)]


def _pose(center: Floats, turn: float) -> Pose:
    where = (float(center[0]), float(center[1]))
    return Pose(center_mm=where, angle_rad=turn, mirrored=False, score=1.0, runner_up=0.0)


def _plate_profile(spline: Floats, grid: ImageGrid, pose: Pose, side: int) -> tuple[Floats, Floats]:
    step = min(grid.spacing_mm)
    u = np.arange(-_PLATE_REACH_MM, _PLATE_REACH_MM + step / 2, step)
    v = side * PLATE_OFFSET_MM + np.linspace(
        -_PLATE_ROWS_MM, _PLATE_ROWS_MM, round(2 * _PLATE_ROWS_MM / step) + 1
    )
    lines = read_lines(spline, grid, pose, v[:, None], u[None, :])
    return u, lines.mean(axis=0)


def _plate_depth(spline: Floats, grid: ImageGrid, pose: Pose, side: int) -> float:
    """How much darker the middle of a plate is than what lies beside it."""
    u, profile = _plate_profile(spline, grid, pose, side)
    beside = float(np.median(profile[np.abs(np.abs(u) - 45.0) < 8.0]))
    return 1 - float(np.median(profile[np.abs(u) < 6.0])) / max(beside, 1e-12)


def _width_items(image: Floats, grid: ImageGrid, rods: tuple[Pose, Points]) -> Iterator[Item]:
    pose, points = rods

    def traces() -> list[RampSignal]:
        spline = ndimage.spline_filter(image, order=3)
        return [plate_signal(*_plate_profile(spline, grid, pose, s), expected_mm=25.0) for s in (-1, 1)]

    def stretch() -> float:
        return float(np.mean([_row(points, k).value for k in range(3)])) / (2 * ROD_STEP_MM)

    yield Item(
        name="slice width",
        unit="mm",
        algorithm="crossed-plates-tilt-free-2",
        definition=_IPEM,
        measure=lambda: slice_width(*traces(), slope_rad=PLATE_RAD, stretch=stretch()),
    )
    ways: tuple[tuple[str, Callable[[Points, int], Measurement]], ...] = (
        ("along the plates", _row),
        ("across the plates", _column),
    )
    for way, of in ways:
        for k, name in enumerate(("first", "second", "third")):
            yield Item(
                name=f"distance {way}, {name} line",
                unit="mm",
                algorithm="rod-distance-3",
                definition=_IPEM,
                measure=lambda of=of, k=k: dataclasses.replace(  # type: ignore[misc]
                    of(points, k), algorithm="rod-distance-3"
                ),
            )
    for name, field, unit in (
        ("scale along the plates", "scale_x", "%"),
        ("scale across the plates", "scale_y", "%"),
        ("shear", "shear", "rad"),
        ("distortion", "root_mean_square", "mm"),
    ):
        yield Item(
            name=name,
            unit=unit,
            algorithm="rod-distortion-3",
            definition=_IPEM,
            measure=lambda field=field: dataclasses.replace(  # type: ignore[misc]
                getattr(_bent(rods), field), algorithm="rod-distortion-3"
            ),
        )


def _bent(rods: tuple[Pose, Points]) -> Distortion:
    """Distortion in the frame of the plates."""
    pose, points = rods
    dy, dx = (points.positions_mm - pose.center_mm).T
    c, s = math.cos(pose.angle_rad), math.sin(pose.angle_rad)
    turned = np.stack([dy * c - dx * s, dx * c + dy * s], axis=1)
    return distortion_map(dataclasses.replace(points, positions_mm=turned), _rods())


def _row(points: Points, k: int) -> Measurement:
    return distance(points, 3 * k, 3 * k + 2)


def _column(points: Points, k: int) -> Measurement:
    return distance(points, k, 6 + k)


def _flood_items(series: Series, image: Floats, second: Floats | None, found: MrObject) -> Iterator[Item]:
    grid = series.grid

    def regions() -> Floats:
        squares = np.zeros((5, *grid.shape))
        for layer, box in zip(squares, five_squares(found), strict=True):
            if box[0].start < 0 or box[1].start < 0 or not found.mask[box].all():
                raise ValueError("the five squares do not lie inside the object")
            layer[box] = 1
        return squares

    def snr() -> Measurement:
        return (
            snr_two_images(image, second, regions())
            if second is not None
            else snr_smoothing(image, regions())
        )

    name = "snr-two-images-2" if second is not None else "snr-smoothing-3"
    yield Item(name="SNR", unit="1", algorithm=name, definition=_IPEM, measure=snr)
    yield Item(
        name="normalised SNR",
        unit="1/(ml s^0.5)",
        algorithm=f"{name}, normalised-1",
        definition=_IPEM,
        measure=lambda: normalised(snr(), series),
    )
    for way, axis in (("along rows", 1), ("along columns", 0)):
        yield Item(
            name=f"fractional uniformity {way}",
            unit="%",
            algorithm="fractional-uniformity-1",
            definition=_IPEM,
            measure=lambda axis=axis: _fraction(image, grid, found, axis),  # type: ignore[misc]
        )
    yield Item(
        name="percent integral uniformity",
        unit="%",
        algorithm="piu-sliding-disk-noise-corrected-2",
        definition=_IPEM,
        measure=lambda: percent_integral_uniformity(image, grid, found.inner(0.75)),
    )


def _fraction(image: Floats, grid: ImageGrid, found: MrObject, axis: int) -> Measurement:
    """Share of a profile of 160 mm through the middle, 10 mm wide, within 10 % of the middle itself.

    Each place counts with the probability that its noise leaves it inside the band.
    """
    size = [_PROFILE_WIDTH_MM, _PROFILE_WIDTH_MM]
    size[axis] = _PROFILE_MM
    strip = rectangle_region(grid, center_mm=found.center_mm, size_mm=(size[0], size[1]))
    if (strip * ~found.mask).sum() > 0.01 * strip.sum():
        raise ValueError(f"the object must be {_PROFILE_MM:.0f} mm long along this axis")
    square = rectangle_region(grid, center_mm=found.center_mm, size_mm=(_CENTRE_MM, _CENTRE_MM))
    middle = region_mean(image, square)
    other = 1 - axis
    weight = strip.sum(axis=other)
    profile = (strip * image).sum(axis=other)[weight > 0] / weight[weight > 0]
    share = weight[weight > 0] / weight.sum()
    across = round(_PROFILE_WIDTH_MM / grid.spacing_mm[other])
    sigma = float(snr_smoothing(image, strip > 0.5).details["noise"]) / math.sqrt(across)
    spread = math.hypot(sigma, sigma / math.sqrt(_CENTRE_MM / grid.spacing_mm[axis])) / middle
    ratio = profile / middle - 1
    inside = special.ndtr((_BAND - ratio) / spread) - special.ndtr((-_BAND - ratio) / spread)
    # a shared error of the middle moves all places at once
    shared = sigma / math.sqrt(_CENTRE_MM / grid.spacing_mm[axis]) / middle
    ends = [float(share[np.abs((1 + ratio) / (1 + d) - 1) <= _BAND].sum()) for d in (-shared, shared)]
    scatter = float(np.sqrt((share**2 * inside * (1 - inside)).sum()))
    step = float(share.max()) / math.sqrt(6)
    return Measurement(
        name="fractional uniformity",
        value=100 * float(share[np.abs(ratio) <= _BAND].sum()),
        unit="%",
        uncertainty=100 * math.sqrt(scatter**2 + (abs(ends[1] - ends[0]) / 2) ** 2 + step**2),
        definition=_IPEM,
        algorithm="fractional-uniformity-1",
    )


def _ghost_items(image: Floats, grid: ImageGrid, found: MrObject) -> Iterator[Item]:
    for way, axis in (("along columns", 0), ("along rows", 1)):
        yield Item(
            name=f"ghosting {way}",
            unit="%",
            algorithm="bottle-strip-ghost-1",
            definition=_IPEM,
            measure=lambda axis=axis: _strip_ghost(image, grid, found, axis),  # type: ignore[misc]
        )


def _strip_ghost(image: Floats, grid: ImageGrid, found: MrObject, axis: int) -> Measurement:
    """Brightest piece, as long as the bottle, of the strip beside it, less the air, over the bottle."""
    other = 1 - axis
    lines = np.flatnonzero(found.mask.any(axis=axis))
    trim = max(len(lines) // 5, 1)
    across = slice(lines[trim], lines[-trim])
    along = np.flatnonzero(found.mask.any(axis=other))
    length = len(along)
    margin = max(round(5.0 / grid.spacing_mm[axis]), 2)
    strip = image[(slice(None), across) if axis == 0 else (across, slice(None))]
    line = strip.mean(axis=other)
    free = np.ones(len(line), dtype=bool)
    free[max(along[0] - margin, 0) : along[-1] + margin + 1] = False
    free[:2] = free[-2:] = False
    width = max(length // 2, 4)
    window = np.ones(width)
    held = np.convolve(free, window, mode="valid") >= width
    if not held.any():
        raise ValueError("the strip beside the bottle is too short")
    means = np.where(held, np.convolve(np.where(free, line, 0.0), window, mode="valid") / width, -np.inf)
    air = air_of(found, grid, gap_mm=10.0) > 0.5
    if air.sum() < 100:
        raise ValueError("the image leaves no air beside the strips of the bottle")
    floor, noise = float(image[air].mean()), float(image[air].std())
    inner = found.inner(0.5)
    signal = region_mean(image, inner)
    refuse_bright(image[air], signal, grid, "what lies beside the strips of the bottle")
    refuse_bright(np.compress(free, strip, axis=axis), signal, grid, "the strip beside the bottle")
    pixels = width * (across.stop - across.start)
    value = 100 * (float(means.max()) - floor) / (signal - floor)
    # the largest of several means lies above their mean by about their scatter
    pieces = max(float(held.sum()) / width, 1.0)
    doubt = noise / math.sqrt(pixels) * math.sqrt(1 + 2 * math.log(max(pieces, 1.0)))
    return Measurement(
        name="ghosting",
        value=value,
        unit="%",
        uncertainty=100 * math.hypot(doubt, noise / math.sqrt(float(air.sum()))) / (signal - floor),
        definition=_IPEM,
        algorithm="bottle-strip-ghost-1",
        details={"bottle": signal, "strip": float(means.max()), "air": floor},
    )


def _rod_outlines(grid: ImageGrid, rods: tuple[Pose, Points]) -> list[Outline]:
    pose, points = rods
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outlines = []
    for y, x in points.positions_mm:
        rows, columns = grid_indices(grid, y + _ROD_MM * np.sin(turn), x + _ROD_MM * np.cos(turn))
        outlines.append(Outline(points=tuple(zip(rows.tolist(), columns.tolist(), strict=True)), label="rod"))
    for side in (-1, 1):
        v = side * PLATE_OFFSET_MM + _PLATE_ROWS_MM * np.array([-1, -1, 1, 1])
        u = _PLATE_REACH_MM * np.array([-1, 1, 1, -1])
        rows, columns = grid_indices(grid, *pose.to_image_mm(v, u))
        outlines.append(
            Outline(points=tuple(zip(rows.tolist(), columns.tolist(), strict=True)), label="plate")
        )
    return outlines


def _box_outline(box: tuple[slice, slice], label: str) -> Outline:
    r0, r1, c0, c1 = box[0].start, box[0].stop - 1, box[1].start, box[1].stop - 1
    corners = ((r0, c0), (r0, c1), (r1, c1), (r1, c0))
    return Outline(points=tuple((float(r), float(c)) for r, c in corners), label=label)
