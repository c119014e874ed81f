"""Whether the modules of a CatPhan lie in the order of its drawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import CatPhanDrawing, Placement
from imgtech.qc.protocols._ct_scan import BARS_HU, along, bar_heights, nominal_thickness, pose_at

BAR_RING_MM = (30.0, 60.0)
_END_MM, _BARS_OFF_MM = 3.0, 8.0
_STEP_MM, _PIXEL_MM = 1.6, 1.0
_PLAIN_MM, _PLAIN_HU, _SOLID_HU = 40.0, 80.0, 300.0
_ALIKE = (
    "the CatPhan 500, 503 and 700 have modules of the same rods and no protocol here; or it was put together "
    "in another order"
)


def check_order(
    series: Series,
    pixels: npt.NDArray[np.float32],
    grid: ImageGrid,
    placement: Placement,
    drawing: CatPhanDrawing,
) -> None:
    """Refuse a phantom with the same rods but other modules, as line pairs and the uniform one tell.

    Raises
    ------
    ValueError
        If the line pairs lie elsewhere than in the drawing, or the uniform module is not uniform.
        What the scan does not cover is not looked at.
    """
    every = max(1, round(_STEP_MM / max(float(np.median(np.diff(series.positions_mm))), 1e-3)))
    steps = [max(1, round(_PIXEL_MM / d)) for d in grid.spacing_mm]
    pixels = pixels[::every, :: steps[0], :: steps[1]]
    y, x = (c[::step] for c, step in zip(grid.coordinates_mm, steps, strict=True))
    positions = series.positions_mm[::every]
    z = along(positions, placement)
    half = nominal_thickness(series) / 2
    low, high = drawing.sensitometry.z_mm
    apart = (z < low - half - _END_MM) | (z > high + half + _END_MM)
    discs = []
    for image, position in zip(pixels, positions, strict=True):
        cy, cx = pose_at(placement, float(position)).center_mm
        discs.append(image[np.hypot(y[:, None] - cy, x - cx) < _PLAIN_MM])
    levels = np.array([np.median(disc) for disc in discs])
    body = float(np.median(levels[~apart]))
    solid = np.flatnonzero(apart & (np.abs(levels - body) < _SOLID_HU))
    heights = bar_heights(pixels[solid], (y, x), positions[solid], placement, BAR_RING_MM)
    if heights.max(initial=0.0) > BARS_HU:
        bars = solid[heights > 0.5 * heights.max()]
        middle = float(np.average(z[bars], weights=heights[heights > 0.5 * heights.max()]))
        if abs(middle - drawing.bar_z_mm) > _BARS_OFF_MM + half:
            raise ValueError(
                f"this is not a CatPhan {drawing.model}: its line pairs lie at {middle:.0f} mm from the "
                f"middle of {drawing.sensitometry.name}, in the drawing at {drawing.bar_z_mm:.0f} mm; "
                f"{_ALIKE}"
            )
    low, high = drawing.uniformity.z_mm
    inner = np.flatnonzero((z > low + half + _END_MM) & (z < high - half - _END_MM))
    for index in inner:
        if len(inner) > 2 and abs(levels[index] - np.median(levels[inner])) > _SOLID_HU:
            continue  # an empty or saturated slice among others
        disc = discs[index]
        spread = 1.4826 * float(np.median(np.abs(disc - levels[index])))
        ends = np.percentile(disc, [2, 98])
        if abs(levels[index] - body) > _SOLID_HU or np.ptp(ends) > _PLAIN_HU + 8 * spread:
            raise ValueError(
                f"this is not a CatPhan {drawing.model}: where the drawing has the uniform "
                f"{drawing.uniformity.name}, image {every * index + 1} holds {ends[0]:.0f} to "
                f"{ends[1]:.0f} HU; {_ALIKE}"
            )
