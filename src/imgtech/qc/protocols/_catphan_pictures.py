"""Pictures of a CatPhan with the regions where they were taken."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from imgtech.qc.protocols._catphan_items import (
    INSERT_ROI_MM,
    LINES,
    NOISE_ROI_MM,
    SIDES,
    UNIFORM_DISTANCE_MM,
    UNIFORM_ROI_MM,
    place_of,
    sensitometry_slices,
    uniform_slices,
)
from imgtech.qc.protocols._catphan_scan import CatPhanScan
from imgtech.qc.protocols._ct_pictures import circle, drawn_circle, drawn_path
from imgtech.qc.report import Outline, Picture


def catphan_pictures(scan: CatPhanScan) -> tuple[Picture, ...]:
    """One picture a module; a module that is not in the scan has none."""
    makers: tuple[Callable[[CatPhanScan], Picture], ...] = (
        _sensitometry,
        _resolution,
        _uniformity,
        _low_contrast,
    )
    found = []
    for make in makers:
        try:
            found.append(make(scan))
        except ValueError:  # the module is not in the scan, which its items say
            continue
    return tuple(found)


def _sensitometry(scan: CatPhanScan) -> Picture:
    indices = sensitometry_slices(scan)
    pose, grid, drawing = scan.pose(indices), scan.grid, scan.drawing
    outlines = [
        drawn_circle(grid, pose, insert.center_mm, INSERT_ROI_MM, insert.name) for insert in drawing.inserts
    ]
    for name, (a, b) in LINES.items() if drawing.holes else ():
        ends = [drawing.holes[a], drawing.holes[b]]
        outlines.append(drawn_path(grid, pose, ends, f"line {name}", closed=False))
    for (v, u), (dv, du) in drawing.ramps:
        ends = [(v - 28 * dv, u - 28 * du), (v + 28 * dv, u + 28 * du)]
        outlines.append(drawn_path(grid, pose, ends, "wire ramp", closed=False))
    return _picture(scan, indices, drawing.sensitometry.name, outlines, (-200.0, 400.0))


def _uniformity(scan: CatPhanScan) -> Picture:
    indices = uniform_slices(scan)
    center = place_of(scan, indices, (0.0, 0.0))
    outlines = [
        circle(scan.grid, center, UNIFORM_ROI_MM, "centre"),
        circle(scan.grid, center, NOISE_ROI_MM, "noise"),
    ]
    for side, degrees in SIDES.items():
        turn = math.radians(degrees)
        place = (
            center[0] + UNIFORM_DISTANCE_MM * math.sin(turn),
            center[1] + UNIFORM_DISTANCE_MM * math.cos(turn),
        )
        outlines.append(circle(scan.grid, place, UNIFORM_ROI_MM, side))
    return _picture(scan, indices, scan.drawing.uniformity.name, outlines, (-40.0, 60.0))


def _low_contrast(scan: CatPhanScan) -> Picture:
    indices = scan.inside(scan.drawing.low_contrast)
    pose = scan.pose(indices)
    outlines = [
        drawn_circle(scan.grid, pose, rod.center_mm, rod.diameter_mm / 2, f"{rod.percent:g} % {rod.diameter_mm:g} mm")
        for rod in scan.drawing.rods
        if rod.diameter_mm >= 5.0
    ]
    middle = float(np.median(scan.image(indices)))
    return _picture(
        scan, indices, scan.drawing.low_contrast.name, outlines, (middle - 25.0, middle + 35.0)
    )


def _resolution(scan: CatPhanScan) -> Picture:
    away = np.abs(scan.z_mm - scan.drawing.bar_z_mm)
    if away.min() > max(scan.thickness_mm, 2.5):
        raise ValueError("no slice cuts the line pairs")
    indices = np.array([int(np.argmin(away))])
    return _picture(scan, indices, f"{scan.drawing.resolution.name} line pairs", [], (-100.0, 1200.0))


def _picture(
    scan: CatPhanScan,
    indices: np.ndarray,
    name: str,
    outlines: list[Outline],
    window: tuple[float, float],
) -> Picture:
    first, last = int(indices.min()) + 1, int(indices.max()) + 1
    which = f"image {first}" if first == last else f"mean of {len(indices)} of images {first} to {last}"
    return Picture(
        title=f"{name}, {which}",
        pixels=scan.image(indices).astype(np.float32),
        outlines=tuple(outlines),
        window=window,
    )
