"""Pictures of an ACR MRI phantom with the regions that were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins.acr_mri import SPOKE_DIAMETERS_MM, spoke_centers
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics.rim import Rim
from imgtech.qc.pose import Pose, grid_indices
from imgtech.qc.protocols._acr_mri_drawing import (
    AIR_RADIUS_MM,
    RAMP_ROWS_MM,
    WEDGE_WIDTH_MM,
    wedge_rows_mm,
)
from imgtech.qc.protocols._acr_mri_ramps import ramps
from imgtech.qc.protocols._acr_mri_regions import (
    air_centers_mm,
    uniform_center_mm,
    uniform_radius_mm,
)
from imgtech.qc.protocols._acr_mri_scan import Scan
from imgtech.qc.protocols._acr_mri_sheets import Sheet
from imgtech.qc.protocols._acr_mri_wedges import bar_length_difference
from imgtech.qc.report import Outline, Picture

_SIDES = ("top", "bottom", "left", "right")


def pictures(
    scan: Scan, measured: Mapping[str, Measurement], sheets: Mapping[int, Sheet | str]
) -> tuple[Picture, ...]:
    """One picture for each slice that is there, with the regions of what was measured."""
    draw = {1: _slice_1, 5: _slice_5, 7: _slice_7, 11: _slice_11}
    nothing: list[Outline] = []
    found = []
    for role in scan.indices:
        image = scan.image(role)
        bright = float(np.percentile(image, 99.5))
        title = f"slice {role}"
        try:
            drawn = draw[role](scan, measured) if role in draw else nothing
            outlines = [_rim(scan, scan.disk(role)), *drawn, *_spokes(scan, sheets.get(role))]
        except ValueError as error:
            outlines, title = [], f"slice {role}: {error}"
        found.append(
            Picture(
                title=title,
                pixels=scan.series.pixels[scan.indices[role]],
                outlines=tuple(outlines),
                window=(float(image.min()), bright),
            )
        )
    return tuple(found)


def _slice_1(scan: Scan, measured: Mapping[str, Measurement]) -> list[Outline]:
    outlines = _diameters(scan, 1, measured)
    if measured["slice thickness"].value is not None and scan.block is not None:
        lit = ramps(scan.image(1), scan.grid, scan.block, float(measured["slice thickness"].value) * 10)
        for sign, ramp, name in ((-1, lit[0], "upper ramp"), (1, lit[1], "lower ramp")):
            v = [scan.block.middle_mm + sign * row for row in RAMP_ROWS_MM]
            corners = [(v[0], ramp.start_mm), (v[0], ramp.end_mm), (v[1], ramp.end_mm), (v[1], ramp.start_mm)]
            outlines.append(_polygon(scan.grid, scan.pose, corners, name))
    return outlines + _bars(scan, 1, measured)


def _slice_5(scan: Scan, measured: Mapping[str, Measurement]) -> list[Outline]:
    return _diameters(scan, 5, measured)


def _slice_7(scan: Scan, measured: Mapping[str, Measurement]) -> list[Outline]:
    grid = scan.grid
    outlines = [_ellipse(grid, uniform_center_mm(scan), (uniform_radius_mm(scan),) * 2, _uniform_label(scan))]
    uniformity = measured["percent integral uniformity"]
    if uniformity.value is not None:
        d = uniformity.details
        for name in ("highest", "lowest"):
            center = float(d[f"{name} y (mm)"]), float(d[f"{name} x (mm)"])
            outlines.append(_ellipse(grid, center, (float(d["disk radius (mm)"]),) * 2, f"{name} 1 cm2"))
    if measured["signal-to-noise ratio"].value is not None:
        for center in air_centers_mm(scan):
            outlines.append(_ellipse(grid, center, (AIR_RADIUS_MM, AIR_RADIUS_MM), "air"))
    ghosting = measured["percent signal ghosting"]
    if ghosting.value is not None:
        d = ghosting.details
        for side in _SIDES:
            center = float(d[f"{side} y (mm)"]), float(d[f"{side} x (mm)"])
            axes = float(d[f"{side} semi-axis y (mm)"]), float(d[f"{side} semi-axis x (mm)"])
            outlines.append(_ellipse(grid, center, axes, f"ghost {side}"))
    return outlines


def _uniform_label(scan: Scan) -> str:
    return f"uniformity, {scan.drawing.uniform_area_mm2 / 100:.0f} cm2"


def _slice_11(scan: Scan, measured: Mapping[str, Measurement]) -> list[Outline]:
    return _bars(scan, 11, measured)


def _spokes(scan: Scan, sheet: Sheet | str | None) -> list[Outline]:
    if sheet is None or isinstance(sheet, str):
        return []
    outlines, found = [], sheet.seen
    for i, (spoke, diameter) in enumerate(zip(spoke_centers(sheet.role), SPOKE_DIAMETERS_MM, strict=True)):
        for k, (v, u) in enumerate(spoke):
            y, x = sheet.pose.to_image_mm(v, u)
            label = f"spoke {i + 1}" if k == 2 else ""
            seen = "seen" if found[i, k] else "not seen"
            text = f"{label} {seen}".strip()
            outlines.append(_ellipse(scan.grid, (float(y), float(x)), (diameter / 2,) * 2, text))
    return outlines


def _bars(scan: Scan, role: int, measured: Mapping[str, Measurement]) -> list[Outline]:
    if measured[f"bar length difference slice {role}"].value is None:
        return []
    pose = scan.pose_in(role)
    _, ends = bar_length_difference(scan.image(role), scan.grid, pose, scan.drawing)
    outlines, top = [], wedge_rows_mm(scan.drawing)[0]
    for (v, u), name in zip(ends, ("left bar", "right bar"), strict=True):
        left, right = u - WEDGE_WIDTH_MM / 2, u + WEDGE_WIDTH_MM / 2
        corners = [(top, left), (top, right), (v, right), (v, left)]
        outlines.append(_polygon(scan.grid, pose, corners, name))
    return outlines


def _diameters(scan: Scan, role: int, measured: Mapping[str, Measurement]) -> list[Outline]:
    outlines = []
    cy, cx = scan.disk(role).center_mm
    for name, m in measured.items():
        if name.startswith(f"diameter slice {role} ") and m.value is not None:
            angle = math.radians(float(m.details["angle_deg"]))
            dy, dx = m.value / 2 * math.sin(angle), m.value / 2 * math.cos(angle)
            y, x = np.array([cy - dy, cy + dy]), np.array([cx - dx, cx + dx])
            outlines.append(_outline(scan.grid, y, x, name.split(" ", 3)[3], closed=False))
    return outlines


def _rim(scan: Scan, rim: Rim) -> Outline:
    r = rim.smooth_mm(rim.angle_rad[::4])
    y = rim.center_mm[0] + r * np.sin(rim.angle_rad[::4])
    x = rim.center_mm[1] + r * np.cos(rim.angle_rad[::4])
    return _outline(scan.grid, y, x, "rim")


def _ellipse(grid: ImageGrid, center: tuple[float, float], axes: tuple[float, ...], label: str) -> Outline:
    a = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return _outline(grid, center[0] + axes[0] * np.sin(a), center[1] + axes[1] * np.cos(a), label)


def _polygon(grid: ImageGrid, pose: Pose, corners: list[tuple[float, float]], label: str) -> Outline:
    y, x = pose.to_image_mm(*np.transpose(corners))
    return _outline(grid, y, x, label)


def _outline(grid: ImageGrid, y: np.ndarray, x: np.ndarray, label: str, closed: bool = True) -> Outline:
    rows, columns = grid_indices(grid, y, x)
    points = tuple((float(r), float(c)) for r, c in zip(rows, columns, strict=True))
    return Outline(points=points, label=label, closed=closed)
