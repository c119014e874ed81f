"""Where the slices of a nuclear medicine object lie: one place for all, counted by the slice vector."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

Place = tuple[tuple[float, ...], tuple[float, ...]]

_STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slice_place(dataset: Dataset, index: int) -> Place | None:
    """Position and orientation of a frame of a reconstructed NM volume; None for any other frame.

    Slice n lies ``(n - 1)`` spacings from the first along the normal, against it where Spacing Between Slices
    is negative (DICOM PS3.3 C.8.4.15). A file that does not say where the first slice lies is counted from
    (0, 0, 0).
    """
    vector, step = dataset.get("SliceVector"), dataset.get("SpacingBetweenSlices")
    if str(dataset.get("Modality", "")) != "NM" or not vector or not step:
        return None
    numbers = np.atleast_1d(np.asarray(vector, dtype=np.float64))
    detectors = dataset.get("DetectorInformationSequence") or [Dataset()]
    first = _numbers(detectors[0], "ImagePositionPatient", 3) or (0.0, 0.0, 0.0)
    axes = _numbers(detectors[0], "ImageOrientationPatient", 6) or _STRAIGHT
    along = (float(numbers[index]) - 1) * float(step)
    place = np.asarray(first) + along * np.cross(axes[:3], axes[3:])
    return tuple(float(v) for v in place), axes


def _numbers(dataset: Dataset, keyword: str, n: int) -> tuple[float, ...] | None:
    value = dataset.get(keyword)
    return None if not value or len(value) != n else tuple(float(v) for v in value)
