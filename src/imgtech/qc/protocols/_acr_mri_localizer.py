"""The sagittal localizer of an ACR MRI phantom: which image of which series, and the length in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.pose import grid_indices
from imgtech.qc.protocols._acr_mri_length import (
    MIDDLE_MM,
    Ends,
    axis_in_image,
    find_ends,
    phantom_length,
)
from imgtech.qc.protocols._acr_mri_scan import Scan
from imgtech.qc.report import Outline, Picture

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Localized:
    """The phantom in one image of a localizer."""

    series: Series
    index: int
    ends: Ends
    tilt_rad: float | None

    @property
    def image(self) -> Floats:
        """The image."""
        return self.series.pixels[self.index].astype(np.float64)

    @property
    def name(self) -> str:
        """Which image it is."""
        tags = self.series.tags
        what = tags.series_description or tags.protocol_name or "no description"
        number = f"series {tags.series_number}, " if tags.series_number else ""
        return f'{number}image {self.index + 1} of {len(self.series.pixels)}, "{what}"'


def find_in_localizer(scan: Scan, localizers: Sequence[Series]) -> Localized | str:
    """The first image that shows both ends of the phantom, or why none does.

    Series in the coordinates of the axial ones come first, and of their images those nearest to the axis.
    """
    reasons = []
    for series, same in sorted(((s, _same_frame(scan, s)) for s in localizers), key=lambda pair: not pair[1]):
        if series.modality != "MR":
            reasons.append(f"the localizer must be MR, got modality {series.modality!r}")
            continue
        try:
            axis, out = axis_in_image(series, scan.axis() if same else scan.series.normal)
        except ValueError as error:
            reasons.append(str(error))
            continue
        for index in _from_the_middle(series, scan, same):
            try:
                ends = find_ends(series.pixels[index].astype(np.float64), series.grid, axis, scan.drawing)
            except ValueError as error:
                reasons.append(str(error))
            else:
                return Localized(series=series, index=index, ends=ends, tilt_rad=out if same else None)
    return reasons[0]


def measure_length(found: Localized | str, definition: Source) -> Measurement:
    """The item of the report."""
    if isinstance(found, str):
        raise ValueError(found)
    m = phantom_length(found.series.grid, found.ends, tilt_rad=found.tilt_rad, definition=definition)
    return dataclasses.replace(m, details={**m.details, "localizer": found.name})


def localizer_picture(found: Localized) -> Picture:
    """The image with both ends and the lines between them."""
    ends, image = found.ends, found.image
    low, high = (float(e[ends.sound].mean()) for e in ends.edge_mm)
    outlines = []
    for along, name in ((low, "end"), (high, "end")):
        outlines.append(_line(found, [along, along], [-MIDDLE_MM, MIDDLE_MM], name))
    for i, (part,) in enumerate(ndimage.find_objects(ndimage.label(ends.sound)[0])):
        w = float(ends.across_mm[part].mean())
        outlines.append(_line(found, [low, high], [w, w], "length" if i == 0 else ""))
    return Picture(
        title=f"localizer ({found.name})",
        pixels=found.series.pixels[found.index],
        outlines=tuple(outlines),
        window=(float(image.min()), float(np.percentile(image, 99.5))),
    )


def _line(found: Localized, along: list[float], across: list[float], label: str) -> Outline:
    y, x = found.ends.to_image_mm(along, across)
    rows, columns = grid_indices(found.series.grid, y, x)
    points = tuple((float(r), float(c)) for r, c in zip(rows, columns, strict=True))
    return Outline(points=points, label=label, closed=False)


def _same_frame(scan: Scan, series: Series) -> bool:
    one, other = scan.series.tags.frame_of_reference_uid, series.tags.frame_of_reference_uid
    return one is not None and one == other


def _from_the_middle(series: Series, scan: Scan, same: bool) -> list[int]:
    """Images in the order of their distance from the axis of the phantom, or of the middle one."""
    n = len(series.pixels)
    middle = float(series.positions_mm[n // 2])
    if same:
        rim = scan.disk(1)
        place = _patient_mm(scan.series, scan.indices[1], rim.center_mm)
        first = np.array(series.origin_mm, dtype=np.float64)
        middle = float((place - first) @ series.normal) + float(series.positions_mm[0])
    return [int(i) for i in np.argsort(np.abs(series.positions_mm - middle), kind="stable")]


def _patient_mm(series: Series, index: int, at: tuple[float, float]) -> Floats:
    """Patient coordinates of a point of a slice."""
    x, y = np.array(series.orientation[:3]), np.array(series.orientation[3:])
    first = [float(c[0]) for c in series.grid.coordinates_mm]
    up = float(series.positions_mm[index] - series.positions_mm[0])
    return np.asarray(
        np.array(series.origin_mm) + (at[0] - first[0]) * y + (at[1] - first[1]) * x + up * series.normal
    )
