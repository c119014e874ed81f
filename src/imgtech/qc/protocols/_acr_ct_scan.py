"""A scan of the ACR CT phantom: which slice cuts which module, and where the phantom lies."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import AcrCtDrawing, Module, Placement, acr_ct_drawing
from imgtech.phantoms.twins.acr_ct import RADIUS_MM
from imgtech.qc.locate_ct import find_axis, match_rods
from imgtech.qc.protocols._ct_rods import RigidFit, find_rods
from imgtech.qc.protocols._ct_scan import (
    CTScan,
    Indices,
    by_bars,
    check_ct,
    check_drawing,
    check_upright,
    cropped,
    module_middle,
    moved_along,
    pose_at,
    run_of_slices,
)

Floats = npt.NDArray[np.float64]

_RADII_MM = (0.9 * RADIUS_MM, 1.1 * RADIUS_MM)
_CROP_MM = RADIUS_MM + 4.0
_ENOUGH = 0.8
_MARGIN = 0.05
_BAR_RING_MM = (55.0, 85.0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AcrCtScan(CTScan):
    """Slices of an ACR CT phantom with its pose."""

    drawing: AcrCtDrawing
    rods: RigidFit
    direction_known: bool

    def inside(self, module: Module, half_mm: float | None = None) -> Indices:
        """As for every scan; where the direction is not known, module 1 only."""
        if not self.direction_known and module is not self.drawing.numbers:
            raise ValueError(
                "the direction of the slices is not known, as no bar patterns are found; "
                f"{module.name} may lie on either side"
            )
        return super().inside(module, half_mm)


def find_acr_ct(series: Series) -> AcrCtScan:
    """Find module 1 by its rods, then everything else from it.

    Raises
    ------
    ValueError
        If the series is not CT or the phantom is not in it.
    """
    check_ct(series)
    drawing = acr_ct_drawing()
    try:
        axis = find_axis(series, radius_mm=_RADII_MM)
        pattern = match_rods(series, axis, drawing.inserts, body_hu=drawing.numbers.body_hu)
    except ValueError as error:
        raise ValueError(f"this is not a CT series of the ACR CT phantom: {error}") from error
    if pattern.score < _ENOUGH:
        raise ValueError(
            "this is not a CT series of the ACR CT phantom, or its module 1 is missing: no image shows its "
            f"ring of rods (best correlation {pattern.score:.2f}, needed {_ENOUGH})"
        )
    if pattern.score - pattern.runner_up < _MARGIN:
        raise ValueError(
            "the rotation of the phantom is ambiguous: "
            f"correlations {pattern.score:.2f} and {pattern.runner_up:.2f}"
        )
    check_upright(series, axis)
    fits = run_of_slices(pattern.scores, _ENOUGH)
    middle = float(series.positions_mm[fits].mean())
    pixels, grid = cropped(series, axis, middle, _CROP_MM)
    start = Placement(
        center_mm=axis.at(middle),
        z_mm=middle,
        roll_rad=pattern.roll_rad,
        tilt=axis.slope,
        mirrored=pattern.mirrored,
    )
    core = fits[len(fits) // 4 : max(len(fits) // 4 + 1, len(fits) - len(fits) // 4)]
    at = series.positions_mm[core]
    rods = find_rods(pixels[core], grid, [pose_at(start, float(z)) for z in at], drawing.inserts)
    check_drawing(rods.scatter_mm, "the ACR CT phantom")
    placement = dataclasses.replace(
        start, roll_rad=rods.angle_rad, center_mm=rods.center_mm, z_mm=float(at.mean())
    )
    placement, known = _middle(series, pixels, grid, placement, fits, drawing, pattern.heights)
    notes = [
        f"module 1 is in images {fits[0] + 1} to {fits[-1] + 1} of {len(series.pixels)} "
        f"(correlation {pattern.score:.2f})"
    ]
    if pattern.mirrored:
        notes.append("the images show the phantom mirrored")
    if placement.reversed and known:
        notes.append("the slices run from the far end of the phantom")
    return AcrCtScan(
        series=series,
        pixels=pixels,
        grid=grid,
        placement=placement,
        axis=axis,
        notes=tuple(notes),
        drawing=drawing,
        rods=rods,
        direction_known=known,
    )


def _middle(
    series: Series,
    pixels: npt.NDArray[np.float32],
    grid: ImageGrid,
    placement: Placement,
    fits: Indices,
    drawing: AcrCtDrawing,
    heights: npt.NDArray[np.float64],
) -> tuple[Placement, bool]:
    """The middle of module 1 from both of its ends, or from one where the scan begins inside it."""
    moved = moved_along(placement, module_middle(series.positions_mm, fits, drawing.numbers.z_mm[1], heights))
    return by_bars(series, pixels, grid, moved, z_mm=drawing.resolution.middle_mm, ring_mm=_BAR_RING_MM)
