"""Series that are one scan in parts: by the places of their slices, or by their description."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from imgtech.io import SeriesInfo

_FEWEST = 5
_UNEVEN = 0.1
_ASIDE_MM = 0.05
_ROUNDED = 4


def scan_in_parts(
    found: tuple[SeriesInfo, ...], fits: tuple[SeriesInfo, ...], n_images: tuple[int, int], *, in_time: bool
) -> tuple[SeriesInfo, ...]:
    """The parts of the only scan among series that holds as many images as are wanted, or nothing.

    Parts have size and spacing of pixels, orientation, frame of reference, thickness, voltage and kernel in
    common; their slices lie behind each other and, taken together, evenly: they go on or interleave. Every
    series of ``fits``, which hold enough alone, must be one of them, as else it is not clear which to take.
    Where places do not tell (images of one place in time, or files that do not say where they lie) and none
    fits alone, series that are too short and share pixels, orientation, sequence and description are parts.
    """
    low, _ = n_images
    groups = [] if in_time else _alike(found, _place, n_images)
    groups = [g for g in groups if all(info in g for info in fits) and _even(g)]
    if not groups and not fits:
        groups = _alike([info for info in found if 0 < info.n_images < low], _description, n_images)
    return tuple(groups[0]) if len(groups) == 1 else ()


def without_number(name: str) -> str:
    """A description without the number or letter that counts repetitions at its end."""
    return name.rstrip("0123456789 _-")


def _alike(
    found: Sequence[SeriesInfo], key: Callable[[SeriesInfo], Hashable], n_images: tuple[int, int]
) -> list[list[SeriesInfo]]:
    """Groups of several series with one key that together hold as many images as are wanted."""
    groups: dict[Hashable, list[SeriesInfo]] = {}
    for info in found:
        if key(info) is not None:
            groups.setdefault(key(info), []).append(info)
    low, high = n_images
    return [g for g in groups.values() if len(g) > 1 and low <= sum(s.n_images for s in g) <= high]


def _description(info: SeriesInfo) -> tuple[object, ...]:
    """What series in time have in common."""
    name = without_number(info.tags.series_description or info.tags.protocol_name or "")
    tags = info.tags
    return info.shape, info.spacing_mm, tags.echo_time_ms, tags.sequence_name, name, _turned(info)


def _turned(info: SeriesInfo) -> tuple[float, ...] | None:
    return info.orientation and tuple(round(c, _ROUNDED) + 0.0 for c in info.orientation)


def _place(info: SeriesInfo) -> tuple[object, ...] | None:
    """What parts must have in common; None where the files do not say where the slices lie."""
    if info.frame_of_reference is None or info.orientation is None or not info.corners_mm:
        return None
    tags = info.tags
    return (
        info.modality, info.shape, info.spacing_mm, info.frame_of_reference, info.slice_thickness_mm,
        _turned(info),
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
