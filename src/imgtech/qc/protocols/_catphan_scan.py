"""A scan of a CatPhan: which slice cuts which module, and where the phantom lies."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import CatPhanDrawing, Module, Placement, catphan_drawing
from imgtech.phantoms.twins.catphan import HOUSING_RADIUS_MM, MODELS, MODULE_RADIUS_MM
from imgtech.qc.locate_ct import RodPattern, find_axis, match_drawings
from imgtech.qc.protocols._catphan_order import BAR_RING_MM, check_order
from imgtech.qc.protocols._catphan_ramps import RISE, Lit, lit_part
from imgtech.qc.protocols._ct_rods import RigidFit, find_rods
from imgtech.qc.protocols._ct_scan import (
    CTScan,
    Indices,
    by_bars,
    by_levels,
    check_ct,
    check_drawing,
    check_upright,
    cropped,
    module_middle,
    moved_along,
    nominal_thickness,
    pose_at,
    run_of_slices,
)

Floats = npt.NDArray[np.float64]

_RADII_MM = (0.88 * HOUSING_RADIUS_MM, 1.12 * HOUSING_RADIUS_MM)
_CROP_MM = MODULE_RADIUS_MM + 9.0
_ENOUGH = 0.8
_MARGIN = 0.05
_CENTRAL_MM = 7.5
_WIRE_END_MM = 2.3
_LOOSE_MM = 2.5
_RAMP_SLICES = 11


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CatPhanScan(CTScan):
    """Slices of a CatPhan, cut to the modules, with the pose of the phantom."""

    drawing: CatPhanDrawing
    pattern: RodPattern
    rods: RigidFit
    lit: tuple[Lit, ...]
    increment: tuple[float, float, int] | None
    direction_known: bool

    @property
    def blur_mm(self) -> float:
        """Standard deviation of the blur across the wires; 0 where there are none."""
        return float(np.median([part.blur_mm for part in self.lit])) if self.lit else 0.0

    def inside(self, module: Module, half_mm: float | None = None) -> Indices:
        """As for every scan; where the direction is not known, only the module in the middle."""
        if not self.direction_known and module is not self.drawing.sensitometry:
            raise ValueError(
                "the direction of the slices is not known, as neither wire ramps nor line pairs are found; "
                f"{module.name} may lie on either side"
            )
        return super().inside(module, half_mm)


def find_catphan(series: Series, model: str) -> CatPhanScan:
    """Find the sensitometry module by its rods, then everything else from it.

    Raises
    ------
    ValueError
        If the series is not CT, or the phantom is not in it, or it is another model.
    """
    check_ct(series)
    drawing = catphan_drawing(model)
    name = f"a CT series of the CatPhan {model}"
    try:
        axis = find_axis(series, radius_mm=_RADII_MM)
        drawings = {other: catphan_drawing(other) for other in MODELS}
        patterns = match_drawings(
            series, axis, {k: (d.inserts, d.sensitometry.body_hu) for k, d in drawings.items()}
        )
        pattern = patterns[model]
    except ValueError as error:
        raise ValueError(f"this is not {name}: {error}") from error
    _check(patterns, model)
    check_upright(series, axis)
    fits = run_of_slices(pattern.scores, _ENOUGH)
    middle = module_middle(series.positions_mm, fits, drawing.sensitometry.z_mm[1], pattern.heights)
    pixels, grid = cropped(series, axis, middle, _CROP_MM)
    start = Placement(
        center_mm=axis.at(middle),
        z_mm=middle,
        roll_rad=pattern.roll_rad,
        tilt=axis.slope,
        mirrored=pattern.mirrored,
    )
    notes = [
        f"module {drawing.sensitometry.name} is in images {fits[0] + 1} to {fits[-1] + 1} of "
        f"{len(series.pixels)} (correlation {pattern.score:.2f})"
    ]
    core = fits[np.abs(series.positions_mm[fits] - middle) <= _CENTRAL_MM]
    core = core if core.size else fits[[len(fits) // 2]]
    z = series.positions_mm[core]
    rods = find_rods(pixels[core], grid, [pose_at(start, float(at)) for at in z], drawing.inserts)
    check_drawing(rods.scatter_mm, f"the CatPhan {model}")
    placement = dataclasses.replace(
        start, roll_rad=rods.angle_rad, center_mm=rods.center_mm, z_mm=float(z.mean())
    )
    placement = moved_along(placement, middle)
    lit: tuple[Lit, ...] = ()
    increment = None
    if drawing.ramps:
        lit = _ramps(series, pixels, grid, placement, drawing, fits)
        placement, increment = _place(series, placement, lit, drawing.sensitometry.z_mm[1], notes)
    known = increment is not None
    if increment is None:
        placement, known = by_bars(
            series, pixels, grid, placement, z_mm=drawing.bar_z_mm, ring_mm=BAR_RING_MM
        )
    if not known:
        plain = CTScan(series=series, pixels=pixels, grid=grid, placement=placement, axis=axis, notes=())
        placement, known = by_levels(
            plain, drawing.sensitometry, (drawing.uniformity, drawing.resolution, drawing.low_contrast)
        )
        if known:
            notes.append("the direction of the slices is told by the CT numbers of the modules alone")
    if known:
        check_order(series, pixels, grid, placement, drawing)
    if pattern.mirrored:
        notes.append("the images show the phantom mirrored")
    if placement.reversed and known:
        notes.append("the slices run from the far end of the phantom")
    return CatPhanScan(
        series=series,
        pixels=pixels,
        grid=grid,
        drawing=drawing,
        placement=placement,
        axis=axis,
        pattern=pattern,
        rods=rods,
        lit=lit,
        increment=increment,
        direction_known=known,
        notes=tuple(notes),
    )


def _check(patterns: dict[str, RodPattern], model: str) -> None:
    pattern = patterns[model]
    others = {other: found for other, found in patterns.items() if other != model}
    best = max(others, key=lambda other: others[other].score)
    if others[best].score > max(pattern.score + 0.02, _ENOUGH):
        raise ValueError(
            f"this is not a CatPhan {model}: its rods fit the drawing of the CatPhan {best} better "
            f"(correlation {others[best].score:.2f} against {pattern.score:.2f}); "
            f"use the protocol catphan-{best}"
        )
    if pattern.score < _ENOUGH:
        raise ValueError(
            f"this is not a CT series of the CatPhan {model}, or its sensitometry module is missing: no "
            f"image shows its ring of rods (best correlation {pattern.score:.2f}, needed {_ENOUGH})"
        )
    if pattern.score - pattern.runner_up < _MARGIN:
        raise ValueError(
            "the rotation of the phantom is ambiguous: "
            f"correlations {pattern.score:.2f} and {pattern.runner_up:.2f}"
        )


def _ramps(
    series: Series,
    pixels: npt.NDArray[np.float32],
    grid: ImageGrid,
    placement: Placement,
    drawing: CatPhanDrawing,
    fits: npt.NDArray[np.intp],
) -> tuple[Lit, ...]:
    expected = min(max(nominal_thickness(series) / RISE, 2.0), 30.0)
    found = []
    few = np.unique(np.linspace(0, len(fits) - 1, min(len(fits), _RAMP_SLICES)).round().astype(int))
    for index in fits[few]:
        spline = ndimage.spline_filter(pixels[index].astype(np.float64), order=3)
        pose = pose_at(placement, float(series.positions_mm[index]))
        for number, ramp in enumerate(drawing.ramps):
            part = lit_part(
                spline, grid, pose, ramp, expected_mm=expected, number=number, slice_index=int(index)
            )
            if part is not None:
                found.append(part)
    return tuple(found)


def _place(
    series: Series, placement: Placement, lit: tuple[Lit, ...], half_mm: float, notes: list[str]
) -> tuple[Placement, tuple[float, float, int] | None]:
    """Position, direction and increment of the slices from where the wires are lit."""
    if len(lit) < 4 or len({part.slice_index for part in lit}) < 2:
        notes.append("the wire ramps were not found in two slices; positions are good to a slice only")
        return placement, None
    z = np.array([series.positions_mm[part.slice_index] for part in lit])
    height = RISE * np.array([part.middle_mm for part in lit])
    pairs = [
        (height[i] - height[j]) / (z[i] - z[j])
        for i in range(len(lit))
        for j in range(i)
        if lit[i].ramp == lit[j].ramp and z[i] != z[j]
    ]
    slope = float(np.median(pairs)) if pairs else 1.0
    own = np.array([part.ramp for part in lit])[:, None] == np.unique([part.ramp for part in lit])
    at_zero = float(np.median(height - slope * z))
    keep = np.abs(height - slope * z - at_zero) < _LOOSE_MM
    spread = 0.0
    for _ in range(3):
        origin = -at_zero / slope
        whole = np.abs(slope * (z - origin)) + nominal_thickness(series) / 2 < half_mm - _WIRE_END_MM
        keep &= whole
        used = own[:, own[keep].any(axis=0)]
        if keep.sum() < used.shape[1] + 2 or np.ptp(z[keep]) == 0:
            notes.append("the wire ramps do not agree; positions are good to a slice only")
            return placement, None
        design = np.concatenate([z[:, None], used], axis=1)
        fit = np.linalg.lstsq(design[keep], height[keep], rcond=None)[0]
        slope, at_zero = float(fit[0]), float(fit[1:].mean())
        origin = -at_zero / slope
        left = height - design @ fit
        free = int(keep.sum()) - design.shape[1]
        scatter = math.sqrt(float((left[keep] ** 2).sum()) / free)
        wide = z[keep] - (used[keep] @ (used[keep].T @ z[keep] / used[keep].sum(axis=0)))
        spread = scatter / math.sqrt(float((wide**2).sum()))
        keep = np.abs(left) <= max(4 * scatter, 0.3)
        keep &= own[:, own[keep].any(axis=0)].any(axis=1)
    if not 0.5 < abs(slope) < 2.0:
        notes.append("the wire ramps do not move as they should; positions are good to a slice only")
        return placement, None
    moved = dataclasses.replace(moved_along(placement, origin), reversed=slope < 0)
    return moved, (abs(slope), spread, free)
