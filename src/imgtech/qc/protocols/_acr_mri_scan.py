"""A scan of an ACR MRI phantom: which slice is which, and where the phantom lies in each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import AcrMriDrawing, acr_mri_drawing
from imgtech.qc.locate import find_disk
from imgtech.qc.metrics.rim import Rim
from imgtech.qc.pose import Pose, match_pose
from imgtech.qc.protocols._acr_mri_drawing import radius_range_mm, ramp_reach_mm, slice_1
from imgtech.qc.protocols._acr_mri_ramps import RampBlock, find_ramp_block

Floats = npt.NDArray[np.float64]

_SURE = 0.8
_ENOUGH = 0.7
_MIRROR_MARGIN = 0.03
_POSITION_TOLERANCE_MM = 3.0
_INSERT_MM = 8.0
_FEW = 3
_LONG_ENOUGH_MM = 30.0
_LOCALIZER_NAMES = ("localizer", "localiser", "scout", "survey")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Slices by their role (1, 5, 7, 8 to 11) and the pose of the phantom in slice 1."""

    series: Series
    drawing: AcrMriDrawing
    indices: dict[int, int]
    disks: Mapping[int, Rim | str]
    pose: Pose
    block: RampBlock | None
    notes: tuple[str, ...]

    @property
    def grid(self) -> ImageGrid:
        """Pixels of a slice."""
        return self.series.grid

    def image(self, role: int) -> Floats:
        """Pixels of the slice with a role, or a reason why there is none."""
        if role not in self.indices:
            away = self.drawing.roles_mm[role]
            raise ValueError(f"the series holds no slice {role}: none lies {away:.0f} mm from slice 1")
        return self.series.pixels[self.indices[role]].astype(np.float64)

    def disk(self, role: int) -> Rim:
        """Rim of the phantom in the slice with a role, or a reason why there is none."""
        self.image(role)
        rim = self.disks[role]
        if isinstance(rim, str):
            raise ValueError(f"slice {role}: {rim}")
        return rim

    def axis(self) -> Floats:
        """Direction of the phantom's axis in patient coordinates, from the centres of its slices."""
        centers = {
            self.indices[r]: d.center_mm
            for r, d in self.disks.items()
            if isinstance(d, Rim) and r in self.indices
        }
        slope = np.zeros(2)
        if len(centers) > 1:
            z = self.series.positions_mm[list(centers)]
            if np.ptp(z) >= _LONG_ENOUGH_MM:
                slope = np.polyfit(z, np.array(list(centers.values())), 1)[0]
        x, y = np.array(self.series.orientation[:3]), np.array(self.series.orientation[3:])
        along = self.series.normal + slope[0] * y + slope[1] * x
        return np.asarray(along / np.linalg.norm(along))

    def pose_in(self, role: int) -> Pose:
        """Pose of the phantom in the slice with a role: turned as in slice 1, centred on its own rim."""
        return dataclasses.replace(self.pose, center_mm=self.disk(role).center_mm)


def find_phantom(series: Series, model: str = "large") -> Scan:
    """Find slice 1 by what is in it, the others by their distance from it.

    Raises
    ------
    ValueError
        If no slice looks like slice 1; a localizer is called one.
    """
    drawing = acr_mri_drawing(model)
    index, rim, pose = _slice_1(series, drawing)
    grid, image = series.grid, series.pixels[index].astype(np.float64)
    notes = [f"slice 1 is image {index + 1} of {len(series.pixels)} (correlation {pose.score:.2f})"]
    if pose.mirrored:
        notes.append("the images show the phantom mirrored")
    try:
        block = find_ramp_block(image, grid, pose, ramp_reach_mm(drawing))
        pose = block.pose
    except ValueError as error:
        block = None
        notes.append(f"rotation known to half a degree only: {error}")
    roles = _roles(series, index, drawing)
    disks: dict[int, Rim | str] = {1: rim}
    for role, place in roles.items():
        if role != 1:
            disks[role] = _disk_or_reason(series, place, drawing)
    return Scan(
        series=series,
        drawing=drawing,
        indices=roles,
        disks=disks,
        pose=pose,
        block=block,
        notes=tuple(notes),
    )


def _disk(image: npt.NDArray[np.generic], series: Series, drawing: AcrMriDrawing) -> Rim:
    magnitude = bool(image.min() >= 0)  # interpolation by the scanner may have gone below zero
    return find_disk(image, series.grid, radius_mm=radius_range_mm(drawing), magnitude=magnitude)


def _disk_or_reason(series: Series, index: int, drawing: AcrMriDrawing) -> Rim | str:
    try:
        return _disk(series.pixels[index], series, drawing)
    except ValueError as error:
        return str(error)


def _slice_1(series: Series, drawing: AcrMriDrawing) -> tuple[int, Rim, Pose]:
    last = len(series.pixels) - 1
    order = sorted(range(last + 1), key=lambda i: (min(i, last - i), i))
    best: tuple[int, Rim, Pose] | None = None
    reason = ""
    for index in order:
        if best is not None and best[2].score >= _SURE and not _close(series, index, best[0]):
            continue
        image = series.pixels[index].astype(np.float64)
        try:
            rim = _disk(image, series, drawing)
        except ValueError as error:
            reason = reason or str(error)
            continue
        pose = match_pose(image, series.grid, rim, slice_1(drawing))
        if best is None or pose.score > best[2].score:
            best = (index, rim, pose)
    if best is None:
        raise ValueError(
            f"{_what(series)}not an axial series of the ACR {drawing.model} MRI phantom: {reason}"
        )
    if best[2].score < _ENOUGH:
        raise ValueError(
            f"{_what(series)}not an axial series of the ACR {drawing.model} MRI phantom, "
            "or its slice 1 is missing: no image shows the ramp block, the resolution insert and the ring "
            f"(best correlation {best[2].score:.2f}, needed {_ENOUGH})"
        )
    if best[2].score - best[2].runner_up < _MIRROR_MARGIN:
        raise ValueError(
            "the pose of the phantom in slice 1 is ambiguous: "
            f"correlations {best[2].score:.2f} and {best[2].runner_up:.2f}"
        )
    return best


def _what(series: Series) -> str:
    """What a refused series is, where its name, its files or its planes tell a localizer."""
    plane = series.plane
    name = series.tags.series_description or series.tags.protocol_name or ""
    called = any(word in name.lower() for word in _LOCALIZER_NAMES) or any(
        "localizer" in n for n in series.notes
    )
    count = len(series.pixels)
    if not called and (plane == "axial" or count > _FEW):
        return "this is "
    images = f"{count} {plane} image" + ("s" if count > 1 else "")
    return f"this is a localizer ({images}" + (f', "{name}"' if name else "") + "), "


def _close(series: Series, one: int, other: int) -> bool:
    """Whether two slices could both lie in the insert: then the better match is slice 1."""
    return abs(float(series.positions_mm[one] - series.positions_mm[other])) < _INSERT_MM


def _roles(series: Series, first: int, drawing: AcrMriDrawing) -> dict[int, int]:
    away = series.positions_mm - series.positions_mm[first]
    if (away < 0).sum() > (away > 0).sum():
        away = -away
    roles = {}
    for role, distance in drawing.roles_mm.items():
        nearest = int(np.argmin(np.abs(away - distance)))
        if abs(float(away[nearest]) - distance) <= _POSITION_TOLERANCE_MM:
            roles[role] = nearest
    return roles
