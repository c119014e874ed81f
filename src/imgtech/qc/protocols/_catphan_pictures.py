"""Pictures of a CatPhan with the regions where they were taken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imgtech.qc.protocols._catphan_items import INSERT_ROI_MM, LINES, sensitometry_slices, uniform_field
from imgtech.qc.protocols._catphan_scan import CatPhanScan
from imgtech.qc.protocols._ct_pictures import drawn_circle, drawn_path, slices_picture, uniform_outlines
from imgtech.qc.protocols._ct_uniform import uniform_slices
from imgtech.qc.report import Picture


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
    return slices_picture(scan, indices, drawing.sensitometry.name, outlines, (-200.0, 400.0))


def _uniformity(scan: CatPhanScan) -> Picture:
    field = uniform_field(scan)
    indices = uniform_slices(scan, field)
    return slices_picture(scan, indices, field.module.name, uniform_outlines(scan, field), (-40.0, 60.0))


def _low_contrast(scan: CatPhanScan) -> Picture:
    indices = scan.inside(scan.drawing.low_contrast)
    pose = scan.pose(indices)
    outlines = [
        drawn_circle(
            scan.grid,
            pose,
            rod.center_mm,
            rod.diameter_mm / 2,
            f"{rod.percent:g} % {rod.diameter_mm:g} mm",
        )
        for rod in scan.drawing.rods
        if rod.diameter_mm >= 5.0
    ]
    middle = float(np.median(scan.image(indices)))
    return slices_picture(
        scan, indices, scan.drawing.low_contrast.name, outlines, (middle - 25.0, middle + 35.0)
    )


def _resolution(scan: CatPhanScan) -> Picture:
    away = np.abs(scan.z_mm - scan.drawing.bar_z_mm)
    if away.min() > max(scan.thickness_mm, 2.5):
        raise ValueError("no slice cuts the line pairs")
    indices = np.array([int(np.argmin(away))])
    return slices_picture(scan, indices, f"{scan.drawing.resolution.name} line pairs", [], (-100.0, 1200.0))
