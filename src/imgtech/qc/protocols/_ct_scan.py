"""What the CT protocols share: slices cut to the phantom, and where it lies in each."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import Module, Placement
from imgtech.qc.locate_ct import Axis
from imgtech.qc.pose import Pose

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

EDGE_MM = 1.0
_NEAR_BARS_MM = 5.0
BARS_HU = 100.0
_SMEAR_MM = 0.05
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
        if half_mm is None:
            return found
        away = np.abs(self.z_mm[found] - module.middle_mm)
        near = found[away + self.thickness_mm / 2 <= max(half_mm, self.thickness_mm / 2)]
        return near if near.size else found[[int(np.argmin(away))]]

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
    darkest = float(np.percentile(series.pixels[:: max(1, len(series.pixels) // 5)], 2))
    if darkest < _AIR_BELOW_HU:
        return []
    return [
        f"the darkest 2 % of the pixels read {darkest:.0f} and more: without air in the images, or these are "
        "not CT numbers (rescale intercept missing?)"
    ]


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


def along(positions_mm: Floats, placement: Placement) -> Floats:
    """Positions of the stack along the axis of the phantom."""
    away = positions_mm - placement.z_mm
    return -away if placement.reversed else away


def nominal_thickness(series: Series) -> float:
    """What the files say, or the distance between slices."""
    if series.slice_thickness_mm:
        return float(series.slice_thickness_mm)
    return float(np.median(np.diff(series.positions_mm))) if len(series.positions_mm) > 1 else 1.0


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
