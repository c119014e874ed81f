"""Series that are one scan in parts: the same slices in every respect, and places that go on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech.io import SeriesInfo

_FEWEST = 5
_UNEVEN = 0.1
_ASIDE_MM = 0.05
_ROUNDED = 4


def continued_series(found: tuple[SeriesInfo, ...], fits: tuple[SeriesInfo, ...]) -> tuple[SeriesInfo, ...]:
    """The parts of one scan among series, or nothing.

    Parts have size and spacing of pixels, orientation, frame of reference, thickness, voltage and kernel in
    common; their slices lie behind each other and, taken together, evenly: they go on or interleave. Every
    series that fits alone must be one of them, as else it is not clear which to take.
    """
    groups: dict[tuple[object, ...], list[SeriesInfo]] = {}
    for info in found:
        key = _key(info)
        if key is not None:
            groups.setdefault(key, []).append(info)
    for group in groups.values():
        if len(group) > 1 and all(info in group for info in fits) and _even(group):
            return tuple(group)
    return ()


def _key(info: SeriesInfo) -> tuple[object, ...] | None:
    """What parts must have in common; None where the files do not say where the slices lie."""
    if info.frame_of_reference is None or info.orientation is None or not info.corners_mm:
        return None
    tags = info.tags
    return (
        info.modality, info.shape, info.spacing_mm, info.frame_of_reference, info.slice_thickness_mm,
        tuple(round(c, _ROUNDED) + 0.0 for c in info.orientation),
        tags.tube_voltage_kv, tags.kernel, tags.sequence_name,
        tags.echo_time_ms, tags.repetition_time_ms, tags.flip_angle_deg,
    )  # fmt: skip


def _even(group: list[SeriesInfo]) -> bool:
    corners = np.concatenate([np.array(info.corners_mm) for info in group])
    along, aside = _split(corners, group[0].orientation or ())
    if len(along) < _FEWEST:  # any two places are evenly spaced
        return False
    steps = np.diff(np.sort(along))
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > _UNEVEN * step:
        return False
    return bool(np.ptp(aside, axis=0).max() <= _ASIDE_MM)


def _split(
    corners: npt.NDArray[np.float64], orientation: tuple[float, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places along the normal of the slices and what is left beside it."""
    normal = np.cross(orientation[:3], orientation[3:])
    along = corners @ normal
    return along, corners - along[:, None] * normal
