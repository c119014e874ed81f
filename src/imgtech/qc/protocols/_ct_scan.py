"""What the CT protocols share: slices cut to the phantom, and where it lies in each."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import Module, Placement
from imgtech.qc.locate_ct import Axis
from imgtech.qc.pose import Pose

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

EDGE_MM = 1.0
_UNLIKE_HU, _LEVEL_MM, _LEVEL_PIXEL_MM = 150.0, 40.0, 1.5
_OBLIQUE = 0.1  # tangent; 5.7 degrees lengthen distances by 0.5 %
_OFF_DRAWING_MM = 1.2
_FEWEST_OUTLINES = 4
_CT_NUMBERS = ("HU", "US", "HU_MOD")  # US: unspecified, as cone-beam scanners write
_NEAR_BARS_MM = 5.0
BARS_HU = 100.0
_SMEAR_MM = 0.05
_GAP, _BODIES_HU = 1.5, 15.0
_AIR_BELOW_HU = -700.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CTScan:
    """Slices of a CT phantom, cut to what is measured, with its pose."""

    series: Series
    pixels: npt.NDArray[np.float32]
    grid: ImageGrid
    placement: Placement
    axis: Axis
    notes: tuple[str, ...]

    @cached_property
    def z_mm(self) -> Floats:
        """Middle of every slice along the axis of the phantom."""
        return along(self.series.positions_mm, self.placement)

    @property
    def thickness_mm(self) -> float:
        """Nominal thickness of a slice."""
        return nominal_thickness(self.series)

    def inside(self, module: Module, half_mm: float | None = None) -> Indices:
        """Slices that lie wholly in a module, within ``half_mm`` of its middle.

        Raises
        ------
        ValueError
            If there is none.
        """
        low, high = module.z_mm
        margin = self.thickness_mm / 2 + EDGE_MM
        found = np.flatnonzero((self.z_mm >= low + margin) & (self.z_mm <= high - margin))
        if found.size == 0:
            raise ValueError(
                f"no slice lies wholly in {module.name}, {low:.0f} to {high:.0f} mm along the phantom; "
                f"the scan covers {self.z_mm.min():.0f} to {self.z_mm.max():.0f} mm"
            )
        found = self._alike(found)
        if half_mm is None:
            return found
        away = np.abs(self.z_mm[found] - module.middle_mm)
        near = found[away + self.thickness_mm / 2 <= max(half_mm, self.thickness_mm / 2)]
        return near if near.size else found[[int(np.argmin(away))]]

    def _alike(self, indices: Indices) -> Indices:
        """Without slices whose middle differs from that of the others: empty, saturated, something else."""
        if len(indices) < 3:
            return indices
        levels = np.array([self._level(int(i)) for i in indices])
        alike = np.abs(levels - np.median(levels)) <= _UNLIKE_HU
        self._left_out.update(int(i) for i in indices[~alike])
        return indices[alike]

    @cached_property
    def _levels(self) -> dict[int, float]:
        return {}

    @cached_property
    def _left_out(self) -> set[int]:
        return set()

    def _level(self, index: int) -> float:
        """Median of a disk around the axis, on every second or third pixel."""
        if index not in self._levels:
            steps = [max(1, round(_LEVEL_PIXEL_MM / d)) for d in self.grid.spacing_mm]
            y, x = (c[::s] for c, s in zip(self.grid.coordinates_mm, steps, strict=True))
            cy, cx = pose_at(self.placement, float(self.series.positions_mm[index])).center_mm
            inside = np.hypot(y[:, None] - cy, x - cx) < _LEVEL_MM
            values = self.pixels[index, :: steps[0], :: steps[1]][inside]
            self._levels[index] = float(np.median(values)) if values.size else 0.0
        return self._levels[index]

    def left_out_notes(self) -> list[str]:
        """What to say of slices that were passed over so far."""
        numbers = ", ".join(str(i + 1) for i in sorted(self._left_out))
        many = len(self._left_out) > 1
        return (
            [
                f"image{'s' * many} {numbers} {'differ' if many else 'differs'} from the rest of the module "
                "by more than 150 HU in the middle and left out"
            ]
            if numbers
            else []
        )

    def sharp_mm(self, half_mm: float) -> float:
        """How far slices may lie from the middle before the tilt blurs their mean."""
        tilt = max(abs(t) for t in self.placement.tilt)
        return min(half_mm, _SMEAR_MM / tilt) if tilt > 0 else half_mm

    @cached_property
    def _means(self) -> dict[bytes, Floats]:
        return {}

    def image(self, indices: Indices) -> Floats:
        """Mean of slices, read-only."""
        key = np.asarray(indices, dtype=np.intp).tobytes()
        if key not in self._means:
            mean = np.asarray(self.pixels[indices].mean(axis=0, dtype=np.float64))
            mean.setflags(write=False)
            self._means[key] = mean
        return self._means[key]

    def pose(self, indices: Indices) -> Pose:
        """Where the phantom lies in the mean of slices."""
        return pose_at(self.placement, float(self.series.positions_mm[indices].mean()))

    def place(self, indices: Indices, point: tuple[float, float]) -> tuple[float, float]:
        """Image position of a point of the drawing in the mean of slices."""
        y, x = self.pose(indices).to_image_mm(*point)
        return float(y), float(x)

    def places(self, indices: Indices, point: tuple[float, float]) -> list[tuple[float, float]]:
        """Image position of a point of the drawing in each of some slices."""
        return [self.place(indices[k : k + 1], point) for k in range(len(indices))]


def air_notes(series: Series) -> list[str]:
    """What to say where the darkest values are not those of air."""
    unit = (series.tags.rescale_type or "HU").strip().upper()
    said = [] if unit == "HU" else [f"the files call their values {unit!r}, not HU: taken for CT numbers"]
    darkest = float(np.percentile(series.pixels[:: max(1, len(series.pixels) // 5)], 2))
    if darkest < _AIR_BELOW_HU:
        return said
    return [
        *said,
        f"the darkest 2 % of the pixels read {darkest:.0f} and more: without air in the images, or these are "
        "not CT numbers (rescale intercept missing?)",
    ]


def check_ct(series: Series) -> None:
    """Refuse what does not hold CT numbers.

    Raises
    ------
    ValueError
        If the modality is not CT or the files call the values something else.
    """
    if series.modality != "CT":
        raise ValueError(f"series must be CT, got modality {series.modality!r}")
    unit = series.tags.rescale_type
    if unit and unit.strip().upper() not in _CT_NUMBERS:
        raise ValueError(
            f"series must hold CT numbers, got values that the files call {unit!r} (Rescale Type)"
        )


def check_upright(series: Series, axis: Axis) -> None:
    """Refuse slices that cut the phantom obliquely.

    Raises
    ------
    ValueError
        Above 5.7 degrees.
    """
    slope = float(np.hypot(axis.slope[0] + series.drift[0], axis.slope[1] + series.drift[1]))
    if slope > _OBLIQUE and len(axis.positions_mm) >= _FEWEST_OUTLINES:
        raise ValueError(
            f"the slices cut the phantom at {np.degrees(np.arctan(slope)):.1f} degrees to its axis, at most "
            "5.7 can be measured: lay it straight and do not tilt the gantry"
        )


def check_drawing(scatter_mm: float, what: str) -> None:
    """Refuse rods that lie too far from the drawing for the other regions to be where they should.

    Raises
    ------
    ValueError
        Above 1.2 mm.
    """
    if scatter_mm > _OFF_DRAWING_MM:
        raise ValueError(
            f"the rods lie {scatter_mm:.1f} mm from the drawing of {what}, at most {_OFF_DRAWING_MM} mm: the "
            "pixel spacing in the files may be wrong, or it is another phantom"
        )


def cropped(
    series: Series, axis: Axis, middle_mm: float, half_mm: float
) -> tuple[npt.NDArray[np.float32], ImageGrid]:
    """The square around the axis, as far as it lies in the image."""
    box, center = [], []
    middle = axis.at(middle_mm)
    for positions, c, d in zip(series.grid.coordinates_mm, middle, series.spacing_mm, strict=True):
        first, last = np.searchsorted(positions, [c - half_mm, c + half_mm])
        box.append(slice(int(first), int(last)))
        center.append(float(positions[first] + (last - first - 1) / 2 * d))
    pixels = series.pixels[:, box[0], box[1]]
    grid = ImageGrid(shape=pixels.shape[1:], spacing_mm=series.spacing_mm, center_mm=tuple(center))
    return pixels, grid


def pose_at(placement: Placement, position_mm: float) -> Pose:
    """Where the phantom lies at a position of the stack."""
    away = position_mm - placement.z_mm
    return Pose(
        center_mm=(
            placement.center_mm[0] + placement.tilt[0] * away,
            placement.center_mm[1] + placement.tilt[1] * away,
        ),
        angle_rad=placement.roll_rad,
        mirrored=placement.mirrored,
        score=1.0,
        runner_up=0.0,
    )


def moved_along(placement: Placement, position_mm: float) -> Placement:
    """The same axis, its origin at another position of the stack."""
    center = pose_at(placement, position_mm).center_mm
    return dataclasses.replace(placement, z_mm=position_mm, center_mm=center)


def along(positions_mm: Floats, placement: Placement) -> Floats:
    """Positions of the stack along the axis of the phantom."""
    away = positions_mm - placement.z_mm
    return -away if placement.reversed else away


def nominal_thickness(series: Series) -> float:
    """What the files say, or the distance between slices."""
    if series.slice_thickness_mm:
        return float(series.slice_thickness_mm)
    return float(np.median(np.diff(series.positions_mm))) if len(series.positions_mm) > 1 else 1.0


def run_of_slices(scores: Floats, enough: float) -> Indices:
    """The slices around the best that fit a pattern; one between them that does not ends no run."""
    fits = scores >= max(enough, 0.92 * float(scores.max()))
    labels, _ = ndimage.label(ndimage.binary_closing(np.pad(fits, 1))[1:-1] | fits)
    return np.flatnonzero((labels == labels[int(np.argmax(scores))]) & fits)


def module_middle(positions_mm: Floats, fits: Indices, half_mm: float, heights: Floats) -> float:
    """The middle of a module from both of its ends, or from one where the other is not seen.

    An end lies half-way between the last slice that fits and the next; where the scan ends or slices are
    missing there, it is not seen. A slice that lies in the module by less than half fits as well: as many at
    either end, but alone an end is that of the slices with half of the height of the others.
    """
    ends, cut = _ends(positions_mm, fits)
    if all(cut) or not any(cut) or ends[1] - ends[0] > 2 * half_mm + 2 * _step(positions_mm):
        return sum(ends) / 2
    low, high = _ends(positions_mm, fits[heights[fits] >= np.median(heights[fits]) / 2])[0]
    return high - half_mm if cut[0] else low + half_mm


def _step(positions_mm: Floats) -> float:
    return float(np.median(np.diff(positions_mm))) if len(positions_mm) > 1 else 0.0


def _ends(positions_mm: Floats, fits: Indices) -> tuple[tuple[float, float], tuple[bool, bool]]:
    """Where a run of slices ends, and whether the next slice on either side is missing."""
    z, step = positions_mm, _step(positions_mm)
    ends, cut = [], []
    for last, beyond in ((int(fits[0]), int(fits[0]) - 1), (int(fits[-1]), int(fits[-1]) + 1)):
        there = 0 <= beyond < len(z)
        gap = float(z[beyond] - z[last]) if there else (beyond - last) * step
        cut.append(not there or abs(gap) > _GAP * step)
        ends.append(float(z[last]) + (beyond - last) * step / 2)
    return (ends[0], ends[1]), (cut[0], cut[1])


def by_levels(scan: CTScan, own: Module, others: tuple[Module, ...]) -> tuple[Placement, bool]:
    """Direction of the slices by the CT numbers of the modules' bodies, and whether they tell it.

    Against that of the module with the rods, so that an offset of all CT numbers does not matter.
    """
    left = []
    for backwards in (False, True):
        turned = dataclasses.replace(scan, placement=dataclasses.replace(scan.placement, reversed=backwards))
        try:
            body = np.median([turned._level(int(i)) for i in turned.inside(own)])
        except ValueError:
            return scan.placement, False
        away = []
        for module in others:
            try:
                levels = [turned._level(int(i)) for i in CTScan.inside(turned, module)]
            except ValueError:
                continue
            away.append(float(np.median(levels) - body) - (module.body_hu - own.body_hu))
        left.append(float(np.sqrt(np.mean(np.square(away)))) if away else np.inf)
    known = min(left) < _BODIES_HU and np.isfinite(left).all() and max(left) > min(left) + _BODIES_HU
    return dataclasses.replace(scan.placement, reversed=left[1] < left[0]), bool(known)


def by_bars(
    series: Series,
    pixels: npt.NDArray[np.float32],
    grid: ImageGrid,
    placement: Placement,
    *,
    z_mm: float,
    ring_mm: tuple[float, float],
) -> tuple[Placement, bool]:
    """Direction of the slices by the side on which the line pairs lie, and whether there are any."""
    peaks = []
    steps = np.diff(series.positions_mm)
    reach = max(_NEAR_BARS_MM, 0.5 * float(np.median(steps)) + EDGE_MM if len(steps) else 0.0)
    for backwards in (False, True):
        turned = dataclasses.replace(placement, reversed=backwards)
        near = np.flatnonzero(np.abs(along(series.positions_mm, turned) - z_mm) < reach)
        at_mm, there = series.positions_mm[near], pixels[near]
        peaks.append(float(bar_heights(there, grid.coordinates_mm, at_mm, turned, ring_mm).max(initial=0.0)))
    known = max(peaks) > BARS_HU and max(peaks) > 2 * min(peaks)
    return dataclasses.replace(placement, reversed=peaks[1] > peaks[0]), known


def bar_heights(
    slices: npt.NDArray[np.float32],
    places_mm: tuple[Floats, ...],
    positions_mm: Floats,
    placement: Placement,
    ring_mm: tuple[float, float],
) -> Floats:
    """How far the brightest of a ring around the axis stand above its median, in HU, slice by slice."""
    y, x = places_mm
    found = []
    for image, position in zip(slices, positions_mm, strict=True):
        cy, cx = pose_at(placement, float(position)).center_mm
        r = np.hypot(y[:, None] - cy, x - cx)
        values = image[(r > ring_mm[0]) & (r < ring_mm[1])]
        found.append(float(np.percentile(values, 98) - np.median(values)) if values.size else 0.0)
    return np.array(found)
