"""Where the picture lies in the frame of an ultrasound scanner, and how large its pixels are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

_CM = 3
_PLANE = 1
_ALMOST_GREY = 4
_MOST = 0.99


@dataclass(frozen=True, kw_only=True)
class UsRegion:
    """The largest calibrated region of two dimensions.

    Parameters
    ----------
    rows, columns : slice
        Its pixels.
    spacing_mm : (float, float)
        Distance between rows and between columns.
    first_mm : (float, float)
        Depth and lateral place of its first pixel, from the reference pixel where the file names one.
    """

    rows: slice
    columns: slice
    spacing_mm: tuple[float, float]
    first_mm: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def us_region(dataset: Dataset) -> UsRegion | None:
    """The region of an ultrasound image that its file calibrates in centimetres (DICOM PS3.3 C.8.5.5).

    Bounds that reach outside the frame are cut off. None for other images, or where there is no such region.
    """
    if str(dataset.get("Modality", "")) != "US":
        return None
    found = [_region(item, dataset) for item in dataset.get("SequenceOfUltrasoundRegions") or ()]
    known = [region for region in found if region is not None]
    return max(known, key=lambda r: r.shape[0] * r.shape[1]) if known else None


def _region(item: Dataset, dataset: Dataset) -> UsRegion | None:
    if item.get("RegionSpatialFormat") != _PLANE:
        return None
    if any(item.get(f"PhysicalUnits{axis}Direction") != _CM for axis in "XY"):
        return None
    step = [abs(float(item.get(f"PhysicalDelta{axis}") or 0.0)) * 10 for axis in "YX"]
    bounds = [int(item.get(f"RegionLocation{side}") or 0) for side in ("MinY0", "MaxY1", "MinX0", "MaxX1")]
    top, bottom = max(bounds[0], 0), min(bounds[1] + 1, int(dataset.Rows))
    left, right = max(bounds[2], 0), min(bounds[3] + 1, int(dataset.Columns))
    if not all(math.isfinite(s) and s > 0 for s in step) or bottom - top < 2 or right - left < 2:
        return None
    first = []
    for axis, start, low, delta in (("Y", top, bounds[0], step[0]), ("X", left, bounds[2], step[1])):
        pixel, value = item.get(f"ReferencePixel{axis}0"), item.get(f"ReferencePixelPhysicalValue{axis}")
        zero = 0.0 if pixel is None else float(pixel)
        first.append((start - low - zero) * delta + 10 * float(value or 0.0))
    return UsRegion(
        rows=slice(top, bottom),
        columns=slice(left, right),
        spacing_mm=(step[0], step[1]),
        first_mm=(first[0], first[1]),
    )


def grey_of(stored: npt.NDArray[Any], region: UsRegion, path: Path) -> npt.NDArray[Any]:
    """Grey values of a region ``(frame, y, x)`` of one sample a pixel, or of three that are alike."""
    if stored.ndim == 3:
        return stored[:, region.rows, region.columns]
    picture = stored[:, region.rows, region.columns].astype(np.int64)
    apart = picture.max(axis=-1) - picture.min(axis=-1) >= _ALMOST_GREY
    if apart.mean() > 1 - _MOST:
        raise ValueError(
            f"{path} shows colour in {100 * apart.mean():.0f} % of the picture; "
            "only grey images can be measured"
        )
    return np.asarray(picture[..., 1])
